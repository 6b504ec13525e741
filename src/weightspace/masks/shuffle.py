"""A keyed shuffle among the entries that a mask chooses; the mask may be traced."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, Shaped


@jax.jit
def shuffled(
    values: Shaped[Array, "*shape"], among: Bool[Array, "*shape"], key: Key[Array, ""]
) -> Shaped[Array, "*shape"]:
    """The entries where `among` holds in a random order, the others where they are.

    The chosen entries keep their multiset, bit for bit. One sort by random bits brings them to the front, and
    each chosen place takes the next of them. 31 random bits order an entry: of n entries about n²/2³² share
    theirs with another and stay in the order in which they lay.
    """
    flat, chosen = values.reshape(-1), among.reshape(-1)
    bits = jax.random.bits(key, flat.shape, jnp.uint32) >> 1
    last = jnp.where(chosen, jnp.uint32(0), jnp.uint32(1 << 31))
    _, drawn = jax.lax.sort((bits | last, flat), num_keys=1)
    place = jnp.cumsum(chosen, dtype=jnp.int32) - 1
    return jnp.where(chosen, drawn[place], flat).reshape(values.shape)
