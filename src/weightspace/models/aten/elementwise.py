"""Operators that work entry by entry, with PyTorch's gradients at kinks and ties."""

import math
import operator as python
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special
from jaxtyping import Array

from weightspace.models.aten.table import operator, put_all

SQRT_HALF = math.sqrt(0.5)


def absolute(x: Array) -> Array:
    """|x|, with no gradient at zero, as in PyTorch."""
    return jnp.where(x == 0, jnp.zeros_like(x), jnp.abs(x))


put_all(
    {
        **{name: getattr(jnp, name) for name in (
            "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh",
            "tanh", "floor", "ceil", "sign", "trunc", "isnan", "isinf", "isfinite", "logical_not", "exp2",
        )},
        **{f"a{name}": getattr(jnp, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        "abs": absolute,
        "neg": jnp.negative,
        "relu": jax.nn.relu,
        "rsqrt": lax.rsqrt,
        "reciprocal": jnp.reciprocal,
        "square": jnp.square,
        "sigmoid": jax.nn.sigmoid,
        "silu": jax.nn.silu,
        "erf": special.erf,
        "erfc": special.erfc,
        "round": jnp.round,
        "sgn": jnp.sign,
        "log_sigmoid": jax.nn.log_sigmoid,
        "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
        "lgamma": special.gammaln,
        "bitwise_not": jnp.bitwise_not,
    },
    "default",
    images="entries",
)  # fmt: skip
put_all(
    {
        "add": lambda a, b, alpha=1: a + b if alpha == 1 else a + alpha * b,
        "sub": lambda a, b, alpha=1: a - b if alpha == 1 else a - alpha * b,
        "rsub": lambda a, b, alpha=1: b - a if alpha == 1 else b - alpha * a,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "eq": python.eq,
        "ne": python.ne,
        "lt": python.lt,
        "le": python.le,
        "gt": python.gt,
        "ge": python.ge,
        "remainder": jnp.remainder,
        "fmod": jnp.fmod,
        "bitwise_and": jnp.bitwise_and,
        "bitwise_or": jnp.bitwise_or,
        "bitwise_xor": jnp.bitwise_xor,
    },
    "Tensor",
    "Scalar",
    images="entries",
)
put_all(
    {
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "logical_and": jnp.logical_and,
        "logical_or": jnp.logical_or,
        "logical_xor": jnp.logical_xor,
        "atan2": jnp.arctan2,
        "floor_divide": jnp.floor_divide,
        "hypot": jnp.hypot,
        "prelu": lambda x, slope: jnp.where(x > 0, x, _along_channels(slope, x) * x),
    },
    "default",
)


def _along_channels(slope: Array, x: Array) -> Array:
    return slope.reshape(1, -1, *(1,) * (x.ndim - 2)) if slope.size > 1 else slope.reshape(())


@operator("div.Tensor_mode", "div.Scalar_mode", images="entries")
def _divided(a: Any, b: Any, rounding_mode: str | None = None) -> Array:
    if rounding_mode == "floor":
        return jnp.floor_divide(a, b)
    if rounding_mode is None:
        return a / b
    return jnp.trunc(a / b) if _floating(a, b) else (a - jnp.fmod(a, b)) // b  # whole numbers stay whole


def _floating(*values: Any) -> bool:
    """Whether what comes of the values is no whole number."""
    return bool(jnp.issubdtype(jnp.result_type(*values), jnp.floating))


@operator("pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar", images="entries")
def _power(a: Any, b: Any) -> Array:
    if isinstance(b, float) and b.is_integer() and _floating(a):
        b = int(b)
    if isinstance(b, float) and b == 0.5:
        return jnp.sqrt(a)
    return jnp.power(a, b)


@operator("hardtanh.default", images="entries")
def _hardtanh(x: Array, low: float = -1.0, high: float = 1.0) -> Array:
    # At the kinks PyTorch's gradient is zero.
    return jnp.where(x <= low, jnp.full_like(x, low), jnp.where(x >= high, jnp.full_like(x, high), x))


@operator("relu6.default", images="entries")
def _relu6(x: Array) -> Array:
    return _hardtanh(x, 0.0, 6.0)


@operator("clamp.default", "clamp.Tensor", images="entries")
def _clamped(x: Array, low: Any = None, high: Any = None) -> Array:
    # At the bounds themselves PyTorch's gradient is one.
    bounds = [bound for bound in (low, high) if bound is not None]
    if not _floating(x) and _floating(*bounds):
        x = x.astype(jnp.result_type(x, *bounds))
    x = x if low is None else jnp.where(x < low, lax.convert_element_type(low, x.dtype), x)
    return x if high is None else jnp.where(x > high, lax.convert_element_type(high, x.dtype), x)


@operator("clamp_min.default", "clamp_min.Tensor", images="entries")
def _at_least(x: Array, low: Any) -> Array:
    return _clamped(x, low)


@operator("clamp_max.default", "clamp_max.Tensor", images="entries")
def _at_most(x: Array, high: Any) -> Array:
    return _clamped(x, None, high)


@operator("leaky_relu.default", images="entries")
def _leaky(x: Array, slope: float = 0.01) -> Array:
    return jnp.where(x > 0, x, x * slope)


@operator("threshold.default", images="entries")
def _threshold(x: Array, threshold: float, value: float) -> Array:
    return jnp.where(x > threshold, x, jnp.full_like(x, value))


@operator("elu.default", images="entries")
def _elu(x: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    under = jnp.where(x > 0, jnp.zeros_like(x), x)  # so that no gradient overflows
    return scale * jnp.where(x > 0, x, alpha * jnp.expm1(under * input_scale))


@operator("celu.default", images="entries")
def _celu(x: Array, alpha: float = 1.0) -> Array:
    return _elu(x, alpha, 1.0, 1 / alpha)


@operator("selu.default", images="entries")
def _selu(x: Array) -> Array:
    return _elu(x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@operator("gelu.default", images="entries")
def _gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        return jax.nn.gelu(x, approximate=True)
    return 0.5 * x * (1 + special.erf(x * SQRT_HALF))


@operator("hardswish.default", images="entries")
def _hardswish(x: Array) -> Array:
    return jnp.where(x <= -3, jnp.zeros_like(x), jnp.where(x >= 3, x, x * (x + 3) / 6))


@operator("hardsigmoid.default", images="entries")
def _hardsigmoid(x: Array) -> Array:
    return _hardtanh(x / 6 + 0.5, 0.0, 1.0)


@operator("softplus.default", images="entries")
def _softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    return jnp.where(x * beta > threshold, x, jax.nn.softplus(x * beta) / beta)


@operator("log_sigmoid_forward.default", images="entries")
def _log_sigmoid(x: Array) -> tuple[Array, None]:
    return jax.nn.log_sigmoid(x), None


@operator("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar", images="entries")
def _where(condition: Array, a: Any, b: Any) -> Array:
    return jnp.where(condition, a, b)


@operator("masked_fill.Scalar", "masked_fill.Tensor", images="entries")
def _masked(x: Array, mask: Array, value: Any) -> Array:
    return jnp.where(mask, lax.convert_element_type(value, x.dtype), x)


@operator("clone.default", "alias.default", "lift_fresh_copy.default", "contiguous.default", images="entries")
def _same(x: Array, **_: Any) -> Array:
    return x


@operator("detach.default", images="entries")
def _detached(x: Array) -> Array:
    return lax.stop_gradient(x)


@operator("_to_copy.default", "to.dtype", "convert_element_type.default", images="entries")
def _cast(x: Array, dtype: Any = None, **_: Any) -> Array:
    return x if dtype is None else jnp.asarray(x).astype(dtype)
