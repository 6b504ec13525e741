"""Which examples each step sees: an order redrawn at the start of every epoch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.streams import Seeds, Stream, key


def epoch_order(seeds: Seeds, epoch: Int[Array, ""], size: int, chosen: Int[Array, " n"] | None) -> Array:
    """A permutation of the run's training examples, as indices into the training part.

    Sorting random bits takes half the time of `jax.random.permutation` and draws the same distribution up to
    ties among 2³² values.

    Args:
      seeds: The run's seeds; the stream is `ORDER`.
      epoch: Number of the epoch, from 0.
      size: Number of training examples.
      chosen: Their indices in the training part; None means all of it, in order.
    """
    bits = jax.random.bits(key(seeds, Stream.ORDER, epoch), (size,), jnp.uint32)
    order = jnp.argsort(bits).astype(jnp.int32)
    return order if chosen is None else chosen[order]


def batch_at(
    order: Int[Array, " n"], position: Int[Array, ""], batch: int, remainder: str
) -> tuple[Int[Array, " batch"], Float[Array, " batch"]]:
    """Indices and example weights of one batch of an epoch.

    Args:
      order: The epoch's order.
      position: Number of the batch within the epoch, from 0.
      batch: Examples of a batch.
      remainder: `short`, `drop` or `wrap`, see `Recipe`.
    """
    size = order.shape[0]
    places = position * batch + jnp.arange(batch, dtype=jnp.int32)
    weights = jnp.ones((batch,), jnp.float32)
    if size % batch and remainder == "short":
        weights = (places < size).astype(jnp.float32)
    if size % batch:
        places = places % size
    return order[places], weights
