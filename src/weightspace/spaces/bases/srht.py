"""Subsampled randomised Hadamard transform: columns ±1/√D that one fast transform makes."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, check_places, wide
from weightspace.spaces.bases.hadamard import Permutation, draw_permutation, padded, permuted, transform
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream


class Signed(NamedTuple):
    """What stands for B: which columns of H, which of its rows, and the sign of each row."""

    columns: Permutation
    rows: Permutation
    signs: Int[Array, " D"]


@spec
class Srht(Basis):
    """D rows and d columns of a Hadamard matrix, at random, each row with a random sign.

        B = S R H C / √D,   H of n rows, n the power of two from D on

    C puts θ at d random places, H is one transform over the whole padded vector, R keeps D random rows and S
    gives them signs. Each entry is ±1/√D, each column alone a vector of independent signs, of norm 1 exactly.
    Where D is a power of two all rows are kept and the columns are exactly orthonormal; else two of them have
    ⟨b_i, b_j⟩ = 0 on average and ⟨b_i, b_j⟩² = (1 - D/n) n / ((n - 1) D): less than the 1/D of Gaussian ones.
    The rows must be random: of the first D rows two columns are nearly equal, if D is just above a power of
    two. As d ≤ D ≤ n, one block is enough for every d, and a small basis is the beginning of a large one.

    Memory: D bytes a run, and a few vectors of n numbers while a product is made. Time: n log₂ n additions a
    product, whatever d. Source: Ailon & Chazelle, "Approximate nearest neighbors and the fast
    Johnson-Lindenstrauss transform", 2006; Tropp, "Improved analysis of the subsampled randomized Hadamard
    transform", 2011.

    Attributes:
      dim: d, the number of columns.
    """

    dim: int = static()

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "srht"

    def cosine(self, size: int) -> float:
        """0 where D is a power of two, else √((n - D) / ((n - 1) D))."""
        n = padded(size)
        return math.sqrt((n - size) / (n - 1) / size) if n > size else 0.0

    def edges(self, size: int) -> tuple[float, float]:
        """Of a D × d part of an orthonormal matrix of n rows: 1 ± √(d/D) for n ≫ d, 1 for D = n."""
        n = padded(size)
        if n == size:
            return 1.0, 1.0
        middle, spread = math.sqrt(1 - self.dim / n), math.sqrt(self.dim / n * (n - size) / size)
        most = middle + spread if self.dim + size <= n else math.sqrt(n / size)
        return max(0.0, middle - spread), most

    def check(self, size: int) -> None:
        """Also places must be 32-bit integers; and warn where the columns are far from orthogonal."""
        super().check(size)
        check_places(self, size)
        self.warn_of_dependence(size)

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Signed:
        """Two permutations, and signs as int8."""
        columns, rows, signs = jax.random.split(keys(Stream.BASIS), 3)
        return Signed(
            draw_permutation(columns),
            draw_permutation(rows),
            jax.random.rademacher(signs, (size,), jnp.int8),
        )

    def combine(self, arrays: Signed, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ."""
        n, dtype = padded(size), wide(theta.dtype)
        scaled = theta.astype(dtype) * jnp.asarray(1 / math.sqrt(size), dtype)
        moved = transform(spread_out(scaled, arrays.columns, n))
        if n > size:
            moved = moved.at[permuted(arrays.rows, size, n)].get(unique_indices=True)
        return (moved * arrays.signs.astype(dtype)).astype(theta.dtype)


def spread_out(theta: Float[Array, " d"], columns: Permutation, n: int) -> Float[Array, " n"]:
    """The coordinates at their places among n numbers, all others 0."""
    places = permuted(columns, theta.size, n)
    return jnp.zeros((n,), theta.dtype).at[places].set(theta, unique_indices=True)
