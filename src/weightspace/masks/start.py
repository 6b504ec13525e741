"""Start: weights for a sparse network, whose variance goes by the inputs that a unit has left.

With k_i ones of unit i, and A units that have any, w = T σ_i / 0.87962566 with T a normal number cut off at
±2 and σ_i² = 2 / k_i (`kaiming`) or 2 / (k_i + A) (`xavier`); 0.87962566 is the standard deviation of T.
Units without ones, and entries that are off, are zero.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from weightspace.errors import check_choice

RULES = ("kaiming", "xavier")
DEVIATION = 0.87962566103423978
"""Of a standard normal number cut off at ±2."""


def sparse_start(
    mask: Bool[np.ndarray, "..."], unit_axis: int, rule: str, key: Key[Array, ""]
) -> Float[np.ndarray, "..."]:
    """Weights of a kernel under a mask.

    Args:
      mask: Of the kernel.
      unit_axis: Its axis of units.
      rule: One of `RULES`.
      key: The kernel's own.

    Raises:
      InputError: For a rule that is none.
    """
    check_choice("rule of the start", rule, RULES)
    axis = unit_axis % mask.ndim
    rest = tuple(each for each in range(mask.ndim) if each != axis)
    ones = mask.sum(axis=rest, keepdims=True)
    fan = ones if rule == "kaiming" else ones + np.count_nonzero(ones)
    scale = np.sqrt(2 / np.maximum(fan, 1)) / DEVIATION
    drawn = np.asarray(_truncated(key, mask.shape))
    return np.where(mask, drawn * scale, 0).astype(np.float32)


def _truncated(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "..."]:
    return jax.random.truncated_normal(key, jnp.float32(-2), jnp.float32(2), shape, jnp.float32)
