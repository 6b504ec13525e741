"""Convolution: the function handed to convolutional layers, fast inside compiled loops on a CPU too.

An accelerator runs `lax.conv_general_dilated` as it is. On a CPU, XLA puts a convolution into the form that
its fast kernel takes (channels last, batch first) only outside of loops; the gradients that JAX derives have
another form, so that inside a training loop they are 20 to 100 times slower. Here all three are written in
that form.

A convolution y = x ∗ k is the trilinear form T(x, k, g) = Σ g · (x ∗ k): its derivative by each argument is
bilinear in the other two, and each of these bilinear maps has the other two as its transposes. One JAX
primitive holds all three, so that derivatives of any order and in either mode are made of them alone. Under
`vmap` over kernels the lanes are looped over, one fast convolution each.

Each of the three is computed by XLA (`convolution_cpu`), or, where the extra `weightspace-kernels` is
installed and takes it, by that (`convolution_native`).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.extend.core as jex_core
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from weightspace.models import convolution_native
from weightspace.models.convolution_cpu import LAYOUT, ROLES, Geometry, derivative


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


def _computed(first: Array, second: Array, *, gives: str, geometry: Geometry) -> Array:
    """Uncompiled."""
    own = convolution_native.takes(first, second, geometry)
    return (convolution_native.derivative if own else derivative)(
        first, second, gives=gives, geometry=geometry
    )


_by_xla: Any = mlir.lower_fun(derivative, multiple_results=False)
_by_kernels: Any = mlir.lower_fun(convolution_native.derivative, multiple_results=False)


def _lowered(ctx: Any, first: Any, second: Any, *, gives: str, geometry: Geometry) -> Any:
    """In a compiled program: which of the two it is, is settled when the program is lowered."""
    types: Any = ctx.avals_in
    own = convolution_native.takes(types[0], types[1], geometry)
    rule: Any = _by_kernels if own else _by_xla
    return rule(ctx, first, second, gives=gives, geometry=geometry)


_derivative_p = jex_core.Primitive("convolution")
_derivative_p.def_impl(_computed)
_derivative_p.def_abstract_eval(_abstract)
ad.defbilinear(_derivative_p, _transpose(0), _transpose(1))
batching.primitive_batchers[_derivative_p] = _batched
mlir.register_lowering(_derivative_p, _lowered)
