"""Laws: where in a line, a curve or a simplex the point of a training step is drawn.

A law gives a number t ∈ [0, 1] (curves), or m coefficients that are not negative and sum to 1 (simplexes; a
line has two). All draw in float32 whatever the run's precision, so that precisions can be compared.
"""

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.errors import InputError, check_number
from weightspace.spec import Spec, spec


class Law(Spec, abc.ABC):
    """A distribution on [0, 1] and on simplexes."""

    @abc.abstractmethod
    def number(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """T ∈ [0, 1]."""

    @abc.abstractmethod
    def coefficients(self, key: Key[Array, ""], count: int) -> Float[Array, " count"]:
        """`count` numbers that are not negative and sum to 1."""

    def check(self, count: int) -> None:
        """Raise `InputError` where the law knows no coefficients of so many vertices."""


@spec
class Uniform(Law):
    """Every point alike: t ~ U[0, 1], and the flat Dirichlet law, by exponentials over their sum."""

    def number(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """U[0, 1)."""
        return jax.random.uniform(key, (), jnp.float32)

    def coefficients(self, key: Key[Array, ""], count: int) -> Float[Array, " count"]:
        """Exponentials over their sum; (1 - t, t) for two vertices."""
        if count == 2:
            return _pair(self.number(key))
        drawn = jax.random.exponential(key, (count,), jnp.float32)
        return drawn / jnp.sum(drawn)


@spec
class Beta(Law):
    """T ~ Beta(a, b) on a line or a curve: both below 1 favour the ends, both above 1 the middle.

    Attributes:
      a: Of t^(a-1).
      b: Of (1-t)^(b-1).
    """

    a: float
    b: float

    def validate(self) -> None:
        """Both are positive."""
        check_number("a of Beta", self.a, above=0)
        check_number("b of Beta", self.b, above=0)

    def number(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """A draw."""
        a, b = (jnp.asarray(each, jnp.float32) for each in (self.a, self.b))
        return jax.random.beta(key, a, b, (), jnp.float32)

    def coefficients(self, key: Key[Array, ""], count: int) -> Float[Array, " count"]:
        """(1 - t, t)."""
        return _pair(self.number(key))

    def check(self, count: int) -> None:
        """Two vertices.

        Raises:
          InputError: For more.
        """
        if count != 2:
            raise InputError(
                f"a Beta law lies on a line of 2 vertices, not on a simplex of {count}; give Dirichlet(a)"
            )


@spec
class Dirichlet(Law):
    """The symmetric Dirichlet law, the density ∝ Π c_i^(a-1); Dirichlet(1) is uniform.

    Attributes:
      a: Below 1 favours vertices and edges, above 1 the middle.
    """

    a: float

    def validate(self) -> None:
        """It is positive."""
        check_number("a of Dirichlet", self.a, above=0)

    def number(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """Beta(a, a)."""
        a = jnp.asarray(self.a, jnp.float32)
        return jax.random.beta(key, a, a, (), jnp.float32)

    def coefficients(self, key: Key[Array, ""], count: int) -> Float[Array, " count"]:
        """A draw; in logarithms, as gamma variables of a small shape are zero in float32."""
        a = jnp.asarray(self.a, jnp.float32)
        return jax.nn.softmax(jax.random.loggamma(key, a, (count,), jnp.float32))


def _pair(t: Float[Array, ""]) -> Float[Array, "2"]:
    return jnp.stack([1 - t, t])
