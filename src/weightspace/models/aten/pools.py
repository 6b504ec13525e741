"""Pooling over windows of any size, step, padding and distance: a tournament or a sum over their entries.

Square windows that do not overlap take the package's own. Of equal entries the first has the gradient, as in
PyTorch.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from weightspace.models.aten.table import Image, operator
from weightspace.models.pooling import max_pool

Sizes = tuple[int, ...]


def _spread(value: Any, rank: int) -> Sizes:
    value = (value,) if isinstance(value, int) else tuple(value)
    return value * rank if len(value) == 1 else value


def _lengths(space: Sizes, size: Sizes, step: Sizes, pad: Sizes, apart: Sizes, ceil: bool) -> Sizes:
    """How many windows there are along each axis."""
    made = []
    for n, k, s, p, d in zip(space, size, step, pad, apart, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (math.ceil(room / s) if ceil else room // s) + 1
        # A window that would begin in the padding after the image is left out.
        made.append(count - 1 if ceil and (count - 1) * s >= n + p else count)
    return tuple(made)


def _entries(
    array: Array, fill: float, size: Sizes, step: Sizes, pad: Sizes, apart: Sizes, made: Sizes
) -> Iterable[Array]:
    """The first entries of all windows, then their second ones, and so on."""
    space = array.shape[1:-1]
    reach = [(m - 1) * s + d * (k - 1) + 1 for m, s, k, d in zip(made, step, size, apart, strict=True)]
    ends = [(p, r - n - p, 0) for p, r, n in zip(pad, reach, space, strict=True)]
    padded = lax.pad(array, jnp.asarray(fill, array.dtype), [(0, 0, 0), *ends, (0, 0, 0)])
    for place in itertools.product(*map(range, size)):
        starts = [at * d for at, d in zip(place, apart, strict=True)]
        stops = [a + (m - 1) * s + 1 for a, m, s in zip(starts, made, step, strict=True)]
        yield lax.slice(padded, (0, *starts, 0), (len(array), *stops, array.shape[-1]), (1, *step, 1))


def _larger(first: Array, second: Array) -> Array:
    return jnp.where((second > first) | jnp.isnan(second), second, first)


def _max_pool(x: Any, size: Any, step: Any = (), pad: Any = 0, apart: Any = 1, ceil: bool = False) -> Image:
    array = Image.of(x).array
    rank = array.ndim - 2
    size = _spread(size, rank)
    step = _spread(step, rank) if step not in ((), None) else size
    pad, apart = _spread(pad, rank), _spread(apart, rank)
    if rank == 2 and size == step and len(set(size)) == 1 and not any(pad) and set(apart) == {1} and not ceil:
        return Image(max_pool(array, size[0]))
    made = _lengths(array.shape[1:-1], size, step, pad, apart, ceil)
    entries = _entries(array, -jnp.inf, size, step, pad, apart, made)
    return Image(functools.reduce(_larger, entries))


@operator(*(f"max_pool{n}d_with_indices.default" for n in (2, 3)), images="own")
def _max_pool_with_places(*args: Any, **kwargs: Any) -> tuple[Image, None]:
    return _max_pool(*args, **kwargs), None


operator(*(f"max_pool{n}d.default" for n in (1, 2, 3)), images="own")(_max_pool)


@operator(*(f"avg_pool{n}d.default" for n in (1, 2, 3)), images="own")
def _average_pool(
    x: Any,
    size: Any,
    step: Any = (),
    pad: Any = 0,
    ceil: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Image:
    array = Image.of(x).array
    rank = array.ndim - 2
    size, pad, apart = _spread(size, rank), _spread(pad, rank), (1,) * rank
    step = _spread(step, rank) if step not in ((), None) else size
    made = _lengths(array.shape[1:-1], size, step, pad, apart, ceil)
    total = functools.reduce(jnp.add, _entries(array, 0.0, size, step, pad, apart, made))
    counts = _counts(array.shape[1:-1], size, step, pad, made, within=not count_include_pad)
    if divisor_override:
        return Image(total / divisor_override)
    return Image(total / jnp.asarray(counts, array.dtype)[..., None])


def _counts(space: Sizes, size: Sizes, step: Sizes, pad: Sizes, made: Sizes, *, within: bool) -> Any:
    """How many entries each window has: those within the image, or within its padding too."""
    found: Any = jnp.ones(())
    for n, k, s, p, m in zip(space, size, step, pad, made, strict=True):
        starts = [at * s - p for at in range(m)]
        low, high = (0, n) if within else (-p, n + p)
        along = [min(start + k, high) - max(start, low) for start in starts]
        found = found[..., None] * jnp.asarray(along, found.dtype)
    return found


def _adaptive(reduce: Callable[..., Array], order: int) -> Callable[..., Image]:
    """Windows whose bounds are shares of the length, an axis after the other; from the last one by −1."""

    def pool(x: Any, made: Any) -> Image:
        array = Image.of(x).array
        for axis, count in list(enumerate(_spread(made, array.ndim - 2), 1))[::order]:
            length = array.shape[axis]
            count = length if count is None else count
            parts = [
                lax.slice_in_dim(array, at * length // count, -(-(at + 1) * length // count), axis=axis)
                for at in range(count)
            ]
            array = jnp.concatenate([reduce(part, axis, keepdims=True) for part in parts], axis)
        return Image(array)

    return pool


for _n in (1, 2, 3):
    operator(f"adaptive_avg_pool{_n}d.default", f"_adaptive_avg_pool{_n}d.default", images="own")(
        _adaptive(jnp.mean, 1)
    )


def _first_max(array: Array, axis: int, *, keepdims: bool) -> Array:
    return jnp.take_along_axis(array, jnp.argmax(array, axis, keepdims=keepdims), axis)


@operator(*(f"adaptive_max_pool{n}d.default" for n in (1, 2, 3)), images="own")
def _adaptive_max(x: Any, made: Any) -> tuple[Image, None]:
    # Along the last axis first, so that of equal entries the first in order is taken.
    return _adaptive(_first_max, -1)(x, made), None
