"""The three derivatives of Σ g · (x ∗ k) by the extra `weightspace-kernels`, in float32 on one core.

Windows of 3 × 3 with stride 1 and `TILED` channels or more are Winograd's F(4 × 4, 3 × 3), with points 0,
±3/4, ±3/2 and ∞: a quarter of the products, at an error of 2·10⁻⁶ of the largest number where direct sums
have 10⁻⁶. All others are direct.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from weightspace import native
from weightspace.models.convolution_cpu import Geometry

TILED = 12
"""Channels from which tiles were faster than direct sums, taken and made."""


def takes(first: Any, second: Any, geometry: Geometry) -> bool:
    """Whether the kernels compute this, of arrays or their types."""
    return (
        native.usable()
        and first.dtype == second.dtype == jnp.float32
        and min(*first.shape, *second.shape, *geometry.image, *geometry.kernel, *geometry.output) > 0
        and min(pad for pads in geometry.padding for pad in pads) >= 0
    )


@functools.partial(jax.jit, static_argnames=("gives", "geometry"))
def derivative(first: Array, second: Array, *, gives: str, geometry: Geometry) -> Array:
    """∂T/∂`gives`, from the other two arguments of T in the order of `convolution_cpu.ROLES`."""
    batch = 0 if gives == "kernel" else (first if gives == "outputs" else second).shape[0]
    call = jax.ffi.ffi_call(
        native.target(gives), jax.ShapeDtypeStruct(geometry.shape(gives, batch), jnp.dtype(jnp.float32))
    )
    (top, _), (left, _) = geometry.padding
    numbers = {"down": geometry.strides[0], "across": geometry.strides[1], "top": top, "left": left}
    return call(first, second, **{key: np.int64(n) for key, n in (numbers | {"least": TILED}).items()})
