"""Vertices: leaves with a leading axis, mixed and compared; what mixtures are computed with."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from weightspace.models.layout import Leaf


def mixed_leaf(c: Float[Array, " m"], leaf: Array) -> Array:
    """Σ c_i leaf[i]."""
    # No matrix product: on some devices those round their factors to ten bits.
    return jnp.sum(over(c.astype(leaf.dtype), leaf) * leaf, axis=0)


def over(c: Array, leaf: Array) -> Array:
    """A number a vertex, so that it multiplies a leaf."""
    return c.reshape((-1,) + (1,) * (leaf.ndim - 1))


def cosine_squared(a: list[Array], b: list[Array], counted: Bool[Array, " leaves"]) -> Float[Array, ""]:
    """⟨a, b⟩² / (|a|² |b|²) of the counted leaves as one vector; zero where one of both is zero."""

    def dot(u: list[Array], v: list[Array]) -> Float[Array, ""]:
        products = jnp.stack([jnp.sum(x * y) for x, y in zip(u, v, strict=True)])
        return jnp.sum(jnp.where(counted, products, jnp.zeros_like(products)))

    # |a| times |b| could overflow or vanish where neither does; so does the gradient of 0 / 0.
    norms = [dot(a, a), dot(b, b)]
    alive = (norms[0] > 0) & (norms[1] > 0)
    safe = [jnp.where(alive, norm, jnp.ones_like(norm)) for norm in norms]
    inner = dot(a, b)
    return jnp.where(alive, (inner / safe[0]) * (inner / safe[1]), jnp.zeros_like(inner))


def stacked_leaf(leaf: Leaf, count: int) -> Leaf:
    """What a leaf with a leading axis of vertices is."""
    axis = None if leaf.out_axis is None else leaf.out_axis + 1
    return dataclasses.replace(
        leaf, shape=(count, *leaf.shape), fan_axes=tuple(a + 1 for a in leaf.fan_axes), out_axis=axis
    )
