"""Operators that reduce along axes, sort, and accumulate."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.models.aten.elementwise import absolute
from weightspace.models.aten.table import Image, operator, plain

Axes = int | tuple[int, ...] | None


def _along(call: Callable[..., Array], x: Any, axes: Axes, keep: bool) -> Any:
    """A reduction; that of an image over all its space, or with its axes kept, needs no transposition."""
    rank = len(x.shape)
    axes = axes if axes != () else None
    numbers = range(rank) if axes is None else (axes,) if isinstance(axes, int) else axes
    numbers = tuple(sorted(axis % rank for axis in numbers))
    if isinstance(x, Image):
        held = tuple(0 if axis == 0 else rank - 1 if axis == 1 else axis - 1 for axis in numbers)
        if keep:
            return Image(call(x.array, axis=held, keepdims=True))
        if set(numbers) >= set(range(2, rank)):
            return call(x.array, axis=held)
    return call(plain(x), axis=numbers, keepdims=keep)


def _typed(call: Callable[..., Array]) -> Callable[..., Any]:
    def reduce(x: Any, axes: Axes = None, keep: bool = False, dtype: Any = None, **_: Any) -> Any:
        made = _along(call, x, axes, keep)
        if dtype is None:
            return made
        return Image(made.array.astype(dtype)) if isinstance(made, Image) else made.astype(dtype)

    return reduce


for _name, _call in {"sum": jnp.sum, "mean": jnp.mean, "amax": jnp.max, "amin": jnp.min,
                     "any": jnp.any, "all": jnp.all}.items():  # fmt: skip
    _variants = ("default", "dim_IntList", "dim", "dims")
    operator(*(f"{_name}.{variant}" for variant in _variants), images="own")(_typed(_call))


@operator("max.default")
def _largest(x: Array) -> Array:
    return jnp.max(x)


@operator("min.default")
def _least(x: Array) -> Array:
    return jnp.min(x)


@operator("max.dim")
def _max(x: Array, axis: int, keep: bool = False) -> tuple[Array, Array]:
    return _picked(x, jnp.argmax(x, axis, keepdims=True), axis, keep=keep)


@operator("min.dim")
def _min(x: Array, axis: int, keep: bool = False) -> tuple[Array, Array]:
    return _picked(x, jnp.argmin(x, axis, keepdims=True), axis, keep=keep)


def _picked(x: Array, places: Array, axis: int, *, keep: bool) -> tuple[Array, Array]:
    values = jnp.take_along_axis(x, places, axis)
    return (values, places) if keep else (jnp.squeeze(values, axis), jnp.squeeze(places, axis))


@operator("argmax.default")
def _place_of_max(x: Array, axis: int | None = None, keep: bool = False) -> Array:
    return jnp.argmax(x, axis, keepdims=keep)


@operator("argmin.default")
def _place_of_min(x: Array, axis: int | None = None, keep: bool = False) -> Array:
    return jnp.argmin(x, axis, keepdims=keep)


@operator("prod.default", "prod.dim_int")
def _product(x: Array, axis: int | None = None, keep: bool = False, dtype: Any = None) -> Array:
    return jnp.prod(x, axis, dtype, keepdims=keep)


@operator("var.correction", "var.dim", images="own")
def _variance(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    ddof = int(1 if correction is None else correction)
    return _along(lambda a, **how: jnp.var(a, ddof=ddof, **how), x, axes, keepdim)


@operator("std.correction", images="own")
def _deviation(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    ddof = int(1 if correction is None else correction)
    return _along(lambda a, **how: _root(jnp.var(a, ddof=ddof, **how)), x, axes, keepdim)


def _root(x: Array, order: float = 2) -> Array:
    """x^(1/order), with no gradient at zero, where it has none: a norm's and a deviation's, in PyTorch."""
    none = x == 0
    x = jnp.where(none, jnp.ones_like(x), x)
    return jnp.where(none, jnp.zeros_like(x), jnp.sqrt(x) if order == 2 else jnp.power(x, 1 / order))


@operator("var_mean.correction", images="own")
def _variance_and_mean(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    return _variance(x, axes, correction, keepdim), _along(jnp.mean, x, axes, keepdim)


@operator("std_mean.correction", images="own")
def _deviation_and_mean(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    return _deviation(x, axes, correction, keepdim), _along(jnp.mean, x, axes, keepdim)


@operator("linalg_vector_norm.default")
def _norm(x: Array, order: float = 2, axes: Axes = None, keep: bool = False, dtype: Any = None) -> Array:
    x = x if dtype is None else x.astype(dtype)
    axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else axes
    if order == 2:
        return _root(jnp.sum(jnp.square(x), axes, keepdims=keep))
    if order in (float("inf"), float("-inf")):
        return (jnp.max if order > 0 else jnp.min)(absolute(x), axes, keepdims=keep)
    if order == 0:
        return jnp.sum(x != 0, axes, keepdims=keep).astype(x.dtype)
    return _root(jnp.sum(jnp.power(absolute(x), order), axes, keepdims=keep), order)


@operator("_softmax.default", "softmax.int")
def _softmax(x: Array, axis: int, *_: Any, **__: Any) -> Array:
    return jax.nn.softmax(x, axis)


@operator("_log_softmax.default", "log_softmax.int")
def _log_softmax(x: Array, axis: int, *_: Any, **__: Any) -> Array:
    return jax.nn.log_softmax(x, axis)


@operator("logsumexp.default")
def _logsumexp(x: Array, axes: Axes, keep: bool = False) -> Array:
    return jax.nn.logsumexp(x, axes, keepdims=keep)


@operator("cumsum.default")
def _summed_up(x: Array, axis: int, dtype: Any = None) -> Array:
    return jnp.cumsum(x, axis, dtype)


@operator("cumprod.default")
def _multiplied_up(x: Array, axis: int, dtype: Any = None) -> Array:
    return jnp.cumprod(x, axis, dtype)


@operator("topk.default")
def _top(x: Array, count: int, axis: int = -1, largest: bool = True, *_: Any) -> tuple[Array, Array]:
    moved = jnp.moveaxis(x if largest else -x, axis, -1)
    values, places = jax.lax.top_k(moved, count)
    values = values if largest else -values
    return jnp.moveaxis(values, -1, axis), jnp.moveaxis(places, -1, axis)


@operator("sort.default", "sort.stable")
def _sorted(
    x: Array, dim: int = -1, descending: bool = False, stable: bool | None = None
) -> tuple[Array, Array]:
    del stable  # It always is. `sort.stable` has the others by name.
    places = jnp.argsort(x, dim, descending=descending, stable=True)
    return jnp.take_along_axis(x, places, dim), places
