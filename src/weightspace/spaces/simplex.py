"""Simplex: all mixtures Σ c_i θ_i of m vertices, c_i ≥ 0 and Σ c_i = 1; a line has two.

Training it from independent draws finds a line (or more) of accurate networks in one run (Wortsman, Horton,
Guestrin, Farhadi & Rastegari, "Learning neural network subspaces", 2021, arXiv:2102.10472).
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.spaces.mixture import Mixture, on_simplex
from weightspace.spec import spec


@spec
class Simplex(Mixture):
    """All mixtures of the vertices.

    Points by numbers: on a line `0.25` is (0.75, 0.25), α from the first vertex to the second; on any
    simplex `0.2:0.3:0.5` gives the m coefficients.
    """

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return "line" if self.vertices == 2 else f"simplex({self.vertices})"

    def validate(self) -> None:
        """The law knows simplexes of so many vertices."""
        super().validate()
        self.law.check(self.vertices)

    def drawn(self, key: Key[Array, ""]) -> Float[Array, " m"]:
        """As the law says."""
        return self.law.coefficients(key, self.vertices)

    @property
    def midpoint(self) -> Float[Array, " m"]:
        """1/m each."""
        return jnp.full((self.vertices,), 1 / self.vertices, jnp.float32)

    @property
    def numbers_text(self) -> str:
        """Which numbers name a point."""
        if self.vertices == 2:
            return "'0.25' for α in [0, 1], or '0.75:0.25'"
        return f"{self.vertices} coefficients that are not negative and sum to 1, set apart by ':'"

    def placed(self, numbers: tuple[float, ...]) -> Float[Array, " m"] | None:
        """α, or all coefficients."""
        if len(numbers) == 1 and self.vertices == 2:
            numbers = (1 - numbers[0], numbers[0])
        if len(numbers) != self.vertices or not on_simplex(numbers):
            return None
        return jnp.asarray(numbers, jnp.float32)


def Line(**options: Any) -> Simplex:  # noqa: N802
    """A simplex of two vertices.

    >>> Line() == Simplex(2)
    True

    Args:
      options: As of `Simplex`.
    """
    return Simplex(2, **options)
