"""Singular value decomposition of a long matrix X [n, D] that is read block by block, n ≤ D or not.

X may be float32 and large: no copy of it in float64 is made. A QR decomposition of Xᵀ is taken in float64,
one block of rows after the other onto the triangle so far (TSQR: Demmel, Grigori, Hoemmen, Langou 2012),
which leaves R [n, n] with Xᵀ = Q R; its own SVD R = P Σ Vᵀ gives Σ and V of X, and the left singular vectors
of Xᵀ are Xᵀ V Σ⁻¹, again block by block. Errors are about ε σ₁/σ_k in float64. Through XXᵀ they are
ε (σ₁/σ_k)²: in float32 all directions below about 3e-4 σ₁ are then noise, in float64 the columns at 1e-6 σ₁
are orthogonal to no more than about 1e-4.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

BLOCK_BYTES = 2**27
"""Bytes of a block in float64; none is thinner than n, so that all QRs cost at most twice the whole one."""
TOLERANCE = 2.0**-23
"""A direction whose singular value is at most this share of the largest is rounding of float32 numbers."""

Rows = Callable[[slice], Float[np.ndarray, "n b"]]
"""A slice of the columns of X, in float64."""


def blocks(count: int, size: int) -> Iterator[slice]:
    """The columns of X [count, size] in blocks."""
    width = max(count, BLOCK_BYTES // (8 * count), 1)
    return (slice(begin, min(begin + width, size)) for begin in range(0, size, width))


def singular(rows: Rows, count: int, size: int) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "n r"]]:
    """Singular values of X, falling, and V: its left singular vectors, as columns; r = min(n, D).

    Args:
      rows: Gives columns of X.
      count: n.
      size: D.
    """
    triangle = np.zeros((0, count))
    for part in blocks(count, size):
        triangle = np.linalg.qr(np.concatenate([triangle, rows(part).T]), mode="r")
    _, values, right = np.linalg.svd(triangle, full_matrices=False)
    return values, right.T


def rank_of(values: Float[np.ndarray, " r"], tolerance: float = TOLERANCE) -> int:
    """How many singular values are more than a share of the largest."""
    return int(np.count_nonzero(values > tolerance * values[0])) if values.size and values[0] > 0 else 0


def combined(
    rows: Rows, coefficients: Float[np.ndarray, "n d"], size: int, dtype: type = np.float32
) -> Float[np.ndarray, "d D"]:
    """(Xᵀ C)ᵀ, block by block: the directions that the coefficients C make of the rows of X.

    Args:
      rows: Gives columns of X.
      coefficients: C, a column for each direction.
      size: D.
      dtype: Of the result.
    """
    found = np.empty((coefficients.shape[1], size), dtype)
    for part in blocks(coefficients.shape[0], size):
        found[:, part] = coefficients.T @ rows(part)
    return found
