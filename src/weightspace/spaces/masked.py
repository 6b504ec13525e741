"""Tickets: w = m ⊙ θ + (1 - m) ⊙ frozen, where only the weights that a mask keeps are trained.

The mask comes from pruning (`masks.prune`). What kept weights restart from (`masks.kept`) and what pruned
ones are frozen at (`masks.pruned`) are two actions on the same weights, independent of each other: every pair
of them is a space. The lottery ticket of Frankle & Carbin (2019) is `Masked(mask)`: rewind and zero.
"""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.errors import InputError
from weightspace.masks.fit import check_fit
from weightspace.masks.kept import Kept, Rewind
from weightspace.masks.pruned import Pruned, Zero
from weightspace.models.layout import Layout
from weightspace.node import outputs_in
from weightspace.spaces.base import Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import spec
from weightspace.streams import Keys, Stream
from weightspace.tree import Tree

_KEPT, _PRUNED, _FRESH = 0, 1, 2


@spec
class Masked(Space):
    """The weights that a mask keeps, the others frozen.

    Attributes:
      mask: Booleans in the structure of the weights, True is kept (an output of another node).
      kept: What kept weights restart from.
      pruned: What pruned weights are frozen at.
      start: Weights that both actions work on; None for the model's own initialisation (within `Compose` a
        draw of its own, so that a mask made from another run's needs that run's start here). Where the
        actions of successive rounds build on each other, it is the last round's `next_start`.
    """

    mask: Any
    kept: Kept = Rewind()
    pruned: Pruned = Zero()
    start: Any = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"masked({self.kept.name}, {self.pruned.name})"

    def check(self, layout: Layout) -> None:
        """What is given as arrays already has the model's leaves; outputs are made for the model they fit."""
        if self.mask is None:
            raise InputError("a masked space needs a mask; full_mask(weights) is one that keeps everything")
        trees = {
            "the mask": self.mask,
            "the last mask": getattr(self.pruned, "last", None),
            "the start": self.start,
            f"`after` of the action '{self.kept.name}'": getattr(self.kept, "after", None),
            f"`after` of the action '{self.pruned.name}'": getattr(self.pruned, "after", None),
        }
        for what, tree in trees.items():
            if tree is not None and not outputs_in(tree):
                check_fit(what, tree, layout, boolean=what in ("the mask", "the last mask"))

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: the mask and the frozen values. Coordinates: as the weights, zero where pruned.

        A pruned coordinate has no effect. It is zero so that weight decay, which is added to the gradient
        before the optimiser sees it, adds nothing there: its moments stay zero too, and a norm over all
        coordinates is one over those that are trained.
        """
        restarted, frozen = self._act(keys, sample, layout)
        zeros = jax.tree.map(jnp.zeros_like, restarted)
        return (self.mask, _chosen(self.mask, zeros, frozen)), _chosen(self.mask, restarted, zeros)

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

    def remasked(
        self, fixed: Fixed, theta: Coordinates, mask: Tree, grown: Tree | None = None
    ) -> tuple[Fixed, Coordinates, Tree]:
        """Weights that go are frozen at zero; those that come start from `grown`, or where they were frozen.

        The coordinates of both begin anew.
        """
        before, frozen = fixed
        start = frozen if grown is None else grown
        added = jax.tree.map(lambda new, old: new & ~old, mask, before)
        changed = jax.tree.map(jnp.not_equal, mask, before)
        zeros = jax.tree.map(jnp.zeros_like, theta)
        moved = _chosen(added, start, _chosen(mask, theta, zeros))
        return (mask, _chosen(changed, zeros, frozen)), moved, changed

    def next_start(self, keys: Keys, sample: Sample, layout: Layout, before: int = 0) -> Tree:
        """The `start` of the next round, where the actions of successive rounds build on each other.

        It is what training starts from, except where pruned weights are frozen at `Zero`: there it holds what
        the action on kept weights gives to them, as permutations and standard deviations of the next round
        are taken over all entries, and zeros among them would wander in. (Those of the other actions do, for
        they must last: a permutation over all entries may give some of them to kept weights.)

        Args:
          keys: Of the run.
          sample: Draws the model's weights.
          layout: What each leaf is.
          before: Rounds before this one, so that permutations and draws fall anew in each.
        """
        restarted, frozen = self._act(keys, sample, layout, before)
        return restarted if isinstance(self.pruned, Zero) else _chosen(self.mask, restarted, frozen)

    def _act(self, keys: Keys, sample: Sample, layout: Layout, before: int = 0) -> tuple[Tree, Tree]:
        """What each action gives to all entries; they draw by keys of their own."""
        weights = sample(keys) if self.start is None else self.start

        def fresh(number: int) -> Tree:
            own = keys.child(_FRESH + number)
            return sample(own.child(before) if before else own)

        kept_key, pruned_key = (keys.child(part)(Stream.MASK, before) for part in (_KEPT, _PRUNED))
        restarted = self.kept.values(weights, self.mask, layout, kept_key, fresh)
        return restarted, self.pruned.values(weights, self.mask, layout, pruned_key)


def _chosen(mask: Tree, kept: Tree, pruned: Tree) -> Tree:
    return jax.tree.map(jnp.where, mask, kept, pruned)
