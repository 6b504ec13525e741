"""Random dense basis: independent Gaussian columns of unit norm."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis
from weightspace.spaces.bases.base import BasisWarning as BasisWarning
from weightspace.spec import spec, static
from weightspace.streams import KeyArray, Keys, Stream


@spec
class Gaussian(Basis):
    """Columns drawn from N(0, I) and scaled to unit norm.

    Nearly orthogonal for d ≪ D: the singular values of B lie in about [1 - √(d/D), 1 + √(d/D)]. With
    `orthonormal` they are made exactly so, one after the other, which keeps smaller bases the beginning of
    larger ones. Above d = D/2 the Gaussian columns are ill-conditioned (5.6 at D/2, some 2,000 at D) and a
    `BasisWarning` says so. The two are different optimisers too: Adam is not invariant to rotations of θ.
    Memory: 4 d D bytes a run; `Regenerated` has the same columns in 12 d. Source: Larsen et al., "How many
    degrees of freedom do we need to train deep networks", 2022, section 2.

    Attributes:
      dim: d, the number of columns.
      orthonormal: Whether the columns are made orthonormal.
    """

    dim: int = static()
    orthonormal: bool = static(default=False)

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "orthonormal" if self.orthonormal else "gaussian"

    def cosine(self, size: int) -> float:
        """1/√D, or 0 of orthonormal columns."""
        return 0.0 if self.orthonormal else super().cosine(size)

    def check(self, size: int) -> None:
        """Also warn where the columns are far from orthogonal: their condition grows on and on to d = D."""
        super().check(size)
        self.warn_of_dependence(size)

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Float[Array, "d D"]:
        """Bᵀ: the columns of B as rows, which is how both products read memory in order."""

        def column(number: Array) -> Float[Array, " D"]:
            drawn = normal_column(keys(Stream.BASIS, number), size)
            return drawn / norm(drawn)

        # One column after the other: a column's bits must not depend on how many follow.
        rows = jax.lax.map(column, jnp.arange(self.dim, dtype=jnp.uint32))
        return (_orthonormal_rows(rows) if self.orthonormal else rows).astype(dtype)

    def combine(
        self, arrays: Float[Array, "d D"], theta: Float[Array, " d"], size: int
    ) -> Float[Array, " D"]:
        """B θ."""
        return theta @ arrays


def normal_column(key: KeyArray, size: int) -> Float[Array, " D"]:
    """Independent standard normal numbers, in float32 whatever the run's precision."""
    return jax.random.normal(key, (size,), jnp.float32)


def norm(column: Float[Array, " D"]) -> Float[Array, ""]:
    """The Euclidean norm."""
    return jnp.sqrt(jnp.vdot(column, column))


def _orthonormal_rows(rows: Float[Array, "d D"]) -> Float[Array, "d D"]:
    """The rows of Gram and Schmidt, with the sign of the given ones."""
    q, r = jnp.linalg.qr(rows.T)
    return (q * jnp.sign(jnp.diagonal(r))[None, :]).T
