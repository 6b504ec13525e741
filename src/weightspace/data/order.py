"""An order of examples by their content: whatever goes by it does not depend on how a file is sorted.

Examples are sorted by a hash of their bits. Of two files that hold the same examples, in whatever order, all
beginnings of the list are the same examples; and as a hash knows nothing of classes, every beginning is a
fair sample. Two numbers of 32 bits are sorted by: of a million examples some two tie with probability 3e-8,
and then come in the order of the file.
"""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

_GOLDEN = 0x9E3779B9
_UNSIGNED = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}


def content_order(*columns: Any, rows: Int[Array, " k"] | None = None) -> Int[Array, " k"]:
    """The rows of some arrays in an order that depends on what is in them alone. Works traced.

    Args:
      columns: Arrays with a first axis of examples, such as inputs and targets.
      rows: Which rows; None for all.
    """
    sums = [_sums(_words(jnp.asarray(column))) for column in columns]
    first, second = (functools.reduce(jnp.add, parts) for parts in zip(*sums, strict=True))
    if rows is None:
        rows = jnp.arange(len(first), dtype=jnp.int32)
    else:
        first, second = first[rows], second[rows]
    return lax.sort((_mixed(first), _mixed(second), rows), num_keys=2)[2]


def _words(column: Array) -> Array:
    """The bits of each row as 32-bit words [n, k]."""
    if column.dtype == jnp.bool_:
        column = column.astype(jnp.uint8)
    size = column.dtype.itemsize
    # What is wider than a word becomes two of them, along an axis of its own.
    bits = lax.bitcast_convert_type(column, _UNSIGNED.get(size, jnp.uint32))
    return bits.reshape(len(column), -1).astype(jnp.uint32)


def _sums(words: Array) -> tuple[Array, Array]:
    """Two sums of mixed words, each with its place in it."""
    place = _mixed(jnp.arange(words.shape[1], dtype=jnp.uint32) * jnp.uint32(_GOLDEN) + words.shape[1])
    mixed = _mixed(words ^ place[None, :])
    odd = (place | 1)[None, :]
    return jnp.sum(mixed, axis=1, dtype=jnp.uint32), jnp.sum(mixed * odd, axis=1, dtype=jnp.uint32)


def _mixed(words: Array) -> Array:
    """A bijection of 32-bit words after which every bit depends on every other (Murmur's last step)."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)


def spread_order(size: int) -> np.ndarray:
    """All numbers below `size`, such that every beginning of the list is spread evenly over them.

    Multiples of a step near the golden section, modulo `size`: data files are often sorted, and metrics on
    the first thousands must not see one class only.
    """
    step = max(1, round(size * 0.6180339887))
    while np.gcd(step, size) != 1:
        step += 1
    return (np.arange(size, dtype=np.int64) * step % size).astype(np.int32)
