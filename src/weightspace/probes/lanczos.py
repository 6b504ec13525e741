"""The largest eigenvalue of a symmetric operator that is known by its products alone.

Lanczos' method: from v₁ the operator makes vectors v₂, v₃, … in which it is a tridiagonal matrix T, whose
largest eigenvalue approaches the operator's from below; a power iteration finds what is largest in magnitude,
which at a saddle may be the most negative. Without reorthogonalisation, which would keep all vectors, T
repeats eigenvalues once they have converged, but makes none up (Paige, 1976).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace import tree
from weightspace.tree import Tree

_ROUNDING = 64
"""Roundings of H below which what is left of a product is taken for nothing."""


def largest_eigenvalue(product: Callable[[Tree], Tree], start: Tree, iterations: int) -> Float[Array, ""]:
    """λ_max of H, the algebraically largest; NaN where a product is not finite.

    Where the vectors span all that H reaches from the start (there are no more than its distinct eigenvalues)
    the method stops: what is left of T is filled with vᵀHv of the start, which is no larger than λ_max.

    Args:
      product: v -> H v.
      start: Any direction that is not zero; a random one meets every eigenvector.
      iterations: Products, and the size of T, at the most: no more are made than there are dimensions.
    """
    norm = _norm(start)
    dtype = norm.dtype
    eps, tiny = jnp.finfo(dtype).eps, jnp.finfo(dtype).tiny
    zero = jnp.zeros((), dtype)

    def step(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        before, now, coupling, scale, first, going = state
        made = product(now)
        own = tree.dot(now, made).astype(dtype)
        rest = jax.tree.map(lambda w, v, u: w - own * v - coupling * u, made, now, before)
        length = _norm(rest)
        scale = jnp.maximum(scale, jnp.abs(own) + length)
        # Not `>`, so that NaN goes on and is seen.
        on = going & ~(length <= _ROUNDING * eps * scale)
        first = jnp.where(jnp.isnan(first), own, first)
        after = jax.tree.map(lambda w: jnp.where(on, w / jnp.maximum(length, tiny), 0), rest)
        after = jax.tree.map(lambda w: w.astype(dtype), after)
        diagonal = jnp.where(going, own, first)
        beside = jnp.where(on, length, zero)
        return (now, after, beside, scale, first, on), (diagonal, beside)

    unit = jax.tree.map(lambda v: v / jnp.maximum(norm, tiny), start)
    blank = jax.tree.map(jnp.zeros_like, unit)
    state = (blank, unit, zero, zero, jnp.asarray(jnp.nan, dtype), jnp.asarray(True))
    # More vectors than dimensions would be made of rounding alone, whose errors add up.
    count = min(iterations, tree.size(start))
    _, (diagonal, beside) = jax.lax.scan(step, state, None, length=count)
    defined = jnp.all(jnp.isfinite(diagonal)) & jnp.all(jnp.isfinite(beside))
    diagonal, beside = (jnp.where(defined, values, 0) for values in (diagonal, beside))
    matrix = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
    return jnp.where(defined, jnp.linalg.eigvalsh(matrix)[-1], jnp.nan)


def _norm(vector: Tree) -> Float[Array, ""]:
    return jnp.sqrt(tree.squared_norm(vector))
