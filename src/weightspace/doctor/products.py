"""Products: short contractions over many rows, prime lengths, lanes, loops, low precision."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from weightspace.doctor.kernels import Case, draws

MANY = {"float32": 40_009, "float64": 20_011}
"""Rows: primes beyond 32,768 and 16,384, from where rows were wrong (jax issue 39103)."""


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _short_contractions()
    yield from _primes()


def _short_contractions() -> Iterator[Case]:
    """Reductions of Wx by `vmap` over rows x, for matrices W of every short shape, a program each.

    Two in one program are fused otherwise, and may be right where each alone is wrong.
    """
    draw = draws()
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-13)):
        for taken in (1, 2, 3, 5):
            rows = draw.normal(size=(MANY[dtype], taken)).astype(dtype)
            for made, name in ((1, "maximum"), (2, "sum of squares"), (3, "sum"), (4, "maximum")):
                matrix = draw.normal(size=(made, taken)).astype(dtype)
                exact = REDUCTIONS[name](np, rows.astype(np.float64) @ matrix.astype(np.float64).T)
                yield Case(
                    f"{MANY[dtype]:,} rows of {taken} times {taken} × {made}, then a {name}, {dtype}",
                    functools.partial(_reduced, name), (matrix, rows), exact, tolerance,
                )  # fmt: skip


REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": lambda numpy, x: numpy.max(x, -1),
    "sum of squares": lambda numpy, x: numpy.sum(x * x, -1),
    "sum": lambda numpy, x: numpy.sum(x, -1),
}


def _reduced(name: str, matrix: Any, rows: Any) -> Any:
    return jax.vmap(lambda row: REDUCTIONS[name](jnp, matrix @ row))(rows)


def _primes() -> Iterator[Case]:
    draw = draws()
    a, b = (draw.normal(size=shape).astype(np.float32) for shape in ((101, 97), (97, 103)))
    wide = a.astype(np.float64) @ b
    yield Case("product of 101 × 97 and 97 × 103", lambda a, b: a @ b, (a, b), wide, 1e-6)
    yield Case("product with a transpose", lambda a, b: b.T @ a.T, (a, b), wide.T, 1e-6)
    few = draw.normal(size=(7, 1, 97)).astype(np.float32)
    lanes = draw.normal(size=(7, 97, 5)).astype(np.float32)
    many = np.einsum("lbi,lio->lbo", few.astype(np.float64), lanes)
    yield Case("lanes of one row", jax.vmap(lambda x, w: x @ w), (few, lanes), many, 1e-6)
    vector = draw.normal(size=(97,)).astype(np.float32)
    powers = wide[:, :101] / 40

    def looped(a: Any, v: Any) -> Any:
        return jax.lax.fori_loop(0, 7, lambda _, v: jnp.tanh(a @ v), v)

    exact = draw.normal(size=(101,)).astype(np.float32)
    start = exact
    for _ in range(7):
        exact = np.tanh(powers.astype(np.float32).astype(np.float64) @ exact)
    yield Case("a product in a loop", looped, (powers.astype(np.float32), start), exact, 1e-4)
    yield Case("a matrix and a vector", lambda a, v: a @ v, (a, vector), a.astype(np.float64) @ vector, 1e-6)
    outer = np.outer(vector.astype(np.float64), vector)
    yield Case("an outer product, then a sum", _summed_outer, (vector,), (outer, outer.sum(1)), 1e-5)
    low_a, low_b = a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)
    low = low_a.astype(np.float64) @ low_b.astype(np.float64)
    yield Case("product in bfloat16", lambda a, b: (a @ b).astype(jnp.float32), (low_a, low_b), low, 6e-3)


def _summed_outer(vector: Any) -> Any:
    outer = vector[:, None] * vector[None, :]
    return outer, jnp.sum(outer, 1)
