"""Each: a space of its own for each vertex of a mixture.

It lives in the coordinates of a mixture, whose leaves have a leading axis of vertices:
`Compose(Simplex(2), Each((Masked(a), Masked(b))))` is a line between two different tickets.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf
from weightspace.spaces.base import DEFAULT_POINT, Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import spec
from weightspace.streams import Keys
from weightspace.tree import Tree


@spec
class Each(Space):
    """Weights w with w[i] in the space of vertex i.

    Coordinates are a dict of those of the parts, by number: "0", "1", …

    Attributes:
      spaces: One for each vertex.
    """

    spaces: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"each({', '.join(space.name for space in self.spaces)})"

    def validate(self) -> None:
        """Spaces, with one factor of the gradient for all.

        Raises:
          InputError: Unless they are.
        """
        for i, space in enumerate(self.spaces):
            if not isinstance(space, Space):
                raise InputError(f"Each.spaces[{i}] is of type {type(space).__name__}; give a space")
        if not self.spaces:
            raise InputError("Each.spaces is empty; give a space for each vertex")
        if len({space.gain for space in self.spaces}) > 1:
            raise InputError(
                "some of Each.spaces compensate the step's size and some do not; give compensate=True to the "
                "mixture around them, or to all"
            )

    @property
    def points(self) -> bool:
        """Where one of the parts has."""
        return any(space.points for space in self.spaces)

    @property
    def gain(self) -> int:
        """That of the parts."""
        return self.spaces[0].gain

    def check(self, layout: Layout) -> None:
        """There is a space for each vertex, and each fits.

        Raises:
          InputError: If the leaves have no leading axis of that length.
        """
        if any(leaf.shape[:1] != (len(self.spaces),) for leaf in layout):
            first = next(iter(layout)).shape[:1]
            found = f"of {first[0]} vertices" if first else "without vertices"
            raise InputError(
                f"Each holds {len(self.spaces)} spaces, but lies in coordinates {found}; put it inside a "
                "mixture of as many: Compose(Simplex(2), Each((a, b)))"
            )
        for space in self.spaces:
            space.check(_one(layout))

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Each part starts from its vertex of the mixture's own start."""
        inner, found = _one(layout), []
        # One start, whose vertices may depend on each other, as bends between ends do.
        start = sample(keys)
        for i, space in enumerate(self.spaces):

            def part(_: Keys, i: int = i) -> Tree:
                return jax.tree.map(lambda a: a[i], start)

            found.append(space.init(keys.child(i), part, inner))
        return tuple(fixed for fixed, _ in found), {str(i): theta for i, (_, theta) in enumerate(found)}

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """Those of the parts along a leading axis."""
        parts = [s.weights(fixed[i], theta[str(i)], p[i]) for i, s in enumerate(self.spaces)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)

    def draw(self, fixed: Fixed, theta: Coordinates, key: Key[Array, ""]) -> Point:
        """A point of each, drawn by itself."""
        return tuple(
            space.draw(fixed[i], theta[str(i)], jax.random.fold_in(key, i))
            for i, space in enumerate(self.spaces)
        )

    def point(self, fixed: Fixed, theta: Coordinates, name: str) -> Point:
        """The point of that name in each part that has points.

        Raises:
          InputError: If none has.
        """
        if not self.points and name != DEFAULT_POINT:
            raise InputError(f"no part of the space '{self.name}' has points, so there is no point '{name}'")
        return tuple(
            space.point(fixed[i], theta[str(i)], name if space.points else DEFAULT_POINT)
            for i, space in enumerate(self.spaces)
        )

    def penalty(self, fixed: Fixed, theta: Coordinates, p: Point) -> Float[Array, ""]:
        """The sum of all."""
        parts = [s.penalty(fixed[i], theta[str(i)], p[i]) for i, s in enumerate(self.spaces)]
        return jnp.sum(jnp.stack([part.astype(parts[0].dtype) for part in parts]))

    @property
    def holds(self) -> bool:
        """Where a part does."""
        return any(space.holds for space in self.spaces)

    def free(self, fixed: Fixed, theta: Coordinates) -> Tree | None:
        """What each part lets move."""
        found = {str(i): space.free(fixed[i], theta[str(i)]) for i, space in enumerate(self.spaces)}
        if all(free is None for free in found.values()):
            return None
        return {i: _all(theta[i]) if free is None else free for i, free in found.items()}

    def coordinates(self, layout: Layout) -> Layout:
        """The leaves of all parts, their number in front of each path."""
        inner = _one(layout)
        found = [
            dataclasses.replace(leaf, path=_joined(i, leaf.path), module=_joined(i, leaf.module), order=0)
            for i, space in enumerate(self.spaces)
            for leaf in space.coordinates(inner)
        ]
        return Layout(tuple(dataclasses.replace(leaf, order=order) for order, leaf in enumerate(found)))


def _joined(number: int, path: str) -> str:
    return f"{number}/{path}" if path else str(number)


def _all(theta: Coordinates) -> Tree:
    return jax.tree.map(lambda a: jnp.ones(a.shape, bool), theta)


def _one(layout: Layout) -> Layout:
    """The layout without its leading axis."""

    def without(leaf: Leaf) -> Leaf:
        axis = None if leaf.out_axis is None else leaf.out_axis - 1
        return dataclasses.replace(
            leaf, shape=leaf.shape[1:], fan_axes=tuple(a - 1 for a in leaf.fan_axes), out_axis=axis
        )

    return Layout(tuple(without(leaf) for leaf in layout))
