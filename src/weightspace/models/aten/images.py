"""Convolutions of one, two and three axes of space, by the package's own where that is faster."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from weightspace.models.aten.table import Image, operator
from weightspace.models.convolution import convolution

_AXES = ("W", "HW", "DHW")


@operator("convolution.default", images="own")
def _convolved(
    x: Any,
    kernel: Array,
    bias: Array | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    transposed: bool,
    output_padding: tuple[int, ...],
    groups: int,
) -> Image:
    """PyTorch's convolution: kernels are (outputs, inputs a group, space…), of transposed ones turned."""
    x, rank = Image.of(x).array, kernel.ndim - 2
    stride, padding, dilation, output_padding = (
        tuple(value) * rank if len(value) == 1 else tuple(value)
        for value in (stride, padding, dilation, output_padding)
    )
    space = _AXES[rank - 1]
    numbers = (f"N{space}C", f"{space}IO", f"N{space}C")
    if transposed:
        made = _transposed(x, kernel, stride, padding, dilation, output_padding, groups, numbers)
    else:
        pads = [(pad, pad) for pad in padding]
        made = convolution(
            x, _inputs_before_outputs(kernel), stride, pads, (1,) * rank, dilation, numbers, groups
        )
    return Image(made if bias is None else made + bias)


def _inputs_before_outputs(kernel: Array) -> Array:
    """(outputs, inputs, space…) as (space…, inputs, outputs)."""
    return jnp.transpose(kernel, (*range(2, kernel.ndim), 1, 0))


def _transposed(
    x: Array, kernel: Array, stride: Any, padding: Any, dilation: Any, more: Any, groups: int, numbers: Any
) -> Array:
    """The transposed convolution: inputs apart by the stride, the kernel (inputs, outputs, space…) turned."""
    rank = kernel.ndim - 2
    inputs, outputs, *space = kernel.shape
    parts = kernel.reshape(groups, inputs // groups, outputs, *space)
    turned = jnp.flip(parts, tuple(range(3, 3 + rank)))
    turned = jnp.transpose(turned, (*range(3, 3 + rank), 1, 0, 2)).reshape(*space, inputs // groups, -1)
    reach = [d * (k - 1) for d, k in zip(dilation, space, strict=True)]
    pads = [(r - p, r - p + o) for r, p, o in zip(reach, padding, more, strict=True)]
    return lax.conv_general_dilated(
        x, turned, (1,) * rank, pads, stride, dilation, numbers, feature_group_count=groups
    )


@operator("pixel_shuffle.default", images="own")
def _shuffled(x: Any, factor: int) -> Image:
    array = Image.of(x).array
    batch, height, width, channels = array.shape
    parts = array.reshape(batch, height, width, channels // factor**2, factor, factor)
    return Image(jnp.transpose(parts, (0, 1, 4, 2, 5, 3)).reshape(batch, height * factor, width * factor, -1))


@operator(*(f"upsample_nearest{n}d.vec" for n in (1, 2, 3)), images="own")
def _nearest(x: Any, size: Any, factors: Any) -> Image:
    array = Image.of(x).array
    space = array.shape[1:-1]
    made = size or [math.floor(n * f) for n, f in zip(space, factors, strict=True)]
    for axis, (old, new) in enumerate(zip(space, made, strict=True)):
        factor = old / new if not factors else 1 / factors[axis]
        places = [min(math.floor(at * factor), old - 1) for at in range(new)]
        array = jnp.take(array, jnp.asarray(places), axis + 1)
    return Image(array)


@operator("upsample_linear1d.vec", "upsample_bilinear2d.vec", "upsample_trilinear3d.vec", images="own")
def _linear(x: Any, size: Any, corners: bool, factors: Any) -> Image:
    """Each new entry between two old ones, an axis after the other."""
    array = Image.of(x).array
    space = array.shape[1:-1]
    made = size or [math.floor(n * f) for n, f in zip(space, factors, strict=True)]
    for axis, (old, new) in enumerate(zip(space, made, strict=True)):
        if corners:
            step = (old - 1) / (new - 1) if new > 1 else 0.0
            places = np.arange(new) * step
        else:
            step = 1 / factors[axis] if factors else old / new
            places = np.maximum((np.arange(new) + 0.5) * step - 0.5, 0)
        low = np.minimum(np.floor(places).astype(int), old - 1)
        share = jnp.asarray(places - low, array.dtype).reshape(-1, *(1,) * (array.ndim - axis - 2))
        below, above = (jnp.take(array, at, axis + 1) for at in (low, np.minimum(low + 1, old - 1)))
        array = below * (1 - share) + above * share
    return Image(array)
