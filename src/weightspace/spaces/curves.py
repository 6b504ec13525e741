"""Curves through weights: t ∈ [0, 1] is the position, the first and last vertex are the ends.

With `starts=(a, None, b), frozen=(0, -1), bends="between"` they connect two trained networks (Garipov et al.,
"Loss surfaces, mode connectivity, and fast ensembling of DNNs", 2018, arXiv:1802.10026); with free ends they
are the curves of Wortsman et al. (2021).
"""

import abc
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.errors import check_choice
from weightspace.spaces.mixture import Mixture
from weightspace.spaces.vertices import mixed_leaf
from weightspace.spec import spec, static
from weightspace.tree import Tree

BENDS = ("drawn", "between")


@spec
class Curve(Mixture):
    """Weights along a curve. Points are named by t: `0.25`.

    Attributes:
      bends: Where vertices start that are no ends and have no start of their own: `drawn` like the ends, or
        evenly spaced `between` them on the straight line.
    """

    bends: str = static(default="drawn")

    def validate(self) -> None:
        """A known start of bends."""
        super().validate()
        check_choice("bends", self.bends, BENDS)

    @abc.abstractmethod
    def at(self, t: Float[Array, ""]) -> Float[Array, " m"]:
        """Coefficients at t."""

    def drawn(self, key: Key[Array, ""]) -> Float[Array, " m"]:
        """At a random t."""
        return self.at(self.law.number(key))

    @property
    def midpoint(self) -> Float[Array, " m"]:
        """At t = 1/2."""
        return self.at(jnp.float32(0.5))

    def placed(self, numbers: tuple[float, ...]) -> Float[Array, " m"] | None:
        """At t."""
        if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
            return None
        return self.at(jnp.float32(numbers[0]))

    def begun(self, parts: list[Tree]) -> list[Tree]:
        """Bends between the ends, where that is wished."""
        if self.bends == "drawn":
            return parts
        last = self.vertices - 1

        def bend(i: int, own: Tree) -> Tree:
            if i in (0, last) or (self.starts is not None and self.starts[i] is not None):
                return own
            share = jnp.asarray([1 - i / last, i / last], jnp.float32)
            return jax.tree.map(lambda a, b: mixed_leaf(share, jnp.stack([a, b])), parts[0], parts[-1])

        return [bend(i, own) for i, own in enumerate(parts)]


@spec
class Bezier(Curve):
    """Bézier's curve of degree m - 1: c_i = C(n, i) (1 - t)^(n - i) t^i with n = m - 1.

    `Bezier(3)` is the quadratic one, with one bend; `Bezier(2)` a line.
    """

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"bezier({self.vertices})"

    def at(self, t: Float[Array, ""]) -> Float[Array, " m"]:
        """Bernstein's polynomials."""
        n = self.vertices - 1
        return jnp.stack([math.comb(n, i) * (1 - t) ** (n - i) * t**i for i in range(n + 1)])


@spec
class Chain(Curve):
    """Straight pieces from vertex to vertex, one after the other: c_i = max(0, 1 - |t (m - 1) - i|)."""

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"chain({self.vertices})"

    def at(self, t: Float[Array, ""]) -> Float[Array, " m"]:
        """Two neighbours at most."""
        places = jnp.arange(self.vertices, dtype=t.dtype)
        return jnp.maximum(0, 1 - jnp.abs(t * (self.vertices - 1) - places))
