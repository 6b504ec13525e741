"""Whether a function of a batch gives each example a number of its own: f(outputs, y)[i] of row i alone.

Five batteries, with outputs of several sizes and signs and with targets of the data's own kind. Four are on a
few rows:

- each row's outputs, then its target, are changed: no other row's value may move;
- each row's outputs are made NaN: no other row's value may become NaN, which also finds what a threshold
  hides, and differences that are zero but have a gradient;
- the Jacobian ∂f_i/∂outputs_j must be zero for i ≠ j;
- rows are taken in reverse, and some twice: values must go with their rows, whatever the size of the batch.

The fifth (`depends_on_size`) is on batches as large as those of a run: each row's value must be the one that
it has among a few. It finds what begins at some size, as the hardest 16 of a batch, or a factor of length.

What no trial shows, for it takes a target or a size that was not tried, shows in the program (`models.rows`).

The number of rows differs from every other axis, so that nothing fits by chance. Values are compared to 1e-5
of the largest: compiled code rounds by place.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.models.mixing import rows_apart, same, with_row
from weightspace.models.rows import path_between

Function = Callable[[Any, Any], Any]
_GROUPS = 8
"""Groups of targets that are tried, at the most."""
_LARGEST = 1 << 22
"""Outputs of a batch that is tried."""


def mixes(function: Function, shape: tuple[int, ...], y: np.ndarray) -> str | None:
    """How examples mix in a function, in words; None if they do not.

    Args:
      function: `(outputs, y) -> [batch]`.
      shape: Of the outputs of one example.
      y: Targets [n, ...] of the right kind, n ≥ 2, as different from each other as may be.
    """
    rows = rows_apart(shape, y.shape[1:])
    trial = _Trial(function, rows)
    for number, outputs in enumerate(_outputs((rows, *shape))):
        # Each group of targets is spread over all of them.
        for group in range(max(1, -(-len(y) // rows))) if number == 0 else (number,):
            if group < _GROUPS and (found := trial.of(outputs, *_taken(y, rows, group))):
                return found
    batch = (
        jax.ShapeDtypeStruct((rows, *inner), t) for inner, t in ((shape, jnp.float32), (y.shape[1:], y.dtype))
    )
    path = path_between(function, *batch)
    return None if path is None else f"the value of one example is computed from others too, by {path}"


def _taken(y: np.ndarray, rows: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets of a batch, and for each row another one."""
    step = max(1, len(y) // rows)
    here = [y[(i * step + group) % len(y)] for i in range(rows)]
    others = []
    for j, own in enumerate(here):
        turned = np.roll(y, -(j * step + 2 * group + 1), axis=0)
        others.append(next((other for other in turned if not np.array_equal(other, own)), own))
    return np.stack(here), np.stack(others)


def depends_on_size(
    function: Function, shape: tuple[int, ...], y: np.ndarray, sizes: Iterable[int]
) -> str | None:
    """Whether a row has another value in a large batch than among a few, in words; None if it has not.

    Args:
      function: `(outputs, y) -> [batch]`.
      shape: Of the outputs of one example.
      y: Targets [n, ...] of the right kind; a batch takes them in turn.
      sizes: Of the batches; those of more than some millions of outputs are left out.
    """
    rows = rows_apart(shape, y.shape[1:])
    fit = sorted({size for size in sizes if size > 0 and size * math.prod(shape) <= _LARGEST})
    if not fit:
        return None
    count = -(-fit[-1] // rows) * rows
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(count, *shape)) * rng.choice([0.3, 1.0, 5.0], size=(count, *[1] * len(shape)))
    outputs, targets = outputs.astype(np.float32), y[np.arange(count) % len(y)]
    few = _stacked(function, outputs.reshape(-1, rows, *shape), targets.reshape(-1, rows, *y.shape[1:]))
    for size in fit:
        many = _stacked(function, outputs[None, :size], targets[None, :size])
        if not same(many[0], few.reshape(-1)[:size]):
            return f"the value of an example is another in a batch of {size} than in one of {rows}"
    return None


def _stacked(function: Function, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values [batches, rows] for a stack of batches."""
    mapped = jax.jit(lambda outputs, y: jax.lax.map(lambda pair: function(*pair), (outputs, y)))
    with jax.debug_nans(False):
        return np.asarray(mapped(jnp.asarray(outputs), jnp.asarray(y)))


def _outputs(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Outputs of several sizes; the last could be probabilities."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2, *shape)).astype(np.float32)
    share = rng.uniform(0.1, 0.9, size=shape).astype(np.float32)
    return [normal[0], 5 * normal[1], share]


class _Trial:
    """A function on batches of one shape, compiled once."""

    def __init__(self, function: Function, rows: int):
        self.rows = rows
        self._map = jax.jit(lambda outputs, y: jax.lax.map(lambda pair: function(*pair), (outputs, y)))
        self._slopes = jax.jit(jax.jacrev(function))

    def of(self, outputs: np.ndarray, y: np.ndarray, others: np.ndarray) -> str | None:
        """What is wrong, on these outputs and targets."""
        self.y, self.others = y, others
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


@functools.lru_cache(maxsize=256)
def cached_depends(
    function: Any,
    shape: tuple[int, ...],
    y: bytes,
    dtype: str,
    inner: tuple[int, ...],
    sizes: tuple[int, ...],
) -> str | None:
    """`depends_on_size`, once likewise."""
    return depends_on_size(function, shape, np.frombuffer(y, dtype).reshape(-1, *inner), sizes)
