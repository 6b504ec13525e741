"""Sparse random basis: each column moves few weights, by the same amount up or down."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from weightspace.errors import InputError, check_number
from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, wide
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream

LARGEST = 2**31 - 1
"""The largest number of weights whose places are 32-bit integers."""


class Entries(NamedTuple):
    """What stands for B: of each column the places of its k entries, ascending, and their signs."""

    rows: Int[Array, "d k"]
    signs: Int[Array, "d k"]


@spec
class Sparse(Basis):
    """Columns of k = density · D entries ±1/√k, all others 0.

    The D weights are cut into k stretches of equal length (to one); a column has one entry in each, at a
    place drawn uniformly and of a sign drawn evenly. Hence ‖b_j‖ = 1 exactly, each weight is moved by a share
    `density` of the columns, and two columns have E⟨b_i, b_j⟩ = 0 and E⟨b_i, b_j⟩² ≈ 1/D, as Gaussian ones
    have. The scale 1/√(density · D) is that of Achlioptas, "Database-friendly random projections", 2003, and
    of Li, Hastie & Church, "Very sparse random projections", 2006, who draw each entry by itself and whose
    density 1/√D is the default; one entry a stretch is the block construction of Kane & Nelson, "Sparser
    Johnson-Lindenstrauss transforms", 2014. Li et al., "Measuring the intrinsic dimension of objective
    landscapes", 2018, train in such bases.

    About (1 - density)^d of the weights are in no column and never move: with few columns that is most of
    them. With few entries a column (below some 8) columns may coincide, and d counts more than it spans.
    Memory: 5 d k bytes a run; time: d k additions in the product and as many reads in the gradient.

    Attributes:
      dim: d, the number of columns.
      density: Share of the weights that a column moves, in (0, 1]; None for 1/√D.
    """

    dim: int = static()
    density: float | None = static(default=None)

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "sparse"

    def validate(self) -> None:
        """The density is a share above 0."""
        super().validate()
        check_number("density", self.density, above=0, most=1)

    def entries(self, size: int) -> int:
        """k, the number of entries of a column in D weights: at least one."""
        return max(1, round(math.sqrt(size) if self.density is None else self.density * size))

    def check(self, size: int) -> None:
        """Also places must be 32-bit integers; and warn where the columns are far from orthogonal."""
        super().check(size)
        if size > LARGEST:
            raise InputError(
                f"a sparse basis counts weights by 32-bit integers, so D = {size} exceeds its {LARGEST}; "
                f"use Regenerated({self.dim})"
            )
        self.warn_of_dependence(size)

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Entries:
        """Places as int32 and signs as int8."""
        count = self.entries(size)
        # In 64 bits, and by numpy: k · D may exceed 2³¹.
        bounds = (np.arange(count + 1, dtype=np.int64) * size // count).astype(np.int32)
        starts, ends = jnp.asarray(bounds[:-1]), jnp.asarray(bounds[1:])

        def column(number: Array) -> Entries:
            place, sign = jax.random.split(keys(Stream.BASIS, number))
            rows = jax.random.randint(place, (count,), starts, ends, jnp.int32)
            return Entries(rows, jax.random.rademacher(sign, (count,), jnp.int8))

        return jax.vmap(column)(jnp.arange(self.dim, dtype=jnp.uint32))

    def combine(self, arrays: Entries, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ: each coordinate is added to the places of its column."""
        rows, signs = arrays
        scale = jnp.asarray(1 / math.sqrt(rows.shape[1]), wide(theta.dtype))
        values = (scale * theta.astype(scale.dtype))[:, None] * signs.astype(scale.dtype)
        return jnp.zeros((size,), scale.dtype).at[rows].add(values).astype(theta.dtype)
