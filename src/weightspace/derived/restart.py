"""Restart: what a ticket's actions give to kept and pruned weights, as a node of its own.

Training then begins from given weights, whatever the action, so that all arms of a round are one program;
and the actions of the next round can build on it.
"""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.models.base import input_dtype_of, layout_of
from weightspace.node import Derived
from weightspace.spaces.masked import Masked
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream
from weightspace.tree import Tree, cast


@spec
class Restart(Derived):
    """What `Masked.next_start` gives. Output `weights`.

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      space: The ticket.
      seeds: Of the run that trains it.
      before: Rounds before this one, so that permutations and draws fall anew in each.
    """

    model: Any
    shape: tuple[int, ...] = static()
    space: Masked
    seeds: Seeds
    before: int = 0

    def blank(self) -> dict[str, Tree]:
        """As the weights."""
        blank = jnp.zeros((1, *self.shape), input_dtype_of(self.model, self.shape))
        init = jax.eval_shape(self.model.init, jax.random.key(0, impl="threefry2x32"), blank)[0]
        return {"weights": init}

    def compute(self) -> dict[str, Tree]:
        """The weights."""

        def sample(keys: Keys) -> Tree:
            blank = jnp.zeros((1, *self.shape), input_dtype_of(self.model, self.shape))
            return cast(self.model.init(keys(Stream.INIT), blank)[0], jnp.float32)

        layout = layout_of(self.model, self.shape, "float32")
        return {"weights": self.space.next_start(Keys(self.seeds), sample, layout, int(self.before))}
