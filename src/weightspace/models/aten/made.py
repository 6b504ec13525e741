"""Operators that make arrays of their own."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.models.aten.table import Context, operator


@operator("full.default", context=True)
def _full(context: Context, shape: tuple[int, ...], value: Any, dtype: Any = None, **_: Any) -> Array:
    if dtype is None and isinstance(value, float):
        dtype = context.dtype
    return jnp.full(shape, value, dtype)


@operator("scalar_tensor.default", context=True)
def _scalar(context: Context, value: Any, dtype: Any = None, **_: Any) -> Array:
    return jnp.asarray(value, context.dtype if dtype is None else dtype)


for _name, _value in (("zeros", 0.0), ("ones", 1.0), ("empty", 0.0)):

    @operator(f"{_name}.default", f"{_name}.memory_format", context=True)
    def _filled(
        context: Context, shape: tuple[int, ...], dtype: Any = None, value: float = _value, **_: Any
    ) -> Array:
        return jnp.full(shape, value, context.dtype if dtype is None else dtype)

    @operator(f"{_name}_like.default")
    def _like(x: Array, dtype: Any = None, value: float = _value, **_: Any) -> Array:
        return jnp.full(x.shape, value, x.dtype if dtype is None else dtype)

    @operator(f"new_{_name}.default")
    def _new(x: Array, shape: tuple[int, ...], dtype: Any = None, value: float = _value, **_: Any) -> Array:
        return jnp.full(shape, value, x.dtype if dtype is None else dtype)


@operator("empty_permuted.default", context=True)
def _empty(
    context: Context, shape: tuple[int, ...], order: tuple[int, ...], dtype: Any = None, **_: Any
) -> Array:
    """Of no order here: axes are where they are."""
    del order
    return jnp.zeros(shape, context.dtype if dtype is None else dtype)


@operator("full_like.default")
def _full_like(x: Array, value: Any, dtype: Any = None, **_: Any) -> Array:
    return jnp.full(x.shape, value, x.dtype if dtype is None else dtype)


@operator("new_full.default")
def _new_full(x: Array, shape: tuple[int, ...], value: Any, dtype: Any = None, **_: Any) -> Array:
    return jnp.full(shape, value, x.dtype if dtype is None else dtype)


@operator("arange.start_step", "arange.start", "arange.default", context=True)
def _range(context: Context, *numbers: Any, dtype: Any = None, **_: Any) -> Array:
    floating = any(isinstance(number, float) for number in numbers)
    own = context.dtype if floating else jax.dtypes.canonicalize_dtype("int64")
    return jnp.arange(*numbers).astype(own if dtype is None else dtype)


@operator("linspace.default", context=True)
def _spaced(context: Context, start: Any, end: Any, steps: int, dtype: Any = None, **_: Any) -> Array:
    return jnp.linspace(start, end, steps, dtype=context.dtype if dtype is None else dtype)


@operator("eye.default", "eye.m", context=True)
def _identity(context: Context, rows: int, columns: Any = None, dtype: Any = None, **_: Any) -> Array:
    return jnp.eye(rows, columns, dtype=context.dtype if dtype is None else dtype)


@operator("tril.default")
def _lower(x: Array, diagonal: int = 0) -> Array:
    return jnp.tril(x, diagonal)


@operator("triu.default")
def _upper(x: Array, diagonal: int = 0) -> Array:
    return jnp.triu(x, diagonal)
