"""Tickets: w = m ⊙ θ + (1 - m) ⊙ frozen, where only the weights that a mask keeps are trained.

The mask comes from pruning or elsewhere. What kept weights start from and what pruned ones are frozen at are
given; the actions of tickets make both (`weightspace.tickets.ticket`). The lottery ticket of Frankle & Carbin
(2019) is `Masked(mask)`: rewind and zero.
"""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.errors import InputError, shown
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout
from weightspace.node import outputs_in
from weightspace.spaces.base import Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import Spec, spec
from weightspace.streams import Keys
from weightspace.tree import Tree


@spec
class Masked(Space):
    """The weights that a mask keeps, the others frozen.

    Attributes:
      mask: Booleans in the structure of the weights, True is kept (an output of another node).
      start: Weights of which the kept ones train on; None for the model's own initialisation (within
        `Compose` a draw of its own, so that a mask made from another run's needs that run's start here).
      frozen: Weights of which the pruned ones are held; None for zeros.
    """

    mask: Any
    start: Any = None
    frozen: Any = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return "masked"

    def validate(self) -> None:
        """Arrays, not what is to be done with them."""
        for name, what in (("mask", self.mask), ("start", self.start), ("frozen", self.frozen)):
            if isinstance(what, Spec | str):
                raise InputError(
                    f"Masked.{name} is {shown(what)}, but must be a tree of arrays or another node's output; "
                    "ws.ticket(run, mask, kept=…, pruned=…) gives the space of a ticket with other actions"
                )

    def check(self, layout: Layout) -> None:
        """What is given as arrays already has the model's leaves; outputs are made for the model they fit.

        Raises:
          InputError: Unless it has.
        """
        if self.mask is None:
            raise InputError("a masked space needs a mask; full_mask(weights) is one that keeps everything")
        trees = {"the mask": self.mask, "the start": self.start, "what is frozen": self.frozen}
        for what, tree in trees.items():
            if tree is not None and not outputs_in(tree):
                check_fit(what, tree, layout, boolean=what == "the mask")

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: the mask and the frozen values. Coordinates: as the weights, zero where pruned.

        A pruned coordinate has no effect. It is zero so that weight decay, which is added to the gradient
        before the optimiser sees it, adds nothing there: its moments stay zero too, and a norm over all
        coordinates is one over those that are trained.
        """
        start = sample(keys) if self.start is None else self.start
        zeros = jax.tree.map(jnp.zeros_like, start)
        frozen = zeros
        if self.frozen is not None:
            given = jax.tree.map(lambda leaf, zero: jnp.asarray(leaf, zero.dtype), self.frozen, zeros)
            frozen = _chosen(self.mask, zeros, given)
        return (self.mask, frozen), _chosen(self.mask, start, zeros)

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """θ where kept, the frozen values elsewhere: the gradient to pruned coordinates is exactly zero."""
        mask, frozen = fixed
        return _chosen(mask, theta, frozen)

    def free(self, fixed: Fixed, theta: Coordinates) -> Tree:
        """The mask: neither momentum nor decay moves the rest."""
        return fixed[0]

    def mask_at(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The mask, at every point."""
        return fixed[0]

    @property
    def remasks(self) -> bool:
        """Where pruned weights are zero: what a rule drops and grows is then zero too, as it says."""
        return self.frozen is None

    def remasked(
        self, fixed: Fixed, theta: Coordinates, mask: Tree, grown: Tree | None = None
    ) -> tuple[Fixed, Coordinates, Tree]:
        """Weights that go are zero; those that come start from `grown`, or from zero.

        The coordinates of both begin anew.
        """
        before, frozen = fixed
        start = frozen if grown is None else grown
        added = jax.tree.map(lambda new, old: new & ~old, mask, before)
        changed = jax.tree.map(jnp.not_equal, mask, before)
        zeros = jax.tree.map(jnp.zeros_like, theta)
        moved = _chosen(added, start, _chosen(mask, theta, zeros))
        return (mask, frozen), moved, changed


def _chosen(mask: Tree, kept: Tree, pruned: Tree) -> Tree:
    return jax.tree.map(jnp.where, mask, kept, pruned)
