"""Basis: the linear map B of an affine space, stored or made on the fly.

```
keys --make--> arrays that stand for B --combine(arrays, θ, D)--> B θ
```

A basis has `dim` columns. `make` owns the types of its arrays: floats in the weights' type (a dense matrix),
integers (places of sparse columns), PRNG keys (columns that are drawn anew each time); a space passes them
on as they are. The transposed product that gradients need is left to automatic differentiation: a product
that makes its columns in a loop puts the body under `jax.checkpoint`, else all are stored for the way back.
Column j depends on its own key alone, so that the basis of d = 8 is the beginning of that of d = 512.
"""

import abc
import math
import warnings
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_number
from weightspace.models.layout import Layout
from weightspace.spec import Spec, static
from weightspace.streams import Keys

LARGEST = 2**31 - 1
"""The largest number of weights whose places are 32-bit integers."""


class BasisWarning(UserWarning):
    """A basis whose columns are nearly dependent."""


class Basis(Spec, abc.ABC):
    """A linear map from d coordinates to D weights.

    Attributes:
      dim: d, the number of columns.
    """

    dim: int = static()

    def validate(self) -> None:
        """The dimension d must be a positive whole number."""
        check_number("dimension d", self.dim, least=1)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the basis is called in tables."""

    @abc.abstractmethod
    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Any:
        """The arrays that stand for B, each of the type that `combine` takes it in.

        Args:
          keys: The run's keys; columns use the stream `BASIS`, keyed by their number.
          size: D, the number of weights.
          layout: What each leaf of the weights is.
          dtype: The weights' type, which B θ must have.
        """

    @abc.abstractmethod
    def combine(self, arrays: Any, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ.

        Args:
          arrays: As `make` gave them.
          theta: Coordinates, in the weights' type.
          size: D, the number of weights.
        """

    def check(self, size: int) -> None:
        """Raise unless d ≤ D.

        Raises:
          InputError: If there are more columns than weights.
        """
        if self.dim > size:
            raise InputError(
                f"dimension d = {self.dim} exceeds the model's D = {size} weights; choose d ≤ {size}"
            )

    def check_layout(self, layout: Layout) -> None:
        """Raise unless the basis fits these leaves: of most only their number of weights counts."""
        self.check(layout.size)

    def cosine(self, size: int) -> float:
        """The root of the mean of ⟨b_i, b_j⟩² over pairs of columns: 1/√D of independent random ones."""
        return 1 / math.sqrt(size)

    def edges(self, size: int) -> tuple[float, float]:
        """About the least and the largest singular value of B: 1 ± √d · cosine(D)."""
        spread = math.sqrt(self.dim) * self.cosine(size)
        return max(0.0, 1 - spread), 1 + spread

    def warn_of_dependence(self, size: int) -> None:
        """Warn where columns of unit norm are far from orthogonal: independent ones above d = D/2."""
        least, most = self.edges(size)
        if self.dim == 1 or least >= 1 - math.sqrt(0.5) - 1e-9:
            return
        warnings.warn(
            BasisWarning(
                f"a {self.name} basis of d = {self.dim} columns in D = {size} weights is ill-conditioned "
                f"(singular values from about {least:.2g} to {most:.2g}); for so many "
                f"columns use an orthonormal one: Gaussian({self.dim}, orthonormal=True), or --basis "
                "orthonormal"
            ),
            stacklevel=3,
        )


def check_places(basis: Basis, size: int) -> None:
    """Raise unless the places of weights are 32-bit integers.

    Raises:
      InputError: If there are more weights.
    """
    if size > LARGEST:
        raise InputError(
            f"a {basis.name} basis counts weights by 32-bit integers, so D = {size} exceeds its {LARGEST}; "
            f"use Regenerated({basis.dim})"
        )


def wide(dtype: Any) -> Any:
    """The type that sums of many columns are taken in: at least float32."""
    return dtype if jnp.dtype(dtype).itemsize >= 4 else jnp.dtype(jnp.float32)
