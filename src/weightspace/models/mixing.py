"""Whether examples of a batch mix: tried by numbers, on a few rows.

One row is changed and the others must keep their outputs; the rows are reversed and their outputs must go
with them. Networks that `rows` proves to keep examples apart need no trial. Losses and metrics have their own
battery (`recipes.mixing`), which shares the pieces here.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

RTOL = 1e-5
ROWS = 5
_CHANGED, _TURNED = 1e-4, 1e-3
"""Of the largest output: what a change may be with equal places, and with others, which round otherwise."""

Network = Callable[[dict[str, Any], Any, Any], Any]
"""(floating arrays by path, key, batches [n, rows, …]) -> outputs [n, rows, …]."""


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


def network_mixes(
    network: Network, arrays: Mapping[str, Any], shape: tuple[int, ...], dtype: Any
) -> str | None:
    """How the outputs of a network for one example depend on the others of the batch; None if they do not.

    Tried with two draws of the inputs and of the weights, none of them zero, as layers that start at zero are
    otherwise seen by nobody; those of the second draw are positive.

    Args:
      network: What it gives for several batches; compiled once.
      arrays: Its floating arrays, or their shapes and types.
      shape: Of a batch: rows, then the axes of one example.
      dtype: Of the inputs.
    """
    with jax.ensure_compile_time_eval(), jax.debug_nans(False):
        key, compiled = jax.random.key(0, impl="threefry2x32"), jax.jit(network)
        for draw in range(2):
            rng = np.random.default_rng(draw)
            batch = _inputs(rng, shape, dtype)
            weights = {path: _weights(rng, leaf, positive=draw == 1) for path, leaf in arrays.items()}
            changed = list(_changes(batch))
            batches = np.stack([batch, batch[::-1], *(other for _, other in changed)])
            values, turned, *found = np.asarray(compiled(weights, key, batches), np.float32)
            for (row, _), other in zip(changed, found, strict=True):
                if not same(np.delete(other, row, 0), np.delete(values, row, 0), _CHANGED):
                    return "with another example of the batch"
            if not same(turned, values[::-1], _TURNED):
                return "with its place in the batch"
    return None


def _weights(rng: np.random.Generator, leaf: Any, *, positive: bool) -> np.ndarray:
    """Kernels that keep the size of what goes through them; other arrays from a half to one and a half."""
    if len(leaf.shape) < 2:
        return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
    kernel = rng.normal(size=leaf.shape) / np.sqrt(max(1, math.prod(leaf.shape[:-1])))
    return (np.abs(kernel) if positive else kernel).astype(leaf.dtype)


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
