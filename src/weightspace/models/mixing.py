"""Whether examples of a batch mix: tried by numbers, on a few rows.

One row is changed and the others must keep their outputs; the rows are reversed and their outputs must go
with them. Networks that `rows` proves to keep examples apart need no trial. Losses and metrics have their own
battery (`recipes.mixing`), which shares the pieces here.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

RTOL = 1e-5
ROWS = 5
_CHANGED, _TURNED = 1e-4, 1e-3
"""Of the largest output: what a change may be with equal places, and with others, which round otherwise."""
_STIRRED = 0.1
"""Deviations of the weights by which layers that start at zero, or switched off, are made to act."""

Network = Callable[[Any, Any, Any], Any]
"""(key, whether the weights are stirred, batches [n, rows, …]) -> outputs [n, rows, …]."""


def rows_apart(*shapes: tuple[int, ...], least: int = ROWS) -> int:
    """The least number of rows, not below `least`, that is no axis of an output or a target."""
    taken = {length for shape in shapes for length in shape}
    return next(count for count in range(least, least + len(taken) + 1) if count not in taken)


def with_row(batch: np.ndarray, row: int, value: Any) -> np.ndarray:
    """The batch with another value in one row."""
    changed = batch.copy()
    changed[row] = value
    return changed


def same(one: np.ndarray, other: np.ndarray, rtol: float = RTOL) -> bool:
    """Whether two arrays are equal to rounding, of the largest finite entry; NaN are equal to NaN alone."""
    with np.errstate(invalid="ignore"):
        finite = np.abs(other[np.isfinite(other)])
        atol = rtol * float(finite.max(initial=0.0))
        return bool(np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True))


def stirred(arrays: Any, key: Any, size: Any) -> Any:
    """Floating arrays with some noise: `size` times a tenth, or a tenth of their own deviation from zero.

    Args:
      arrays: A tree of arrays.
      key: A single key.
      size: 0 or 1, traced.
    """
    leaves, structure = jax.tree.flatten(arrays)

    def one(leaf: Any, key: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        wide = leaf.astype(jnp.float32)
        own = jnp.sqrt(jnp.mean(wide**2))
        scale = _STIRRED * jnp.where(own > 0, own, jnp.ones_like(own)) * size
        return (wide + scale * jax.random.normal(key, leaf.shape)).astype(leaf.dtype)

    keys = jax.random.split(key, max(1, len(leaves)))
    return jax.tree.unflatten(structure, [one(leaf, keys[i]) for i, leaf in enumerate(leaves)])


def network_mixes(network: Network, shape: tuple[int, ...], dtype: Any) -> str | None:
    """How the outputs of a network for one example depend on the others of the batch; None if they do not.

    Tried with two draws of the inputs, at the weights as drawn and at stirred ones.

    Args:
      network: What it gives for several batches; compiled once.
      shape: Of a batch: rows, then the axes of one example.
      dtype: Of the inputs.
    """
    with jax.ensure_compile_time_eval(), jax.debug_nans(False):
        key = jax.random.key(0, impl="threefry2x32")
        compiled = jax.jit(network)
        for draw in range(2):
            batch = _inputs(np.random.default_rng(draw), shape, dtype)
            changed = list(_changes(batch))
            batches = np.stack([batch, batch[::-1], *(other for _, other in changed)])
            values, turned, *found = np.asarray(compiled(key, np.float32(draw), batches), np.float32)
            for (row, _), other in zip(changed, found, strict=True):
                if not same(np.delete(other, row, 0), np.delete(values, row, 0), _CHANGED):
                    return "with another example of the batch"
            if not same(turned, values[::-1], _TURNED):
                return "with its place in the batch"
    return None


def _inputs(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Numbers of unit size; whole ones are 0 and 1, which any vocabulary has."""
    if jnp.issubdtype(dtype, jnp.floating):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 2, size=shape).astype(dtype)


def _changes(batch: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each row changed a little, turned, and made large."""
    for row, value in enumerate(batch):
        if jnp.issubdtype(batch.dtype, jnp.floating):
            others = (value + 1, -3 * value - 1, 100 * np.sign(value))
        else:
            others = (1 - value, np.zeros_like(value), np.ones_like(value))
        for other in others:
            yield row, with_row(batch, row, other.astype(batch.dtype))
