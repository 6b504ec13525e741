"""Whether a function of a batch gives each example a number of its own: f(outputs, y)[i] of row i alone.

Four batteries, on a few rows, with outputs of several sizes and signs and with targets of the data's own
kind:

- each row's outputs, then its target, are changed: no other row's value may move;
- each row's outputs are made NaN: no other row's value may become NaN, which also finds what a threshold
  hides, and differences that are zero but have a gradient;
- the Jacobian ∂f_i/∂outputs_j must be zero for i ≠ j;
- rows are taken in reverse, and some twice: values must go with their rows, whatever the size of the batch.

The number of rows differs from every other axis, so that nothing fits by chance. Values are compared to 1e-5
of the largest: compiled code rounds by place.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.models.mixing import rows_apart, same, with_row

Function = Callable[[Any, Any], Any]


def mixes(function: Function, shape: tuple[int, ...], y: np.ndarray) -> str | None:
    """How examples mix in a function, in words; None if they do not.

    Args:
      function: `(outputs, y) -> [batch]`.
      shape: Of the outputs of one example.
      y: Targets [n, ...] of the right kind, n ≥ 2, as different from each other as may be.
    """
    rows = rows_apart(shape, y.shape[1:])
    targets = np.stack([y[i % len(y)] for i in range(rows)])
    trial = _Trial(function, targets)
    for outputs in _outputs((rows, *shape)):
        if found := trial.of(outputs):
            return found
    return None


def _another(y: np.ndarray, row: int) -> Any:
    different = [other for other in y if not np.array_equal(other, y[row])]
    return different[row % len(different)] if different else y[row]


def _outputs(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Outputs of several sizes; the last could be probabilities."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2, *shape)).astype(np.float32)
    share = rng.uniform(0.1, 0.9, size=shape).astype(np.float32)
    return [normal[0], 5 * normal[1], share]


class _Trial:
    """A function on batches of one shape, compiled once, with its targets."""

    def __init__(self, function: Function, y: np.ndarray):
        self.y, self.rows = y, len(y)
        self.others = np.stack([_another(y, j) for j in range(self.rows)])
        self._map = jax.jit(lambda outputs, y: jax.lax.map(lambda pair: function(*pair), (outputs, y)))
        self._slopes = jax.jit(jax.jacrev(function))

    def of(self, outputs: np.ndarray) -> str | None:
        """What is wrong, on these outputs."""
        order = np.arange(self.rows)[::-1]
        variants = list(self._variants(outputs))
        batches = [(outputs, self.y), (outputs[order], self.y[order]), *((x, y) for _, _, x, y in variants)]
        values, turned, *found = self._values(*map(np.stack, zip(*batches, strict=True)))
        for (what, j, _, _), changed in zip(variants, found, strict=True):
            if not same(np.delete(changed, j), np.delete(values, j)):
                return f"the value of one example changes with the {what} of another"
        if not same(turned, values[order]):
            return "the value of an example changes with its place in the batch"
        if self._has_slopes(outputs):
            return "the value of one example has a gradient by the outputs of another"
        more = np.arange(rows_apart(outputs.shape[1:], self.y.shape[1:], least=self.rows + 1)) % self.rows
        if not same(self._values(outputs[None, more], self.y[None, more])[0], values[more]):
            return "the value of an example changes with the number of examples"
        return None

    def _variants(self, outputs: np.ndarray) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        """What changes, in which row, and the batch after it."""
        for j, row in enumerate(outputs):
            near, far = (
                outputs[(j + 1) % self.rows] * np.float32(0.5) + np.float32(0.1),
                -3 * row - np.float32(1),
            )
            large = np.sign(row) * np.float32(100)
            for changed in (near, far, large, -large, np.full_like(row, np.nan)):
                yield "outputs", j, with_row(outputs, j, changed), self.y
            if not np.array_equal(self.others[j], self.y[j]):
                yield "targets", j, outputs, with_row(self.y, j, self.others[j])

    def _values(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values [batches, rows] for a stack of batches."""
        with jax.debug_nans(False):
            return np.asarray(self._map(jnp.asarray(outputs), jnp.asarray(y)))

    def _has_slopes(self, outputs: np.ndarray) -> bool:
        try:
            slopes = np.asarray(self._slopes(jnp.asarray(outputs), jnp.asarray(self.y)))
        except Exception:
            # Values have told already; not every metric can be differentiated.
            return False
        size = np.abs(slopes.reshape(self.rows, self.rows, -1)).max(axis=2)
        apart = size[~np.eye(self.rows, dtype=bool)]
        # NaN is no evidence: zero times an infinite slope of a row's own.
        return bool((apart[np.isfinite(apart)] > 0).any())


@functools.lru_cache(maxsize=256)
def cached_mixes(
    function: Any, shape: tuple[int, ...], y: bytes, dtype: str, inner: tuple[int, ...]
) -> str | None:
    """`mixes`, once for a function, a shape of outputs and targets, whatever else a sweep changes."""
    return mixes(function, shape, np.frombuffer(y, dtype).reshape(-1, *inner))
