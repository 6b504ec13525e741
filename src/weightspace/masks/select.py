"""Select: exactly the k best entries, where k is a number of the compiled program.

`prune.keep` selects on the host, where k is known; a rule that changes masks during training has a k that
differs from run to run and from event to event. No sort: the k-th largest score is found bit by bit, so that
32 passes over the scores do what sorting takes several hundred for.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, UInt


def best(
    scores: Float[Array, " n"], among: Bool[Array, " n"], count: Int[Array, ""], key: Key[Array, ""]
) -> Bool[Array, " n"]:
    """Which entries are the `count` best of those among which they are chosen.

    Equal scores, as 0.0 and -0.0, are ordered at random by the key. Works traced and under `vmap`.

    Args:
      scores: The higher, the better; none of those chosen from NaN.
      among: Which entries may be chosen.
      count: k, between 0 and the number of those; more chooses all, less than none chooses none.
      key: Orders equal scores.
    """
    wanted = jnp.clip(count, 0, jnp.sum(among, dtype=jnp.int32))
    order = _ordered(scores)
    least = _level(order, among, wanted)
    above, tied = among & (order > least), among & (order == least)
    rest = wanted - jnp.sum(above, dtype=jnp.int32)
    places = _scattered(key, scores.shape[0])
    chosen = tied & (places >= _level(places, tied, rest))
    return (above | (chosen & (rest > 0))) & (wanted > 0)


def _ordered(scores: Float[Array, " n"]) -> UInt[Array, " n"]:
    """Whole numbers in the order of the scores: the bits of a float, mended for signs."""
    wide = scores if scores.dtype == jnp.float64 else scores.astype(jnp.float32)
    kind, top = (jnp.uint64, 63) if wide.dtype == jnp.float64 else (jnp.uint32, 31)
    bits = jax.lax.bitcast_convert_type(jnp.where(wide == 0, jnp.zeros_like(wide), wide), kind)
    sign = jnp.asarray(1, kind) << jnp.asarray(top, kind)
    return jnp.where((bits & sign) != 0, ~bits, bits | sign)


def _level(values: UInt[Array, " n"], among: Bool[Array, " n"], count: Int[Array, ""]) -> UInt[Array, ""]:
    """The largest level that at least `count` of the values reach."""
    kind = values.dtype
    width = jnp.iinfo(kind).bits

    def bit(number: Int[Array, ""], level: UInt[Array, ""]) -> UInt[Array, ""]:
        trial = level | (jnp.asarray(1, kind) << (width - 1 - number).astype(kind))
        reached = jnp.sum(among & (values >= trial), dtype=jnp.int32)
        return jnp.where(reached >= count, trial, level)

    return jax.lax.fori_loop(jnp.int32(0), jnp.int32(width), bit, jnp.zeros((), kind))


def _scattered(key: Key[Array, ""], size: int) -> UInt[Array, " n"]:
    """A different number for each entry, in an order that depends on the key.

    Each step (xor with bits of the key, product with an odd number, xor with the own upper half) can be
    undone, hence no two entries share a number, as drawn ones would.
    """
    salt = jax.random.bits(key, (3,), jnp.uint32)
    x = jnp.arange(size, dtype=jnp.uint32)
    for number, factor in zip(salt, (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D), strict=True):
        x = (x ^ number) * jnp.uint32(factor)
        x = x ^ (x >> jnp.uint32(15))
    return x
