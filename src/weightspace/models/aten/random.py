"""Operators that draw: all random numbers come from the key of the step."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.models.aten.table import Context, Image, operator


def dropped(context: Context, x: Array, rate: float) -> Array:
    """Entries kept with probability 1 − rate and divided by it, the others zero."""
    if rate == 0:
        return x
    if rate == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(context.draw(), 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), jnp.zeros_like(x))


@operator("native_dropout.default", images="own", context=True)
def _native(context: Context, x: Any, rate: float, train: bool | None = None) -> tuple[Any, None]:
    return _dropout(context, x, rate, train is not False), None


@operator("dropout.default", images="own", context=True)
def _dropout(context: Context, x: Any, rate: float, train: bool) -> Any:
    if not train:
        return x
    return Image(dropped(context, x.array, rate)) if isinstance(x, Image) else dropped(context, x, rate)


@operator("bernoulli.p", context=True)
def _of_probability(context: Context, x: Array, probability: float = 0.5, **_: Any) -> Array:
    return jax.random.bernoulli(context.draw(), probability, x.shape).astype(x.dtype)


@operator("bernoulli.default", context=True)
def _of_probabilities(context: Context, x: Array, **_: Any) -> Array:
    return jax.random.bernoulli(context.draw(), x).astype(x.dtype)


@operator("rand.default", context=True)
def _uniform(context: Context, shape: tuple[int, ...], dtype: Any = None, **_: Any) -> Array:
    return jax.random.uniform(context.draw(), shape, context.dtype if dtype is None else dtype)


@operator("randn.default", context=True)
def _normal(context: Context, shape: tuple[int, ...], dtype: Any = None, **_: Any) -> Array:
    return jax.random.normal(context.draw(), shape, context.dtype if dtype is None else dtype)


@operator("rand_like.default", context=True)
def _uniform_like(context: Context, x: Array, dtype: Any = None, **_: Any) -> Array:
    return jax.random.uniform(context.draw(), x.shape, x.dtype if dtype is None else dtype)


@operator("randn_like.default", context=True)
def _normal_like(context: Context, x: Array, dtype: Any = None, **_: Any) -> Array:
    return jax.random.normal(context.draw(), x.shape, x.dtype if dtype is None else dtype)


@operator("randperm.default", context=True)
def _permutation(context: Context, count: int, dtype: Any = None, **_: Any) -> Array:
    drawn = jax.random.permutation(context.draw(), count)
    return drawn if dtype is None else drawn.astype(dtype)
