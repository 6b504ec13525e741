"""The three derivatives of Σ g · (x ∗ k), in the one form that XLA's fast convolution on a CPU takes.

That form is channels last, batch first, and few channels leave its vector registers unused: the forms below
were chosen by timing training steps inside a loop.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

ROLES = ("inputs", "kernel", "outputs")
"""The arguments of T(x, k, g) = Σ g · (x ∗ k)."""
LAYOUT = ("NHWC", "HWIO", "NHWC")
NARROW = 16
"""Channels up to which the forms for few channels were faster, measured with 16 numbers a vector."""


@dataclasses.dataclass(frozen=True)
class Geometry:
    """What a convolution is besides its operands.

    Attributes:
      image: Height and width of the inputs.
      kernel: Height, width, input and output channels.
      strides: Step of the window along height and width.
      padding: Zeros before and after, along height and width.
      precision: As `lax` takes it.
    """

    image: tuple[int, int]
    kernel: tuple[int, int, int, int]
    strides: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    precision: Any = None

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the outputs."""
        rows, columns = (
            (size + sum(pad) - window) // step + 1
            for size, pad, window, step in zip(
                self.image, self.padding, self.kernel[:2], self.strides, strict=True
            )
        )
        return rows, columns

    def shape(self, role: str, batch: int) -> tuple[int, ...]:
        """The shape of one of the three arrays."""
        if role == "kernel":
            return self.kernel
        if role == "inputs":
            return (batch, *self.image, self.kernel[2])
        return (batch, *self.output, self.kernel[3])


@functools.partial(jax.jit, static_argnames=("gives", "geometry"))
def derivative(first: Array, second: Array, *, gives: str, geometry: Geometry) -> Array:
    """∂T/∂`gives`, from the other two arguments of T in the order of `ROLES`."""
    if gives == "outputs":
        return _canonical(first, second, geometry.strides, (1, 1), geometry.padding, geometry.precision)
    if gives == "inputs":
        return _inputs(first, second, geometry)
    return _kernel(first, second, geometry)


def _canonical(
    x: Array, kernel: Array, strides: tuple[int, int], dilation: tuple[int, int], padding: Any, precision: Any
) -> Array:
    """A convolution in the form that XLA's fast kernel takes as it is."""
    taken, made = kernel.shape[2:]
    if taken in (2, 3):
        # Zero channels make the entries of a pixel fill a vector.
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, 4 - taken)))
        kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, 4 - taken), (0, 0)))
    if max(taken, made) <= NARROW and strides == dilation == (1, 1):
        return _in_pairs(x, kernel, padding, precision)
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dilation, dimension_numbers=LAYOUT, precision=precision
    )


def _in_pairs(x: Array, kernel: Array, padding: Any, precision: Any) -> Array:
    """Two neighbouring pixels at once, as channels of one: few channels leave vector registers unused."""
    (window, made), (low, high) = (kernel.shape[1], kernel.shape[3]), padding[1]
    columns = x.shape[2] + low + high - window + 1
    pairs = (columns + 1) // 2
    shifts = [jnp.pad(kernel, ((0, 0), pad, (0, 0), (0, 0))) for pad in ((0, 1), (1, 0))]
    padding = (padding[0], (low, 2 * pairs + window - 1 - x.shape[2] - low))
    both = lax.conv_general_dilated(
        x, jnp.concatenate(shifts, 3), (1, 2), padding, dimension_numbers=LAYOUT, precision=precision
    )
    return both.reshape(*both.shape[:2], 2 * pairs, made)[:, :, :columns]


def _inputs(kernel: Array, g: Array, geometry: Geometry) -> Array:
    """Σ_o g ∗ (kernel turned by half a turn), g spread out by the strides."""
    padding = []
    for axis in (0, 1):
        window = geometry.kernel[axis]
        low = window - 1 - geometry.padding[axis][0]
        spread = (geometry.output[axis] - 1) * geometry.strides[axis] + 1
        padding.append((low, geometry.image[axis] + window - 1 - spread - low))
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return _canonical(g, turned, (1, 1), geometry.strides, padding, geometry.precision)


def _kernel(x: Array, g: Array, geometry: Geometry) -> Array:
    """Σ over examples of x ∗ g, some examples at a time: what lies in the cache is not fetched again."""
    size = 16 if geometry.kernel[3] <= NARROW else 8
    parts, rest = divmod(x.shape[0], size)
    if parts < 2:
        return _kernel_part(x, g, geometry)
    begin = size + rest
    exact = x.dtype if jnp.finfo(x.dtype).bits >= 32 else jnp.float32

    def add(number: Array, total: Array) -> Array:
        number = jnp.asarray(number)  # uncompiled, a loop counts in Python
        place = jnp.asarray(begin, number.dtype) + number * jnp.asarray(size, number.dtype)
        own_x, own_g = (lax.dynamic_slice_in_dim(a, place, size) for a in (x, g))
        return total + _kernel_part(own_x, own_g, geometry).astype(exact)

    first = _kernel_part(x[:begin], g[:begin], geometry).astype(exact)
    return lax.fori_loop(0, parts - 1, add, first).astype(x.dtype)


def _kernel_part(x: Array, g: Array, geometry: Geometry) -> Array:
    """A convolution whose examples are input channels and whose channels are examples."""
    padding = []
    for axis in (0, 1):
        low = geometry.padding[axis][0]
        reach = geometry.kernel[axis] + (geometry.output[axis] - 1) * geometry.strides[axis]
        padding.append((low, reach - geometry.image[axis] - low))
    found = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), (1, 1), padding, rhs_dilation=geometry.strides,
        dimension_numbers=LAYOUT, precision=geometry.precision,
    )  # fmt: skip
    return found.transpose(1, 2, 0, 3)
