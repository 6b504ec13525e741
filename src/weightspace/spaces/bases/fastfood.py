"""Fastfood: nearly Gaussian columns that two fast transforms make."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, check_places, wide
from weightspace.spaces.bases.gaussian import norm, normal_column
from weightspace.spaces.bases.hadamard import Permutation, draw_permutation, padded, permuted, transform
from weightspace.spaces.bases.srht import spread_out
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream


class Weighted(NamedTuple):
    """What stands for B: which columns and rows of H, a number for each row, and signs between halves."""

    columns: Permutation
    rows: Permutation
    scales: Float[Array, " D"]
    signs: Int[Array, " D"]


@spec
class Fastfood(Basis):
    """Columns T G Π H e_s / ‖g‖, the S H G Π H B of Le, Sarlós & Smola with a norm that is exact.

    H, of n rows, the power of two from D on, is one transform over the whole padded vector; Π keeps D of its
    rows in random order; G multiplies them by Gaussian numbers g; and T, a transform of exactly D numbers,
    mixes them: H_D/√D where D is a power of two, else H_p/√p of the first p, random signs, and H_p/√p of the
    last p numbers, p = n/2. Entries are nearly N(0, 1/D). The original transforms n numbers and cuts
    off n - D of them, after which norms differ from column to column; here T keeps lengths, so that
    ‖b_j‖ = 1 exactly for every D and d (this is S). Signs B would turn coordinates round, no more.

    The columns are less orthogonal than Gaussian ones, for all are weighted by the same g: ⟨b_i, b_j⟩² is
    (3 - D/n) / D on average, so that the rms cosine is √(2/D) where D is a power of two, √2 times that of a
    Gaussian basis, and at most √(2.5/D). As d ≤ D ≤ n, one block is enough for every d, and a small basis is
    the beginning of a large one.

    Memory: 5 D bytes a run, and a few vectors of n numbers while a product is made. Time: 2 n log₂ n
    additions a product, whatever d. Source: Le, Sarlós & Smola, "Fastfood: approximating kernel expansions in
    loglinear time", 2013; used for subspaces by Li et al., "Measuring the intrinsic dimension of objective
    landscapes", 2018, who transform leaf by leaf, so that a leaf of fewer weights than d loses coordinates.

    Attributes:
      dim: d, the number of columns.
    """

    dim: int = static()

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "fastfood"

    def cosine(self, size: int) -> float:
        """√((3 - D/n) / D): √(2/D) where D is a power of two."""
        return math.sqrt((3 - size / padded(size)) / size)

    def check(self, size: int) -> None:
        """Also places must be 32-bit integers; and warn where the columns are far from orthogonal."""
        super().check(size)
        check_places(self, size)
        self.warn_of_dependence(size)

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Weighted:
        """Two permutations, g / ‖g‖ in the weights' type, and signs as int8."""
        columns, rows, scales, signs = jax.random.split(keys(Stream.BASIS), 4)
        drawn = normal_column(scales, size)
        return Weighted(
            draw_permutation(columns),
            draw_permutation(rows),
            (drawn / norm(drawn)).astype(dtype),
            jax.random.rademacher(signs, (size,), jnp.int8),
        )

    def combine(self, arrays: Weighted, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ."""
        n, dtype = padded(size), wide(theta.dtype)
        moved = transform(spread_out(theta.astype(dtype), arrays.columns, n))
        kept = moved.at[permuted(arrays.rows, size, n)].get(unique_indices=True)
        return _mixed(kept * arrays.scales.astype(dtype), arrays.signs.astype(dtype)).astype(theta.dtype)


def _mixed(x: Float[Array, " D"], signs: Float[Array, " D"]) -> Float[Array, " D"]:
    """T x, of the same length as x: each of two overlapping parts is turned by an orthonormal transform."""
    size, part = x.size, 1 << (x.size.bit_length() - 1)
    scale = jnp.asarray(1 / math.sqrt(part), x.dtype)
    x = jnp.concatenate([transform(x[:part]) * scale, x[part:]])
    if part == size:
        return x
    x = x * signs
    return jnp.concatenate([x[: size - part], transform(x[size - part :]) * scale])
