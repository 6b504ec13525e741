"""Learned basis: columns that another node has found, as the principal directions of a training."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.node import Output
from weightspace.spaces.bases.base import Basis
from weightspace.spec import spec, static
from weightspace.streams import Keys


@spec
class Learned(Basis):
    """The first d of given columns, as they are: B = columns[:d]ᵀ, in the order of `tree.ravel`.

    They are nested in d, whatever the number of columns given, and need not have unit norm: a column of norm
    s makes its coordinate's steps s times as long. Memory: 4 d D bytes a run.

    Attributes:
      dim: d, the number of columns.
      columns: Bᵀ [at least d, D], or another node's output (`derived.principal.Leading`).
    """

    dim: int = static()
    columns: Any

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "learned"

    def validate(self) -> None:
        """Finite numbers in a matrix of at least d rows."""
        super().validate()
        if self.columns is None:
            raise InputError("Learned.columns is None; give an array [d, D] or another node's output")
        if isinstance(self.columns, np.ndarray) and not np.isfinite(self.columns).all():
            raise InputError(
                "the columns of a learned basis are not finite; take those of a run that converged"
            )

    def check(self, size: int) -> None:
        """Also that there are d columns of D weights, where that is known by now."""
        super().check(size)
        if isinstance(self.columns, Output):
            return
        shape = np.shape(self.columns)
        if len(shape) != 2:
            raise InputError(f"the columns of a learned basis have shape {shape}, but must have [d, D]")
        if shape[1] != size:
            raise InputError(
                f"the learned basis belongs to another architecture: its columns have {shape[1]} weights, "
                f"the model D = {size}; take a donor of this model"
            )
        if shape[0] < self.dim:
            raise InputError(
                f"dimension d = {self.dim} exceeds the {shape[0]} columns of the learned basis; choose "
                f"d ≤ {shape[0]}, or learn more of them"
            )

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Float[Array, "d D"]:
        """Bᵀ: the columns as rows."""
        self.check(size)
        return jnp.asarray(self.columns)[: self.dim].astype(dtype)

    def combine(
        self, arrays: Float[Array, "d D"], theta: Float[Array, " d"], size: int
    ) -> Float[Array, " D"]:
        """B θ."""
        return theta @ arrays
