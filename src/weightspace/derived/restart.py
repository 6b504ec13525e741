"""Restart: what a ticket's actions give to kept and pruned weights, as a node of its own.

Training then begins from given weights, whatever the actions, so that all arms of a round are one program;
and the actions of the next round can build on it.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.errors import InputError
from weightspace.masks.act import act
from weightspace.masks.kept import Kept, Rewind
from weightspace.masks.pruned import AtInit, Pruned, Zero
from weightspace.models.base import input_dtype_of, layout_of
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout
from weightspace.node import Derived, outputs_in
from weightspace.spaces.base import Sample
from weightspace.spaces.masked import Masked
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream
from weightspace.tree import Tree, cast


@spec
class Restart(Derived):
    """What both actions of a ticket make of given weights.

    Outputs `start`, what kept weights restart from, and `frozen`, what pruned ones rest at; both have values
    for all entries. Those of `start` behind the mask are for the actions of a next round: they are what is
    frozen, but under `Zero` what the action on kept weights gives to them, as permutations and standard
    deviations of the next round are taken over all entries, and zeros among them would wander in. (Values of
    the other actions do, for they must last: a permutation over all entries may give some of them to kept
    weights.)

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      mask: Booleans in the structure of the weights, True is kept.
      weights: What both actions work on, w_i; in a round whose actions build on those of the last one, that
        one's `onward`.
      seeds: Of the run that trains the ticket.
      kept: What kept weights restart from.
      pruned: What pruned weights are frozen at.
      earlier: Rounds before this one, so that permutations and draws fall anew in each.
    """

    like: ClassVar = {"start": ("weights", None), "frozen": ("weights", None)}

    model: Any
    shape: tuple[int, ...] = static()
    mask: Any
    weights: Any
    seeds: Seeds
    kept: Kept = Rewind()
    pruned: Pruned = Zero()
    earlier: int = 0

    def validate(self) -> None:
        """A mask and weights."""
        for name in ("mask", "weights"):
            if getattr(self, name) is None:
                raise InputError(f"Restart.{name} is None; give a tree of arrays or another node's output")

    def compute(self) -> dict[str, Tree]:
        """Both trees."""
        layout = layout_of(self.model, self.shape, "float32")
        self._check(layout)

        types = jax.tree.map(lambda leaf: np.asarray(leaf).dtype, self.weights)

        def sample(keys: Keys) -> Tree:
            # Drawn in float32 whatever the precision, as by the training program.
            blank = jnp.zeros((1, *self.shape), input_dtype_of(self.model, self.shape))
            drawn = cast(self.model.init(keys(Stream.INIT), blank)[0], jnp.float32)
            return jax.tree.map(jnp.asarray, drawn, types)

        # Double precision must not be rounded on the way.
        with jax.enable_x64(np.dtype("float64") in jax.tree.leaves(types)):
            return self._act(layout, sample)

    def _act(self, layout: Layout, sample: Sample) -> dict[str, Tree]:
        made = act(
            self.kept, self.pruned, self.weights, self.mask, Keys(self.seeds), sample, layout,
            int(self.earlier),
        )  # fmt: skip
        if isinstance(self.pruned, Zero):
            return {"start": made.restarted, "frozen": made.frozen}
        start = jax.tree.map(jnp.where, self.mask, made.restarted, made.frozen)
        return {"start": start, "frozen": made.frozen}

    def _check(self, layout: Layout) -> None:
        actions = (self.kept, self.pruned)
        trees = {"the mask": self.mask, "the last mask": getattr(self.pruned, "last", None)}
        trees |= {"the start": self.weights}
        trees |= {f"`after` of the action '{each.name}'": getattr(each, "after", None) for each in actions}
        for what, tree in trees.items():
            if tree is not None and not outputs_in(tree):
                check_fit(what, tree, layout, boolean=what.endswith("mask"))

    @property
    def onward(self) -> Any:
        """What the actions of the next round work on, where they build on these."""
        rests = isinstance(self.pruned, Zero | AtInit)
        return self.weights if self.kept.as_it_is and rests else self.output("start")

    @property
    def space(self) -> Masked:
        """The ticket: where the kept weights train and the others rest.

        What an action leaves as it was, and zeros, are not stored once more for each ticket.
        """
        start = self.weights if self.kept.as_it_is else self.output("start")
        if isinstance(self.pruned, AtInit):
            frozen = self.weights
        elif isinstance(self.pruned, Zero):
            frozen = Zeros(self.weights).output("weights")
        else:
            frozen = self.output("frozen")
        return Masked(self.mask, start, frozen)


@spec
class Zeros(Derived):
    """Zeros in the structure of weights: what pruned ones are in a lottery ticket. Output `weights`.

    Attributes:
      weights: Whose.
    """

    like: ClassVar = {"weights": ("weights", None)}

    weights: Any

    def compute(self) -> dict[str, Tree]:
        """Zeros."""
        return {"weights": jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), leaf.dtype), self.weights)}
