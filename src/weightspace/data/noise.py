"""Label noise: some training labels replaced by a uniform draw from all classes.

`noisy_labels` draws for each label whether it is replaced, anew for each run; `stored_labels` replaces
a fixed share, the same for all runs (Wortsman et al., 2021, ship a permutation and labels with their code).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key


def noisy_labels(key: Key[Array, ""], labels: Int[Array, " n"], classes: int, rate: Any) -> Int[Array, " n"]:
    """Replace each label with probability `rate` by a uniform draw from all classes.

    A draw may give the true class, so the expected share of changed labels is rate · (k - 1) / k. For one key
    the replaced labels of a smaller rate are among those of a larger one, and get the same replacements.

    Args:
      key: Of the stream `NOISE`.
      labels: True class numbers.
      classes: k.
      rate: A probability, plain or traced.
    """
    where, what = jax.random.split(key)
    # Types are spelled out: with 64-bit types on, the defaults would draw other numbers.
    chosen = jax.random.uniform(where, labels.shape, jnp.float32) < jnp.asarray(rate, jnp.float32)
    drawn = jax.random.randint(what, labels.shape, 0, classes, jnp.int32)
    return jnp.where(chosen, drawn, labels)


def stored_labels(seed: Any, labels: Int[Array, " n"], classes: int, share: Any) -> Int[Array, " n"]:
    """Replace the labels of the first share · n examples of a fixed permutation, rounded to whole examples.

    Permutation and replacements depend on the seed, n and the number of classes alone: the replaced labels of
    a smaller share are among those of a larger one. A replacement may be the true class, as in the original.

    Args:
      seed: Of both, whichever run sees the labels.
      labels: True class numbers.
      classes: k.
      share: Of the examples, plain or traced.
    """
    base = jax.random.key(jnp.asarray(seed, jnp.uint32), impl="threefry2x32")
    where, what = jax.random.split(base)
    size = labels.shape[0]
    rank = jax.random.permutation(where, jnp.arange(size, dtype=jnp.int32))
    drawn = jax.random.randint(what, labels.shape, 0, classes, jnp.int32)
    count = jnp.floor(jnp.asarray(share, jnp.float32) * jnp.float32(size) + jnp.float32(0.5))
    return jnp.where(rank < count.astype(jnp.int32), drawn, labels)
