"""Products of matrices, and attention."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.models.aten.random import dropped
from weightspace.models.aten.table import Context, operator


@operator("mm.default", "bmm.default", "matmul.default", "mv.default", "dot.default")
def _product(a: Array, b: Array) -> Array:
    return a @ b


@operator("addmm.default", "addmv.default", "baddbmm.default")
def _product_added(bias: Array, a: Array, b: Array, beta: Any = 1, alpha: Any = 1) -> Array:
    made = a @ b
    made = made if alpha == 1 else alpha * made
    return made + (bias if beta == 1 else beta * bias)


@operator("linear.default")
def _linear(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    made = x @ kernel.T
    return made if bias is None else made + bias


@operator("_trilinear.default")
def _trilinear(
    a: Array, b: Array, c: Array, more_a: Any, more_b: Any, more_c: Any, summed: tuple[int, ...], *_: Any
) -> Array:
    """Σ a b c over axes, after axes of length 1 have been put in."""
    a, b, c = (jnp.expand_dims(x, tuple(at)) for x, at in ((a, more_a), (b, more_b), (c, more_c)))
    return jnp.sum(a * b * c, tuple(summed))


@operator("scaled_dot_product_attention.default", context=True)
def _attention(
    context: Context,
    query: Array,
    keys: Array,
    values: Array,
    mask: Array | None = None,
    rate: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """softmax(q kᵀ · scale + mask) v over the last two axes; zero where all is masked, as in PyTorch."""
    if enable_gqa and query.shape[-3] != keys.shape[-3]:
        times = query.shape[-3] // keys.shape[-3]
        keys, values = (jnp.repeat(part, times, axis=-3) for part in (keys, values))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ jnp.swapaxes(keys, -1, -2) * scale
    if causal:
        mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if mask is not None and mask.dtype == bool:
        scores = jnp.where(mask, scores, -jnp.inf)
    elif mask is not None:
        scores = scores + mask
    if mask is None:
        weights = jax.nn.softmax(scores, -1)
    else:
        nothing = jnp.all(scores == -jnp.inf, -1, keepdims=True)
        weights = jax.nn.softmax(jnp.where(nothing, jnp.zeros_like(scores), scores), -1)
        weights = jnp.where(nothing, jnp.zeros_like(weights), weights)
    if rate:
        weights = dropped(context, weights, rate)
    return weights @ values
