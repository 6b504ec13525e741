"""At init: how well a network does with masks put on weights that were never trained (Zhou et al., 2019).

One-shot masks of rising sparsity are made from the weights at both ends of a dense training; each is put on
the weights at its start, or on what an action makes of them, and evaluated as it is: a ticket that is never
trained. For networks of ReLUs without biases the accuracy does not depend on the scale of any layer.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import compiler, platform, tree
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice, check_number
from weightspace.masks.act import act
from weightspace.masks.counts import DEFAULT_RATES, RULES, Rates, drop_count
from weightspace.masks.criterion import Named
from weightspace.masks.kept import Kept, Rewind
from weightspace.masks.prune import ranks
from weightspace.masks.pruned import Zero
from weightspace.masks.score import score
from weightspace.measure.host import TRAIN_EXAMPLES, measure
from weightspace.measure.network import STATISTICS, Network, Subject
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout, Leaf
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream, key, named
from weightspace.tree import Tree, flat_dict, map_named


@spec
class MasksAtInit(Derived):
    """Accuracies of one-shot masks at the initial weights, for each power of pruning from 0.

    Columns, for each power k: `density_<k>`, `test_accuracy_<k>`, `test_loss_<k>`, `train_accuracy_<k>`,
    `train_loss_<k>` (the last two on 5,000 examples, evenly spread); `test_accuracy_max` with
    `density_at_max`, which flatters: it is the greatest of many noisy values; and `chance`, one over the
    number of classes. All masks are measured in one reading of the data, by the functions that evaluate
    trainings. A network with normalisation goes by the statistics of each batch unless others are asked for:
    those it starts with are no run's. The masks are those of `Prune` with that power on a full mask; one sort
    of each layer gives them all. Powers from which on a layer would be empty are left out. Criteria that take
    no notice of the rate have one mask only, at power 0.

    Attributes:
      model: The network.
      task: Data and loss.
      criterion: By which weights are kept, or its name.
      before: Weights before the dense training.
      after: Weights after it, or at any of its steps.
      seeds: Of the dense run.
      gradient: Loss gradient at `before`, for the criteria that need it.
      kept: What kept weights are set to.
      rates: Shares removed by each power, by kind of layer; or one number for all.
      powers: How many powers, 0 (no pruning) among them.
      rule: How shares become counts: `round`, or the original's `legacy`.
      statistics: What normalisation goes by, as in `Evaluation`.
      state: The model's state that goes with `before`, for `running` and `recalibrated` statistics.
    """

    version = 4

    model: Any
    task: Task
    criterion: Named
    before: Any
    after: Any
    seeds: Seeds
    gradient: Any = None
    kept: Kept = Rewind()
    rates: Rates | float = DEFAULT_RATES
    powers: int = static(default=25)
    rule: str = static(default="round")
    statistics: str = static(default="batch")
    state: Any = None

    def validate(self) -> None:
        """A known rule and kind of statistics, at least one power."""
        check_choice("statistics", self.statistics, STATISTICS)
        check_choice("pruning rule", self.rule, RULES)
        check_number("powers", self.powers, least=1)

    def compute(self) -> dict[str, Tree]:
        """All masks in one program."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype("float32"))
        counts = self.counts(layout)
        each = map_named(lambda path, _: counts.get(path, np.ones_like(_first(counts))), self.before)
        # Double precision must not be rounded before it is ranked: weights that differ would tie.
        with platform.arithmetic(str(np.asarray(_first(flat_dict(self.after))).dtype), "highest"):
            places = self.places(layout)
        with platform.arithmetic("float32", "highest"):
            masked = _masking(self.model, self.task)(self.kept, self.before, places, each, self.seeds)
        number = len(_first(counts))
        state = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (number, *np.shape(leaf))), self.state)
        # The task's metrics are no part of its identity, so the columns are those of the loss.
        task = dataclasses.replace(self.task, metrics=())
        measured = measure(
            Subject(self.model, task, self.seeds), Network(masked, state),
            {"test": None, "train": TRAIN_EXAMPLES}, self.statistics,
        )  # fmt: skip
        return self._columns(layout, counts, measured)

    def counts(self, layout: Layout) -> dict[str, np.ndarray]:
        """How many weights of each kernel are kept, for each power that leaves some of all of them."""
        kernels = [layout[path] for path in layout.paths("kernel")]
        if self.criterion.fixed:
            same = {leaf.path: np.array([np.count_nonzero(self._scores(leaf))], np.int32) for leaf in kernels}
            empty = [path for path, count in same.items() if not count[0]]
            if empty:
                raise InputError(
                    f"the criterion '{self.criterion.name}' keeps no weight of {', '.join(empty)}"
                )
            return same
        found = {leaf.path: [self._left(leaf, power) for power in range(self.powers)] for leaf in kernels}
        least = np.min(np.array(list(found.values())), axis=0)
        whole = int(np.argmin(least)) if least.min() == 0 else self.powers
        return {path: np.array(left[:whole], np.int32) for path, left in found.items()}

    def _left(self, leaf: Leaf, power: int) -> int:
        rate = self.rates.of(leaf) if isinstance(self.rates, Rates) else self.rates
        return leaf.size - drop_count(leaf.size, rate, self.rule, power)

    def places(self, layout: Layout) -> Tree:
        """The rank of each entry of a kernel, and 0 for all else: a mask is where it is below a count.

        Raises:
          InputError: If weights belong to another model, or are not numbers.
        """
        given = ("before", "after", "gradient")
        for name in given if self.gradient is not None else given[:2]:
            check_fit(f"'{name}'", getattr(self, name), layout)
        kernels = set(layout.paths("kernel"))
        salt = key(self.seeds, Stream.MASK)

        def rank(path: str, w: Any) -> Any:
            if path not in kernels:
                return jnp.zeros(np.shape(w), jnp.int32)
            return ranks(self._scores(layout[path]), np.ones(np.shape(w), bool), named(salt, path))

        return map_named(rank, self.before)

    def _scores(self, leaf: Leaf) -> Any:
        ends = {"before": self.before, "after": self.after, "gradient": self.gradient}
        values = {name: flat_dict(tree)[leaf.path] for name, tree in ends.items() if tree is not None}
        return score(self.criterion, values, leaf, named(key(self.seeds, Stream.MASK), leaf.path))

    def _columns(self, layout: Layout, counts: Any, measured: dict[str, np.ndarray]) -> dict[str, Tree]:
        whole = sum(layout[path].size for path in counts)
        density = np.sum(list(counts.values()), axis=0) / whole
        found: dict[str, float] = {}
        for power in range(len(density)):
            found[f"density_{power}"] = float(density[power])
            found |= {f"{name}_{power}": float(values[power]) for name, values in measured.items()}
        if "test_accuracy" in measured:
            best = int(np.argmax(measured["test_accuracy"]))
            found["test_accuracy_max"] = float(measured["test_accuracy"][best])
            found["density_at_max"] = float(density[best])
            found["chance"] = 1 / self.task.outputs
        return dict(found)


def _first(leaves: dict[str, Any]) -> Any:
    return next(iter(leaves.values()))


@functools.lru_cache(maxsize=8)
def _masking(model: Any, task: Task) -> Any:
    """The program that puts all masks on; the same for all criteria, actions of one kind, and seeds."""
    shape = tuple(task.data.shape)
    dtype = task.data.input_dtype("float32")
    layout = layout_of(model, shape, dtype)
    blank = jnp.zeros((1, *shape), dtype)

    def sample(keys: Keys) -> Tree:
        return model.init(keys(Stream.INIT), blank)[0]

    @compiler.jit
    def masked(kept: Kept, before: Tree, places: Tree, counts: Tree, seeds: Seeds) -> Tree:
        keys = Keys(seeds)

        def one(count: Tree) -> Tree:
            mask = jax.tree.map(lambda place, most: place < most, places, count)
            values = act(kept, Zero(), before, mask, keys, sample, layout)
            return jax.tree.map(jnp.where, mask, *values)

        return tree.cast(jax.lax.map(one, counts), jnp.float32)

    return masked
