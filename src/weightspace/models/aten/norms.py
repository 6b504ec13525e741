"""Normalisation by the batch, the features or groups of channels; running statistics are outputs."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from weightspace.models.aten.table import Image, operator


def _along_channels(value: Array, x: Any) -> Array:
    """A number a channel, against a batch."""
    if isinstance(x, Image):
        return value
    return value.reshape(1, -1, *(1,) * (x.ndim - 2))


def _normalised(x: Any, mean: Array, scale: Array, kernel: Any, bias: Any) -> Any:
    array = x.array if isinstance(x, Image) else x
    made = (array - _along_channels(mean, x)) * _along_channels(scale, x)
    made = made if kernel is None else made * _along_channels(kernel, x)
    made = (made if bias is None else made + _along_channels(bias, x)).astype(array.dtype)
    return Image(made) if isinstance(x, Image) else made


def _moments(x: Any) -> tuple[Array, Array, int]:
    """Mean and variance of each channel over the batch, and over how many numbers."""
    array = x.array if isinstance(x, Image) else x
    axes = tuple(range(array.ndim - 1)) if isinstance(x, Image) else (0, *range(2, array.ndim))
    count = array.size // array.shape[-1 if isinstance(x, Image) else 1]
    return jnp.mean(array, axes), jnp.var(array, axes), count


@operator("_native_batch_norm_legit_functional.default", images="own")
def _batch_norm(
    x: Any, kernel: Any, bias: Any, mean: Any, variance: Any, train: bool, momentum: Any, eps: float
) -> tuple[Any, ...]:
    """Outputs, the batch's mean and 1/deviation, and the running mean and (unbiased) variance after it."""
    if not train:
        return _by_running(x, kernel, bias, mean, variance, eps)[0], mean, variance, mean, variance
    now, spread, count = _moments(x)
    scale = lax.rsqrt(spread + eps)
    unbiased = spread * (count / max(count - 1, 1))
    made = _normalised(x, now, scale, kernel, bias)
    if mean is None:
        return made, now, scale, None, None
    after = [old + momentum * (new - old) for old, new in ((mean, now), (variance, unbiased))]
    return made, now, scale, *after


@operator("_batch_norm_with_update_functional.default", images="own")
def _updating(
    x: Any, kernel: Any, bias: Any, mean: Any, variance: Any, momentum: Any, eps: float
) -> tuple[Any, ...]:
    made, now, scale, *after = _batch_norm(x, kernel, bias, mean, variance, True, momentum, eps)
    return made, now, scale, None, *after


@operator("_native_batch_norm_legit_no_training.default", "_batch_norm_no_update.default", images="own")
def _by_running(
    x: Any, kernel: Any, bias: Any, mean: Array, variance: Array, *numbers: float
) -> tuple[Any, ...]:
    """By running statistics; the numbers are the momentum, which does not matter, and ε."""
    return _normalised(x, mean, lax.rsqrt(variance + numbers[-1]), kernel, bias), None, None, None


@operator("_native_batch_norm_legit.no_stats", images="own")
def _by_batch(x: Any, kernel: Any, bias: Any, *how: Any) -> tuple[Any, ...]:
    """By the batch's own statistics, in test too; the last number is ε."""
    return _batch_norm(x, kernel, bias, None, None, True, 0.0, how[-1])[:3]


@operator("native_layer_norm.default")
def _layer_norm(
    x: Array, shape: tuple[int, ...], kernel: Any, bias: Any, eps: float
) -> tuple[Array, Array, Array]:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    mean = jnp.mean(x, axes, keepdims=True)
    scale = lax.rsqrt(jnp.var(x, axes, keepdims=True) + eps)
    made = (x - mean) * scale
    made = made if kernel is None else made * kernel
    return made if bias is None else made + bias, mean, scale


@operator("native_group_norm.default", images="own")
def _group_norm(
    x: Any, kernel: Any, bias: Any, batch: int, channels: int, space: int, groups: int, eps: float
) -> tuple[Any, Array, Array]:
    last = isinstance(x, Image)
    array = x.array if last else x
    size = channels // groups
    parts = array.reshape((batch, space, groups, size) if last else (batch, groups, size, space))
    axes = (1, 3) if last else (2, 3)
    mean = jnp.mean(parts, axes, keepdims=True)
    scale = lax.rsqrt(jnp.var(parts, axes, keepdims=True) + eps)
    made = ((parts - mean) * scale).reshape(array.shape)
    made = made if kernel is None else made * _along_channels(kernel, x)
    made = made if bias is None else made + _along_channels(bias, x)
    flat = (mean.reshape(batch, groups), scale.reshape(batch, groups))
    return (Image(made) if last else made), *flat


@operator("_fused_rms_norm.default")
def _rms_norm(x: Array, shape: tuple[int, ...], kernel: Any, eps: float | None) -> tuple[Array, Array]:
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    scale = lax.rsqrt(jnp.mean(jnp.square(x), axes, keepdims=True) + eps)
    made = x * scale
    return made if kernel is None else made * kernel, scale
