"""Sparse random basis: each column moves few weights, by the same amount up or down."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from weightspace.errors import InputError, check_number
from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, check_places, wide
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream


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

    With `disjoint` no two of the first q = ⌊D/k⌋ columns move one weight in common, nor of the next q, and so
    on: in each stretch a round of q columns takes q places in random order. Larsen et al., "How many degrees
    of freedom do we need to train deep networks", 2022, take disjoint supports where d k ≤ D, so in one
    round, and else draw all anew; here the second round leaves the first as it is, so that a small basis is
    the beginning of a large one either way. Columns of one round are orthonormal.

    About (1 - density)^d of the weights are in no column and never move: with few columns that is most of
    them. With few entries a column (below some 8) columns may coincide, and d counts more than it spans.
    Memory (nothing is ever densified): 5 d k bytes a run; time: d k additions in the product and as many
    reads in the gradient.

    Attributes:
      dim: d, the number of columns.
      density: Share of the weights that a column moves, in (0, 1]; None for 1/√D.
      nnz: k, the number of weights that a column moves, in place of the density.
      disjoint: Whether columns share no weight as long as there are weights left.
    """

    dim: int = static()
    density: float | None = static(default=None)
    nnz: int | None = static(default=None, neutral=None)
    disjoint: bool = static(default=False, neutral=False)

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "sparse"

    def validate(self) -> None:
        """The density is a share above 0, k at least 1, and one of both is given."""
        super().validate()
        check_number("density", self.density, above=0, most=1)
        check_number("nnz", self.nnz, least=1)
        if self.density is not None and self.nnz is not None:
            raise InputError(
                f"density = {self.density} and nnz = {self.nnz} both say how many weights a column moves; "
                "give one of them"
            )

    def entries(self, size: int) -> int:
        """k, the number of entries of a column in D weights: at least one."""
        if self.nnz is not None:
            return self.nnz
        return max(1, round(math.sqrt(size) if self.density is None else self.density * size))

    def cosine(self, size: int) -> float:
        """1/√D; of disjoint columns the share of pairs of two rounds counts, all others are orthogonal."""
        if not self.disjoint or self.dim == 1:
            return super().cosine(size)
        (rounds, rest), q = divmod(self.dim, size // self.entries(size)), size // self.entries(size)
        within = (rounds * q * (q - 1) + rest * (rest - 1)) / (self.dim * (self.dim - 1))
        return math.sqrt(max(0.0, 1 - within) / size)

    def check(self, size: int) -> None:
        """Also k ≤ D, and places must be 32-bit integers; warn where columns are far from orthogonal."""
        super().check(size)
        check_places(self, size)
        if self.entries(size) > size:
            raise InputError(
                f"nnz = {self.nnz} exceeds the D = {size} weights that a column may move; choose nnz ≤ "
                f"{size}, or give a density"
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

        drawn = jax.vmap(column)(jnp.arange(self.dim, dtype=jnp.uint32))
        return drawn._replace(rows=self._dealt(keys, bounds)) if self.disjoint else drawn

    def _dealt(self, keys: Keys, bounds: np.ndarray) -> Int[Array, "d k"]:
        """The places of disjoint columns: each stretch deals its own to the columns of a round."""
        size, lengths = int(bounds[-1]), np.diff(bounds)
        each, most = size // len(lengths), int(lengths.max())
        rounds = -(-self.dim // each)

        def deal(number: Array) -> Int[Array, "q k"]:
            order = jax.random.bits(keys.child(0)(Stream.BASIS, number), (len(lengths), most), jnp.uint32)
            # A stretch one place shorter than the others has its missing place last.
            absent = np.arange(most)[None, :] >= lengths[:, None]
            order = jnp.where(absent, jnp.uint32(2**32 - 1), order)
            places = jnp.argsort(order, axis=1, stable=True).astype(jnp.int32)[:, :each]
            return (jnp.asarray(bounds[:-1])[:, None] + places).T

        # One after the other: a round's bits must not depend on how many follow.
        dealt = jax.lax.map(deal, jnp.arange(rounds, dtype=jnp.uint32))
        return dealt.reshape(rounds * each, len(lengths))[: self.dim]

    def combine(self, arrays: Entries, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ: each coordinate is added to the places of its column."""
        rows, signs = arrays
        scale = jnp.asarray(1 / math.sqrt(rows.shape[1]), wide(theta.dtype))
        values = (scale * theta.astype(scale.dtype))[:, None] * signs.astype(scale.dtype)
        return jnp.zeros((size,), scale.dtype).at[rows].add(values).astype(theta.dtype)
