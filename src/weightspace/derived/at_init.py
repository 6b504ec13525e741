"""At init: how well a network does with masks put on weights that were never trained (Zhou et al., 2019).

One-shot masks of rising sparsity are made from the weights at both ends of a dense training; the weights at
its start, or what an action makes of them, are masked and evaluated as they are. For networks of ReLUs
without biases the accuracy does not depend on the scale of any layer.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import tree
from weightspace.data.task import Task
from weightspace.masks.counts import DEFAULT_RATES, Rates
from weightspace.masks.kept import Kept, Rewind
from weightspace.masks.prune import density, prune
from weightspace.models.base import layout_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream, key
from weightspace.tree import Tree

BATCH = 1_000
TRAIN_EXAMPLES = 5_000


@spec
class AtInit(Derived):
    """Accuracies of one-shot masks at the initial weights, for each power of pruning from 0.

    Columns, for each power k: `density_<k>`, `test_accuracy_<k>`, `test_loss_<k>`, `train_accuracy_<k>` (the
    training metrics on 5,000 examples); and `test_accuracy_max` with `density_at_max`, which flatter: a
    maximum over noisy values. Powers from which on a layer would be empty are left out.

    Attributes:
      model: The network.
      task: Data and loss.
      criterion: By which weights are kept.
      before: Weights before the dense training.
      after: Weights after it, or at any of its steps.
      seeds: Of the dense run.
      gradient: Loss gradient at `before`, for the criteria that need it.
      kept: What kept weights are set to.
      rates: Shares removed by each power, by kind of layer.
      powers: How many powers, 0 (no pruning) among them.
      rule: How shares become counts.
    """

    model: Any
    task: Task
    criterion: str = static()
    before: Any
    after: Any
    seeds: Seeds
    gradient: Any = None
    kept: Kept = Rewind()
    rates: Rates | float = DEFAULT_RATES
    powers: int = static(default=25)
    rule: str = static(default="round")

    def compute(self) -> dict[str, Tree]:
        """One mask after another."""
        shape = tuple(self.task.data.shape)
        layout = layout_of(self.model, shape, "float32")
        keys = Keys(self.seeds)
        blank = jnp.zeros((1, *shape), jnp.float32)
        state = self.model.init(keys(Stream.INIT), blank)[1]

        def fresh(number: int) -> Tree:
            return self.model.init(keys.child(number)(Stream.INIT), blank)[0]

        @jax.jit
        def masked(mask: Tree) -> Tree:
            values = self.kept.values(self.before, mask, layout, keys.child(0)(Stream.MASK), fresh)
            return jax.tree.map(lambda on, w: jnp.where(on, w, jnp.zeros_like(w)), mask, values)

        found: dict[str, float] = {}
        for power in range(self.powers):
            mask = self._mask(layout, power)
            if mask is None:
                break
            shares = density(mask, layout)
            kept = sum(share * layout[path].size for path, share in shares.items())
            found[f"density_{power}"] = kept / sum(layout[path].size for path in shares)
            found |= {f"{k}_{power}": v for k, v in self._measured(masked(mask), state).items()}
        best = max(range(self.powers), key=lambda k: found.get(f"test_accuracy_{k}", -1.0))
        found["test_accuracy_max"] = found[f"test_accuracy_{best}"]
        found["density_at_max"] = found[f"density_{best}"]
        return dict(found)

    def _mask(self, layout: Any, power: int) -> Tree | None:
        from weightspace.errors import InputError

        try:
            return prune(
                self.before, self.after, self.gradient, None, layout, self.criterion,
                key=key(self.seeds, Stream.MASK), rates=self.rates, power=power, rule=self.rule,
            )  # fmt: skip
        except InputError:
            if power:
                return None
            raise

    def _measured(self, weights: Tree, state: Tree) -> dict[str, float]:
        parts = (("test", None), ("train", TRAIN_EXAMPLES))
        return {
            f"{split}_{name}": value
            for split, limit in parts
            for name, value in _means(self.model, self.task, self.seeds, weights, state, split, limit).items()
        }


def _means(
    model: Any, task: Task, seeds: Seeds, weights: Tree, state: Tree, split: str, limit: int | None
) -> dict[str, float]:
    """Means of the task's metrics over a split, batch by batch."""
    arrays = task.data.arrays()
    part = getattr(arrays, split)
    rows = task.data.partition(seeds).train if split == "train" else None
    chosen = np.arange(len(part.y)) if rows is None else np.asarray(rows)
    chosen = chosen[:limit]
    forward = _forward(model, task)
    total: dict[str, float] = {}
    for start in range(0, len(chosen), BATCH):
        here = chosen[start : start + BATCH]
        x = task.data.decode(arrays, np.asarray(part.x)[here], "float32")
        sums = forward(weights, state, x, np.asarray(part.y)[here])
        for name, value in sums.items():
            total[name] = total.get(name, 0.0) + float(value)
    return {name: value / len(chosen) for name, value in total.items()}


@functools.lru_cache(maxsize=8)
def _forward(model: Any, task: Task) -> Any:
    @jax.jit
    def sums(weights: Tree, state: Tree, x: Any, y: Any) -> dict[str, Any]:
        still = jax.random.key(0, impl="threefry2x32")
        outputs, _ = model.apply(tree.cast(weights, jnp.float32), state, x, train=False, key=still)
        return {name: jnp.sum(values) for name, values in task.measure(outputs, y).items()}

    return sums
