"""Convolution: the function handed to convolutional layers, fast inside compiled loops on a CPU too.

An accelerator runs `lax.conv_general_dilated` as it is. On a CPU, XLA puts a convolution into the form that
its fast kernel takes (channels last, batch first) only outside of loops; the gradients that JAX derives have
another form, so that inside a training loop they are 20 to 100 times slower. Here all three are written in
that form.

A convolution y = x ∗ k is the trilinear form T(x, k, g) = Σ g · (x ∗ k): its derivative by each argument is
bilinear in the other two, and each of these bilinear maps has the other two as its transposes. One JAX
primitive holds all three, so that derivatives of any order and in either mode are made of them alone. Under
`vmap` over kernels the lanes are looped over, one fast convolution each.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.extend.core as jex_core
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

ROLES = ("inputs", "kernel", "outputs")
"""The arguments of T: x, k and g."""
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


def convolution(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Array:
    """`lax.conv_general_dilated`, by another way where that is faster.

    Two-dimensional, channels-last convolutions without dilation and groups take it on a CPU; all others, and
    accelerators, use `lax` itself.

    Args:
      lhs: Inputs, (batch, height, width, channels).
      rhs: Kernel, (height, width, input channels, output channels).
      window_strides: Step of the window along each spatial axis.
      padding: `"SAME"`, `"VALID"`, or zeros before and after along each spatial axis.
      lhs_dilation: As `lax` takes it, like all that follow.
      rhs_dilation: Distance of the kernel's entries.
      dimension_numbers: Order of the axes.
      feature_group_count: Groups of channels.
      batch_group_count: Groups of examples.
      precision: Of products.
      preferred_element_type: Type of the outputs.
      out_sharding: How the outputs are spread over devices.
    """
    unusual = (
        lhs.ndim != 4
        or any(step != 1 for dilation in (lhs_dilation, rhs_dilation) for step in dilation or ())
        or (feature_group_count, batch_group_count) != (1, 1)
        or preferred_element_type is not None
        or out_sharding is not None
        or lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
        != lax.conv_dimension_numbers(lhs.shape, rhs.shape, LAYOUT)
    )
    if unusual or jax.default_backend() != "cpu":
        return lax.conv_general_dilated(
            lhs, rhs, tuple(window_strides), padding, lhs_dilation, rhs_dilation, dimension_numbers,
            feature_group_count, batch_group_count, precision, preferred_element_type, out_sharding,
        )  # fmt: skip
    return _convolution(lhs, rhs, tuple(window_strides), padding, precision)


def _convolution(
    x: Array,
    kernel: Array,
    strides: tuple[int, ...],
    padding: str | Sequence[tuple[int, int]],
    precision: Any,
) -> Array:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    pads = tuple((int(low), int(high)) for low, high in padding)
    if kernel.shape[:2] == (1, 1) and pads == ((0, 0), (0, 0)):
        picked = x[:, :: strides[0], :: strides[1]]
        return lax.dot_general(picked, kernel[0, 0], (((3,), (0,)), ((), ())), precision=precision)
    geometry = Geometry(x.shape[1:3], kernel.shape, strides, pads, precision)  # pyright: ignore[reportArgumentType]
    if jax.sharding.get_abstract_mesh().manual_axes:
        # Under shard_map both operands must vary over the same devices, as for the built-in operations.
        x, kernel = x * jnp.ones_like(kernel, shape=()), kernel * jnp.ones_like(x, shape=())
    return _bind("outputs", geometry, {"inputs": x, "kernel": kernel})


def _operands(gives: str) -> tuple[str, str]:
    first, second = (role for role in ROLES if role != gives)
    return first, second


def _bind(gives: str, geometry: Geometry, arrays: dict[str, Array]) -> Array:
    first, second = (arrays[role] for role in _operands(gives))
    return _derivative_p.bind(first, second, gives=gives, geometry=geometry)


@functools.partial(jax.jit, static_argnames=("gives", "geometry"))
def _derivative(first: Array, second: Array, *, gives: str, geometry: Geometry) -> Array:
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


def _abstract(first: Any, second: Any, *, gives: str, geometry: Geometry) -> Any:
    batch = 0 if gives == "kernel" else (first if gives == "outputs" else second).shape[0]

    def alike(first: Array, second: Array) -> Array:
        product = first.reshape(-1)[:1] * second.reshape(-1)[:1]
        return jnp.broadcast_to(product.reshape(()), geometry.shape(gives, batch))

    # An ordinary operation carries over whatever else an array's type holds.
    return jax.make_jaxpr(alike)(first, second).out_avals[0]


def _transpose(place: int) -> Any:
    def rule(cotangent: Array, *operands: Any, gives: str, geometry: Geometry) -> Array:
        roles = _operands(gives)
        arrays = {gives: cotangent, roles[1 - place]: operands[1 - place]}
        return _bind(roles[place], geometry, arrays)

    return rule


def _batched(
    operands: tuple[Array, ...], axes: tuple[int | None, ...], *, gives: str, geometry: Geometry
) -> tuple[Array, int]:
    """Lanes that share a kernel are one larger batch; others are looped over."""
    roles = _operands(gives)
    arrays = {
        role: array if axis is None else jnp.moveaxis(array, axis, 0)
        for role, array, axis in zip(roles, operands, axes, strict=True)
    }
    batched = [role for role, axis in zip(roles, axes, strict=True) if axis is not None]
    if gives != "kernel" and "kernel" not in batched:
        (other,) = batched
        lanes, examples = arrays[other].shape[:2]
        arrays[other] = arrays[other].reshape(-1, *arrays[other].shape[2:])
        joined = _bind(gives, geometry, arrays)
        return joined.reshape(lanes, examples, *joined.shape[1:]), 0

    def lane(own: dict[str, Array]) -> Array:
        return _bind(gives, geometry, arrays | own)

    return lax.map(lane, {role: arrays[role] for role in batched}), 0


_derivative_p = jex_core.Primitive("convolution")
_derivative_p.def_impl(_derivative)
_derivative_p.def_abstract_eval(_abstract)
ad.defbilinear(_derivative_p, _transpose(0), _transpose(1))
batching.primitive_batchers[_derivative_p] = _batched
mlir.register_lowering(_derivative_p, mlir.lower_fun(_derivative, multiple_results=False))
