"""Basis: the linear map B of an affine space, stored or made on the fly.

A basis has `dim` columns. `make` gives the arrays it needs (a dense matrix, or seeds and supports), `combine`
computes B θ from them; the transposed product that gradients need is left to automatic differentiation.
Column j depends on its own key alone, so that the basis of d = 8 is the beginning of that of d = 512.
"""

import abc
from typing import Any

from jaxtyping import Array, Float

from weightspace.errors import InputError, check_number
from weightspace.models.layout import Layout
from weightspace.spec import Spec, static
from weightspace.streams import Keys


class Basis(Spec, abc.ABC):
    """A linear map from d coordinates to D weights.

    Attributes:
      dim: d, the number of columns.
    """

    dim: int = static()

    def validate(self) -> None:
        """D must be a positive whole number."""
        check_number("dimension d", self.dim, least=1)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the basis is called in tables."""

    @abc.abstractmethod
    def make(self, keys: Keys, size: int, layout: Layout) -> Any:
        """The arrays that stand for B.

        Args:
          keys: The run's keys; columns use the stream `BASIS`, keyed by their number.
          size: D, the number of weights.
          layout: What each leaf of the weights is.
        """

    @abc.abstractmethod
    def combine(self, arrays: Any, theta: Float[Array, " d"]) -> Float[Array, " D"]:
        """B θ."""

    def check(self, size: int) -> None:
        """Raise unless d ≤ D.

        Raises:
          InputError: If there are more columns than weights.
        """
        if self.dim > size:
            raise InputError(
                f"dimension d = {self.dim} exceeds the model's D = {size} weights; choose d ≤ {size}"
            )
