"""Measure: a task's metrics at given weights, on the host, batch by batch.

Training evaluates inside its compiled program; derived values have weights that no run ever had (masked
before training, on a line between two runs) and measure them here, in single precision. Where batches are
normalised by their own statistics they are formed by content, as in training: no number depends on how a file
is sorted.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from weightspace import compiler, platform, tree
from weightspace.data.order import content_order
from weightspace.data.task import Task, defined
from weightspace.errors import check_choice
from weightspace.models.base import example
from weightspace.streams import Keys, Seeds, Stream
from weightspace.tree import Tree

BATCH = 1_000
"""Examples of one call, at the most."""
TRAIN_EXAMPLES = 5_000
SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Measure:
    """Means of the loss's metrics over a split.

    With the state of a run, or for a network that keeps no statistics, as at test time. Else statistics would
    be those of other weights: the network normalises by those of each batch, of one size but for one example
    (and its dropout acts).

    Attributes:
      model: The network.
      task: Data and loss.
      seeds: Of the run whose split, subset and label noise are meant.
      state: Statistics that belong to the weights, as the run left them; None for none.
    """

    model: Any
    task: Task
    seeds: Seeds
    state: Tree | None = None

    def __call__(self, weights: Tree, split: str, limit: int | None = None) -> dict[str, float]:
        """`loss`, and `accuracy` where targets are classes.

        Args:
          weights: As the model takes them.
          split: `train` (with the run's own labels), `validation` or `test`.
          limit: Measure on so many examples, spread evenly over the split; None for all.
        """
        check_choice("split", split, SPLITS)
        forward = _forward(self.model, self.task.loss, self.by_batch)
        total: dict[str, float] = {}
        with platform.arithmetic("float32", "highest"):
            x_all, y_all, rows = self.examples(split, limit)
            for here in np.array_split(rows, -(-len(rows) // BATCH)):
                x = self.task.data.decode(self.arrays, x_all[here], "float32")
                sums = forward(weights, self._state, x, y_all[here])
                total = {name: total.get(name, 0.0) + float(value) for name, value in sums.items()}
        return {name: value / len(rows) for name, value in total.items()}

    @property
    def by_batch(self) -> bool:
        """Whether batches are normalised by their own statistics."""
        return self.state is None and keeps_statistics(self.model, tuple(self.task.data.shape))

    @functools.cached_property
    def arrays(self) -> Any:
        """The data, as the run itself drew it where runs draw their own."""
        drawn = self.task.data.drawn(self.seeds)
        return self.task.data.arrays() if drawn is None else drawn

    @functools.cached_property
    def _state(self) -> Tree:
        if self.state is not None:
            return self.state
        data = self.task.data
        blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))
        return self.model.init(Keys(self.seeds)(Stream.INIT), blank)[1]

    def examples(
        self, split: str, limit: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, " n"]]:
        """Raw inputs, targets, and the rows of both that are the split, or `limit` of them, evenly spread.

        By batch they come in the order of their content, and those of a limit are the first. To be called in
        single precision, as the compiled program draws data.
        """
        x, y, rows = self._split(split)
        if self.by_batch:
            order = content_order(x, y, rows=jnp.asarray(rows, jnp.int32))
            return x, y, np.asarray(order)[:limit]
        if limit is not None and limit < len(rows):
            rows = rows[np.linspace(0, len(rows) - 1, limit).round().astype(int)]
        return x, y, rows

    def _split(self, split: str) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, " n"]]:
        data, arrays = self.task.data, self.arrays
        if split == "test":
            return np.asarray(arrays.test.x), np.asarray(arrays.test.y), np.arange(len(arrays.test.y))
        parts = data.partition(self.seeds)
        rows = getattr(parts, split)
        # Validation examples are judged by their true labels: noise is put on what is trained on.
        noisy = data.labels(arrays, self.seeds) if split == "train" else None
        y = np.asarray(arrays.train.y if noisy is None else noisy)
        chosen = np.arange(len(y) if split == "train" else 0) if rows is None else np.asarray(rows)
        return np.asarray(arrays.train.x), y, chosen


@functools.lru_cache(maxsize=64)
def keeps_statistics(model: Any, shape: tuple[int, ...]) -> bool:
    """Whether a network has floating state that training changes; nothing is computed.

    Args:
      model: The network.
      shape: Of one input.
    """
    key = jax.random.key(0, impl="threefry2x32")
    blank = example(shape)
    with platform.arithmetic("float32", "highest"):
        weights, state = jax.eval_shape(model.init, key, blank)
        leaves, structure = jax.tree.flatten(state)
        floating = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]
        if not any(floating):
            return False

        def after(weights: Tree, x: Array, *leaves: Array) -> list[Array]:
            given = jax.tree.unflatten(structure, leaves)
            return jax.tree.leaves(model.apply(weights, given, x, train=True, key=key)[1])

        jaxpr = jax.make_jaxpr(after)(weights, blank, *leaves).jaxpr
    before = jaxpr.invars[len(jaxpr.invars) - len(leaves) :]
    pairs = zip(floating, before, jaxpr.outvars, strict=True)
    return any(real and old is not new for real, old, new in pairs)


@functools.lru_cache(maxsize=8)
def _forward(model: Any, loss: Any, by_batch: bool) -> Any:
    @compiler.jit
    def sums(weights: Tree, state: Tree, x: Array, y: Array) -> dict[str, Array]:
        key = jax.random.key(0, impl="threefry2x32")
        w = tree.cast(weights, jnp.float32)
        outputs, _ = model.apply(w, state, x, train=by_batch, key=key)
        return {name: jnp.sum(values) for name, values in defined(outputs, loss.metrics(outputs, y)).items()}

    return sums
