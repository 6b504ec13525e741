"""Pooling of windows that do not overlap: a reshape and a sum or a tournament over the window's entries.

XLA's own operation over windows is several times slower on a CPU, above all its gradient. Rows and columns
that do not fill a window are cut off, as padding `VALID` has it.
"""

import functools
from collections.abc import Callable, Iterable

import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.errors import InputError

SMALL = 16
"""Entries of a window up to which they are taken one by one; larger windows are reduced along axes."""

Images = Float[Array, "batch height width channels"]
Pooled = Float[Array, "batch rows columns channels"]


def average_pool(x: Images, size: int = 2) -> Pooled:
    """The mean of each window of `size` × `size`.

    Raises:
      InputError: If the images are smaller than one window.
    """
    windows = _windows(x, size)
    if size * size > SMALL:
        return jnp.mean(windows, (2, 4))
    total = functools.reduce(jnp.add, _entries(windows, size))
    return total * jnp.asarray(1 / size**2, x.dtype)


def max_pool(x: Images, size: int = 2) -> Pooled:
    """The largest entry of each window of `size` × `size`; of equal ones the first has the gradient.

    Raises:
      InputError: If the images are smaller than one window.
    """
    entries = list(_entries(_windows(x, size), size))
    while len(entries) > 1:
        pairs = zip(entries[::2], entries[1::2], strict=False)
        last = entries[len(entries) // 2 * 2 :]
        entries = [_larger(first, second) for first, second in pairs] + last
    return entries[0]


def overlapping_max_pool(x: Images) -> Pooled:
    """The largest entry of each window of 3 × 3, one every second pixel; beyond the border is nothing."""
    outs = [-(-side // 2) for side in x.shape[1:3]]
    short = [max(2 * out + 1 - side, 0) for out, side in zip(outs, x.shape[1:3], strict=True)]
    edges = ((0, 0), *((each // 2, each - each // 2) for each in short), (0, 0))
    wide = jnp.pad(x, edges, constant_values=jnp.asarray(-jnp.inf, x.dtype))
    ends = [2 * out - 1 for out in outs]
    entries = [
        wide[:, down : down + ends[0] : 2, right : right + ends[1] : 2]
        for down in range(3)
        for right in range(3)
    ]
    return functools.reduce(_larger, entries)


def global_average_pool(x: Images) -> Float[Array, "batch channels"]:
    """The mean over the whole image."""
    return jnp.mean(x, (1, 2))


POOLS: dict[str, Callable[[Images, int], Pooled]] = {"average": average_pool, "max": max_pool}
"""The poolings by name."""


def _larger(first: Array, second: Array) -> Array:
    return jnp.where((second > first) | jnp.isnan(second), second, first)


def _windows(x: Array, size: int) -> Array:
    """(batch, rows, size, columns, size, channels)."""
    batch, height, width, channels = x.shape
    rows, columns = height // size, width // size
    if not rows or not columns:
        raise InputError(f"images of {height} × {width} are smaller than a pooling window of {size} × {size}")
    whole = x[:, : rows * size, : columns * size]
    return whole.reshape(batch, rows, size, columns, size, channels)


def _entries(windows: Array, size: int) -> Iterable[Array]:
    return (windows[:, :, row, :, column] for row in range(size) for column in range(size))
