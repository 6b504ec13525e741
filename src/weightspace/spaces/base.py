"""Space: the set of weights in which a network is trained.

```
coordinates θ, fixed arrays, point p --weights(fixed, θ, p)--> weights w --model--> outputs
```

Coordinates are what the optimiser moves; fixed arrays (offset, basis, mask) nothing trains. Where a space is
random or continuous, `draw` gives the point of one training step and `point` a named one to evaluate at.
All methods are pure and work under `vmap`; all have defaults but `init` and `weights`.
"""

import abc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf
from weightspace.spec import Spec
from weightspace.streams import Keys
from weightspace.tree import Tree

Fixed = Any
Coordinates = Any
Point = Any
Sample = Callable[[Keys], Tree]
"""Draws the model's own initial weights, so that the parts of a space can start independently."""

DEFAULT_POINT = ""
"""The name of the point a space is evaluated at unless another is asked for; it adds no prefix to columns."""


class Space(Spec, abc.ABC):
    """A set of weights, with coordinates."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the space is called in tables."""

    @property
    def points(self) -> bool:
        """Whether it has named points beside the default one: a space that defines `point` has."""
        return type(self).point is not Space.point

    @abc.abstractmethod
    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed arrays and the coordinates that training starts from.

        Args:
          keys: The run's keys, by stream.
          sample: Draws initial weights of the model.
          layout: What each leaf of those weights is.
        """

    @abc.abstractmethod
    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The weights at a point."""

    def draw(self, fixed: Fixed, theta: Coordinates, key: Key[Array, ""]) -> Point:
        """The random point of one training step; `()` for a space of one point."""
        return ()

    def point(self, fixed: Fixed, theta: Coordinates, name: str) -> Point:
        """A named point to evaluate at.

        Raises:
          InputError: If the space has no point of that name.
        """
        if name != DEFAULT_POINT:
            raise InputError(f"the space '{self.name}' has one point only, so no point '{name}'")
        return ()

    def penalty(self, fixed: Fixed, theta: Coordinates, p: Point) -> Float[Array, ""]:
        """What the space itself adds to the loss."""
        return jnp.zeros(())

    @property
    def gain(self) -> int:
        """By what the loss's gradient to the coordinates is multiplied, before a penalty's is added to it."""
        return 1

    def free(self, fixed: Fixed, theta: Coordinates) -> Tree | None:
        """Which coordinates may move: a tree of booleans, or None for all of them."""
        return None

    @property
    def holds(self) -> bool:
        """Whether it holds coordinates that the loss would move: a mask's have no gradient anyhow."""
        return False

    @property
    def masked(self) -> bool:
        """Whether its weights are masked: a space that defines `mask_at` has masks."""
        return type(self).mask_at is not Space.mask_at

    @property
    def random_masks(self) -> bool:
        """Whether the mask is drawn anew at each point."""
        return False

    def mask_at(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The mask at a point: booleans in the structure of the weights, True is kept.

        Raises:
          InputError: If the space has no masks.
        """
        raise InputError(f"the space '{self.name}' has no masks; Masked, Supermask and EdgePopup have")

    @property
    def remasks(self) -> bool:
        """Whether it takes a new mask while it is trained: a space that defines `remasked` does."""
        return type(self).remasked is not Space.remasked

    def remasked(
        self, fixed: Fixed, theta: Coordinates, mask: Tree, grown: Tree | None = None
    ) -> tuple[Fixed, Coordinates, Tree | None]:
        """The space with another mask.

        Args:
          fixed: Its fixed arrays.
          theta: The coordinates.
          mask: Booleans in the structure of the weights.
          grown: Weights from which those start that the mask adds; None for zero.

        Returns:
          Fixed arrays and coordinates of the same shapes, and which coordinates begin anew, so that moments
          of what they were before are no longer theirs: booleans, or None for none.

        Raises:
          InputError: If its masks cannot be set.
        """
        raise InputError(f"the mask of the space '{self.name}' cannot be set; that of Masked can")

    def expected_density(self, fixed: Fixed, theta: Coordinates) -> dict[str, Float[Array, ""]]:
        """Of a random mask the mean probability of each kernel, by path; empty where masks are not random."""
        return {}

    def check(self, layout: Layout) -> None:
        """Raise `InputError` where the space does not fit the model; nothing is traced yet."""

    def coordinates(self, layout: Layout) -> Layout:
        """What each leaf of the coordinates is, so that another space can lie inside this one."""
        return layout


def vector_layout(name: str, size: int) -> Layout:
    """The layout of coordinates that are one vector."""
    return Layout((Leaf(path="", shape=(size,), kind="other", module=name, order=0),))
