"""What fast bases are made of: Walsh and Hadamard's transform, and permutations that are never stored.

    H_n = H_a ⊗ H_b ⊗ …,   n = a · b · …,   H_2 = (1 1; 1 -1)

The transform multiplies by factors of at most 32 rows, each one small matrix product over the whole vector:
a few passes through memory in place of log₂ n, which matrix units of a GPU take too. It is linear and its
own transpose, so that automatic differentiation gives itself and stores nothing.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from weightspace.streams import KeyArray

FACTOR = 5
"""Bits of the largest factor: products with 32 rows."""
ROUNDS = 4
"""Rounds of a permutation."""


def padded(size: int) -> int:
    """The smallest power of two that is at least `size`.

    >>> padded(403), padded(512)
    (512, 512)
    """
    return 1 << (size - 1).bit_length()


def transform(x: Float[Array, " n"], factor: int = FACTOR) -> Float[Array, " n"]:
    """H x, with entries ±1 of H, for n a power of two. H Hᵀ = n I and Hᵀ = H.

    Args:
      x: A vector.
      factor: Bits of the largest factor.
    """
    for bits in factors(x.size.bit_length() - 1, factor):
        # The last axis is multiplied and goes to the front: after all factors each is back in its place.
        matrix = jnp.asarray(hadamard(bits), x.dtype)
        x = jnp.matmul(x.reshape(-1, 2**bits), matrix, precision=jax.lax.Precision.HIGHEST).T.reshape(-1)
    return x


def factors(bits: int, most: int) -> tuple[int, ...]:
    """`bits` as a sum of as few and as equal numbers up to `most` as can be.

    >>> factors(19, 6), factors(0, 6)
    ((5, 5, 5, 4), ())
    """
    count = -(-bits // most)
    return tuple(bits // count + (number < bits % count) for number in range(count))


@functools.cache
def hadamard(bits: int) -> np.ndarray:
    """H of 2^bits rows, as Sylvester orders them: entry (i, j) is -1 to the number of bits of i & j."""
    matrix = np.ones((1, 1), np.float32)
    for _ in range(bits):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


Permutation = UInt32[Array, "rounds 2"]
"""What stands for a permutation of 0 … n - 1: a factor and a shift for each round."""


def draw_permutation(key: KeyArray) -> Permutation:
    """The numbers that stand for a random permutation."""
    return jax.random.bits(key, (ROUNDS, 2), jnp.uint32)


def permuted(permutation: Permutation, count: int, size: int) -> Int[Array, " count"]:
    """Where the first `count` of `size` numbers go, `size` being a power of two: distinct places.

    A round folds the upper bits of i onto the lower ones, multiplies by an odd number and adds another,
    modulo `size`: each of these can be undone, so that all of them together permute. It depends on the number
    i and nothing else, costs no sort, and is drawn anew wherever it is needed: no array of `size` integers.
    """
    bits = size.bit_length() - 1
    places, mask = jnp.arange(count, dtype=jnp.uint32), jnp.uint32(size - 1)
    for number in range(ROUNDS):
        factor, shift = permutation[number]
        places = places ^ (places >> jnp.uint32(max(1, (bits + 1) // 2)))
        places = (places * (factor | jnp.uint32(1)) + shift) & mask
    return places.astype(jnp.int32)
