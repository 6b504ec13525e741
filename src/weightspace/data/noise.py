"""Label noise: some training labels replaced by a uniform draw from all classes."""

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
