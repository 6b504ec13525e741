"""A space inside a space: w = outer(inner(θ)).

The inner space lives in the coordinates of the outer one: a line of networks inside a random subspace, a
ticket inside it, a smaller subspace of a larger one. Fixed arrays, points and penalties are pairs.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.spaces.base import DEFAULT_POINT, Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import spec
from weightspace.streams import Keys
from weightspace.tree import Tree


@spec
class Compose(Space):
    """The points of `outer` whose coordinates lie in `inner`.

    Attributes:
      outer: A space of weights.
      inner: A space of the outer space's coordinates.
    """

    outer: Space
    inner: Space

    @property
    def version(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2 where both spaces have points, which were drawn from one key before."""
        return 2 if self.points and self.outer.points == self.inner.points else 1

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"{self.outer.name} of {self.inner.name}"

    def check(self, layout: Layout) -> None:
        """Each space must fit what it lives in.

        Raises:
          InputError: Unless it does, or if the outer space holds coordinates: here they are not what trains.
        """
        if self.outer.holds:
            raise InputError(
                f"vertices of '{self.outer.name}' are frozen, but in '{self.name}' the coordinates of "
                f"'{self.inner.name}' are trained, which would move them; leave `frozen` out, or put the "
                "mixture inside: Compose(space, mixture)"
            )
        self.outer.check(layout)
        self.inner.check(self.outer.coordinates(layout))

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """The outer space's own start is a draw of the inner space's 'weights'."""
        fixed_outer, _ = self.outer.init(keys.child(0), sample, layout)

        def sample_coordinates(inner_keys: Keys) -> Tree:
            return self.outer.init(inner_keys.child(0), sample, layout)[1]

        inner_layout = self.outer.coordinates(layout)
        fixed_inner, theta = self.inner.init(keys.child(1), sample_coordinates, inner_layout)
        return (fixed_outer, fixed_inner), theta

    def draw(self, fixed: Fixed, theta: Coordinates, key: Key[Array, ""]) -> Point:
        """A point of each, drawn apart where both have points."""
        apart = self.outer.points and self.inner.points
        inner = self.inner.draw(fixed[1], theta, jax.random.fold_in(key, 1) if apart else key)
        coordinates = self.inner.weights(fixed[1], theta, inner)
        return self.outer.draw(fixed[0], coordinates, key), inner

    def point(self, fixed: Fixed, theta: Coordinates, name: str) -> Point:
        """`outer,inner` names a point of each; one name stands for both where only one space has points."""
        outer_name, comma, inner_name = name.partition(",")
        if not comma:
            outer_name, inner_name = self._share(name)
        inner = self.inner.point(fixed[1], theta, inner_name)
        coordinates = self.inner.weights(fixed[1], theta, inner)
        return self.outer.point(fixed[0], coordinates, outer_name), inner

    @property
    def points(self) -> bool:
        """Where one of both has."""
        return self.outer.points or self.inner.points

    @property
    def holds(self) -> bool:
        """Where the inner space does."""
        return self.inner.holds

    @property
    def masked(self) -> bool:
        """Whether the outer space's weights are; a mask of the inner one lies on coordinates."""
        return self.outer.masked

    @property
    def random_masks(self) -> bool:
        """The outer space's."""
        return self.outer.random_masks

    def mask_at(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The outer space's mask, where the inner space puts its coordinates."""
        return self.outer.mask_at(fixed[0], self.inner.weights(fixed[1], theta, p[1]), p[0])

    @property
    def remasks(self) -> bool:
        """Whether the outer space does."""
        return self.outer.remasks

    def remasked(
        self, fixed: Fixed, theta: Coordinates, mask: Tree, grown: Tree | None = None
    ) -> tuple[Fixed, Coordinates, None]:
        """The outer space's mask is another; where the inner space puts its coordinates stays the same.

        Weights that come are where those coordinates are, which nothing has pulled back to zero.

        Raises:
          InputError: If weights that come are to start elsewhere.
        """
        if grown is not None:
            raise InputError(
                f"in the space '{self.name}' weights that come are where its coordinates put them; leave "
                "`grown` out"
            )
        point = self.inner.point(fixed[1], theta, DEFAULT_POINT)
        coordinates = self.inner.weights(fixed[1], theta, point)
        outer, _, _ = self.outer.remasked(fixed[0], coordinates, mask)
        return (outer, fixed[1]), theta, None

    def expected_density(self, fixed: Fixed, theta: Coordinates) -> dict[str, Float[Array, ""]]:
        """The outer space's, at the inner one's default point."""
        inner = self.inner.point(fixed[1], theta, DEFAULT_POINT)
        return self.outer.expected_density(fixed[0], self.inner.weights(fixed[1], theta, inner))

    def _share(self, name: str) -> tuple[str, str]:
        if self.outer.points:
            return name, (name if self.inner.points else DEFAULT_POINT)
        return DEFAULT_POINT, name

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """outer(inner(θ))."""
        return self.outer.weights(fixed[0], self.inner.weights(fixed[1], theta, p[1]), p[0])

    def penalty(self, fixed: Fixed, theta: Coordinates, p: Point) -> Float[Array, ""]:
        """The sum of both."""
        coordinates = self.inner.weights(fixed[1], theta, p[1])
        return jnp.add(
            self.inner.penalty(fixed[1], theta, p[1]), self.outer.penalty(fixed[0], coordinates, p[0])
        )

    @property
    def gain(self) -> int:
        """The product of both."""
        return self.outer.gain * self.inner.gain

    def free(self, fixed: Fixed, theta: Coordinates) -> Tree | None:
        """What the inner space lets move."""
        return self.inner.free(fixed[1], theta)

    def coordinates(self, layout: Layout) -> Layout:
        """The inner space's."""
        return self.inner.coordinates(self.outer.coordinates(layout))
