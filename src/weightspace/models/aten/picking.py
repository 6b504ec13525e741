"""Operators that pick entries by their places, or put them there: embeddings, gathers, scatters."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from weightspace.errors import InputError
from weightspace.models.aten.table import operator


@operator("embedding.default")
def _embedded(table: Array, places: Array, padding: int = -1, by_frequency: bool = False, *_: Any) -> Array:
    if by_frequency:
        raise InputError(
            "an embedding with scale_grad_by_freq=True scales its gradients by counts, which no loss here "
            "does; leave it out"
        )
    rows = jnp.take(table, places, axis=0)
    if padding < 0:
        return rows
    # The row that stands for nothing is read, but never learned.
    return jnp.where((places == padding)[..., None], lax.stop_gradient(rows), rows)


@operator("index.Tensor", "_unsafe_index.Tensor")
def _indexed(x: Array, places: tuple[Any, ...]) -> Array:
    return x[tuple(slice(None) if at is None else at for at in places)]


@operator("index_put.default", "_unsafe_index_put.default")
def _put(x: Array, places: tuple[Any, ...], values: Array, accumulate: bool = False) -> Array:
    at = x.at[tuple(slice(None) if place is None else place for place in places)]
    return at.add(values) if accumulate else at.set(values)


@operator("index_select.default")
def _taken(x: Array, axis: int, places: Array) -> Array:
    return jnp.take(x, places, axis)


@operator("gather.default")
def _gathered(x: Array, axis: int, places: Array, **_: Any) -> Array:
    return x[_grid(axis, places)]


@operator("scatter.src", "scatter.value")
def _scattered(x: Array, axis: int, places: Array, values: Any) -> Array:
    if not isinstance(values, int | float):
        values = values[tuple(slice(0, n) for n in places.shape)]
    return x.at[_grid(axis, places)].set(values)


@operator("scatter_add.default")
def _added(x: Array, axis: int, places: Array, values: Array) -> Array:
    return x.at[_grid(axis, places)].add(values[tuple(slice(0, n) for n in places.shape)])


def _grid(axis: int, places: Array) -> tuple[Array, ...]:
    """Places along one axis, each entry of the others at its own."""
    grid = list(jnp.meshgrid(*(jnp.arange(n) for n in places.shape), indexing="ij"))
    grid[axis] = places
    return tuple(grid)
