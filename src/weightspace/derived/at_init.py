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

from weightspace import compiler, platform
from weightspace.data.task import Task
from weightspace.derived.measure import BATCH, TRAIN_EXAMPLES, Measure, keeps_statistics
from weightspace.errors import InputError, check_choice, check_number
from weightspace.masks.counts import DEFAULT_RATES, RULES, Rates, drop_count
from weightspace.masks.criteria import criterion
from weightspace.masks.fit import check_finite, check_fit, check_scores
from weightspace.masks.kept import Kept, Rewind
from weightspace.masks.prune import ranks
from weightspace.models.base import layout_of
from weightspace.models.layout import Layout, Leaf
from weightspace.node import Derived
from weightspace.spaces.masked import Masked
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream, key, named
from weightspace.tree import Tree, flat_dict, map_named


@spec
class MasksAtInit(Derived):
    """Accuracies of one-shot masks at the initial weights, for each power of pruning from 0.

    Columns, for each power k: `density_<k>`, `test_accuracy_<k>`, `test_loss_<k>`, `train_accuracy_<k>`,
    `train_loss_<k>` (the last two on 5,000 examples, evenly spread); `test_accuracy_max` with
    `density_at_max`, which flatters: it is the greatest of many noisy values; and `chance`, one over the
    number of classes. A network with normalisation goes by the statistics of each batch, as in `Measure`:
    those it starts with are no run's. The masks are those of `Prune` with that power on a full mask; one sort
    of each layer gives them all. Powers from which on a layer would be empty are left out. Criteria that take
    no notice of the rate have one mask only, at power 0.

    Attributes:
      model: The network.
      task: Data and loss.
      criterion: By which weights are kept.
      before: Weights before the dense training.
      after: Weights after it, or at any of its steps.
      seeds: Of the dense run.
      gradient: Loss gradient at `before`, for the criteria that need it.
      kept: What kept weights are set to.
      rates: Shares removed by each power, by kind of layer; or one number for all.
      powers: How many powers, 0 (no pruning) among them.
      rule: How shares become counts: `round`, or the original's `legacy`.
    """

    @property
    def version(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2: training examples are spread as `Measure` spreads them; 3: batches are normalised as there."""
        return 3 if keeps_statistics(self.model, tuple(self.task.data.shape)) else 2

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

    def validate(self) -> None:
        """A known criterion and rule, at least one power."""
        criterion(self.criterion)
        check_choice("pruning rule", self.rule, RULES)
        check_number("powers", self.powers, least=1)

    def compute(self) -> dict[str, Tree]:
        """All masks in one program."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype("float32"))
        counts = self.counts(layout)
        examples = self._examples()
        each = map_named(lambda path, _: counts.get(path, np.ones_like(_first(counts))), self.before)
        # Double precision must not be rounded before it is ranked: weights that differ would tie.
        with platform.arithmetic(str(np.asarray(_first(flat_dict(self.after))).dtype), "highest"):
            places = self.places(layout)
        with platform.arithmetic("float32", "highest"):
            found = _measuring(self.model, self.task)(
                self.kept, self.before, places, each, self.seeds, examples
            )
        measured = {name: np.asarray(values) for name, values in found.items()}
        return self._columns(layout, counts, measured)

    def _examples(self) -> dict[str, Any]:
        """For each split how to decode, raw inputs and targets: all of the test's, some of the training's."""
        measure = Measure(self.model, self.task, self.seeds)
        found = {}
        with platform.arithmetic("float32", "highest"):
            fit = (measure.arrays.shift, measure.arrays.scale)
            for split, limit in (("test", None), ("train", TRAIN_EXAMPLES)):
                x, y, rows = measure.examples(split, limit)
                found[split] = (fit, x[rows], y[rows])
        return found

    def counts(self, layout: Layout) -> dict[str, np.ndarray]:
        """How many weights of each kernel are kept, for each power that leaves some of all of them."""
        kernels = [layout[path] for path in layout.paths("kernel")]
        if criterion(self.criterion).fixed:
            same = {leaf.path: np.array([np.count_nonzero(self._scores(leaf))], np.int32) for leaf in kernels}
            empty = [path for path, count in same.items() if not count[0]]
            if empty:
                raise InputError(f"the criterion '{self.criterion}' keeps no weight of {', '.join(empty)}")
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
        before, after = (flat_dict(tree)[leaf.path] for tree in (self.before, self.after))
        slope = None if self.gradient is None else flat_dict(self.gradient)[leaf.path]
        for name, values in (("before", before), ("after", after), ("gradient", slope)):
            if values is not None:
                check_finite(name, values, leaf.path)
        scores = criterion(self.criterion).scores(before, after, slope, np.ones(leaf.shape, bool))
        check_scores(scores, self.criterion, leaf.path)
        return scores

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
def _measuring(model: Any, task: Task) -> Any:
    """The program that evaluates all masks; the same for all criteria, actions of one kind, and seeds."""
    shape = tuple(task.data.shape)
    dtype = task.data.input_dtype("float32")
    layout = layout_of(model, shape, dtype)
    by_batch = keeps_statistics(model, shape)
    arrays = task.data.arrays()
    blank = jnp.zeros((1, *shape), dtype)

    def sample(keys: Keys) -> Tree:
        return model.init(keys(Stream.INIT), blank)[0]

    def total(weights: Tree, state: Tree, examples: Any) -> dict[str, Any]:
        (shift, scale), x, y = examples
        size, batch = len(y), min(BATCH, len(y))
        whole = dataclasses.replace(arrays, shift=shift, scale=scale)

        def part(number: Any) -> dict[str, Any]:
            places = number * batch + jnp.arange(batch, dtype=jnp.int32)
            rows = places % size if by_batch else jnp.minimum(places, size - 1)
            inputs = task.data.decode(whole, x[rows], "float32")
            still = jax.random.key(0, impl="threefry2x32")
            outputs, _ = model.apply(weights, state, inputs, train=by_batch, key=still)
            real = (places < size).astype(jnp.float32)
            return {name: jnp.sum(each * real) for name, each in task.measure(outputs, y[rows]).items()}

        sums = jax.lax.map(part, jnp.arange(-(-size // batch), dtype=jnp.int32))
        return {name: jnp.sum(each) / size for name, each in sums.items()}

    @compiler.jit
    def measure(kept: Kept, before: Tree, places: Tree, counts: Tree, seeds: Seeds, splits: Any) -> Any:
        keys = Keys(seeds)
        state = model.init(keys(Stream.INIT), blank)[1]
        splits = {name: (fit, jnp.asarray(x), jnp.asarray(y)) for name, (fit, x, y) in splits.items()}

        def one(count: Tree) -> dict[str, Any]:
            mask = jax.tree.map(lambda place, most: place < most, places, count)
            space = Masked(mask, kept, start=before)
            weights = space.weights(*space.init(keys, sample, layout), ())
            return {
                f"{split}_{name}": value
                for split, examples in splits.items()
                for name, value in total(weights, state, examples).items()
            }

        return jax.lax.map(one, counts)

    return measure
