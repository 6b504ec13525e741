"""Whole numbers that wrap, bits, roundings to bfloat16, and the bits of threefry against known answers."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from weightspace.doctor.kernels import Case, draws

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def threefry(key: tuple[int, int], first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 of 20 rounds (Salmon et al., 2011), in NumPy.

    Args:
      key: Two numbers of 32 bits.
      first: The first number of each counter.
      second: The second.
    """
    words = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    keys = [np.uint32(word) for word in words]
    x, y = first.astype(np.uint32) + keys[0], second.astype(np.uint32) + keys[1]
    for block in range(5):
        for rotation in ROTATIONS[block % 2]:
            x = x + y
            y = x ^ (y << np.uint32(rotation) | y >> np.uint32(32 - rotation))
        x = x + keys[(block + 1) % 3]
        y = y + keys[(block + 2) % 3] + np.uint32(block + 1)
    return x, y


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _random()
    yield from _integers()
    yield from _roundings()


def _random() -> Iterator[Case]:
    count = np.arange(1_009)
    one, other = threefry((0, 42), np.zeros_like(count), count)

    def bits(seed: Any) -> Any:
        key = jax.random.wrap_key_data(jnp.stack([jnp.zeros_like(seed), seed]), impl="threefry2x32")
        with jax.threefry_partitionable(True):
            return jax.random.bits(key, (1_009,), jnp.uint32)

    yield Case("random bits of threefry", bits, (np.uint32(42),), one ^ other)

    def raw(words: Any) -> Any:
        return jax.random.key_data(
            jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), 7)
        )

    # A folded number is a key's own counter: the seed's two words are (0, 7).
    folded = np.stack([int(part[0]) for part in threefry((1, 2), np.zeros(1, int), np.array([7]))])
    yield Case("a number folded into a key", raw, (np.array([1, 2], np.uint32),), folded.astype(np.uint32))


def _integers() -> Iterator[Case]:
    draw = draws()
    a = draw.integers(-(2**31), 2**31, 1_009).astype(np.int32)
    b = draw.integers(1, 97, 1_009).astype(np.int32) * draw.choice([-1, 1], 1_009).astype(np.int32)
    wide = a.astype(np.int64)
    yield Case(
        "division and rest of negative numbers", lambda a, b: (a // b, a % b), (a, b), (wide // b, wide % b)
    )
    wrapped = (wide * 48_271 + 11).astype(np.int32)
    yield Case("products that wrap", lambda a: a * jnp.int32(48_271) + jnp.int32(11), (a,), wrapped)
    u = a.view(np.uint32)
    ones = np.array([int(word).bit_count() for word in u], np.uint32)
    yield Case("bits counted", jax.lax.population_count, (u,), ones)
    yield Case(
        "shifts and bits", lambda u: ((u << 7) ^ (u >> 13), ~u & 255), (u,), ((u << 7) ^ (u >> 13), ~u & 255)
    )
    packed = np.packbits((u & 1).astype(bool))
    yield Case("bits packed", jnp.packbits, ((u & 1).astype(bool),), packed)
    yield Case("sums of whole numbers", jnp.cumsum, (a,), np.cumsum(a, dtype=np.int32))


def _roundings() -> Iterator[Case]:
    draw = draws()
    x = (draw.normal(size=1_009) * 10.0 ** draw.integers(-20, 20, 1_009)).astype(np.float32)
    low = x.astype(ml_dtypes.bfloat16)
    yield Case(
        "rounding to bfloat16", lambda x: x.astype(jnp.bfloat16).view(jnp.uint16), (x,), low.view(np.uint16)
    )
    yield Case("from bfloat16", lambda x: x.astype(jnp.float32), (low,), low.astype(np.float32))
    small = (100 * draw.normal(size=1_009)).astype(np.float32)
    whole = (np.round(small), np.floor(small), np.trunc(small).astype(np.int32))
    yield Case(
        "rounding to whole numbers",
        lambda x: (jnp.round(x), jnp.floor(x), x.astype(jnp.int32)), (small,), whole,
    )  # fmt: skip
