"""Edit: a rule that changes the space during training (prunes a mask, exchanges its connections).

An edit acts between two steps, at steps that are the same for all runs of a cohort: the program stops there
as it does for a reading, so that a step costs nothing more. It says what shall be; the program carries it
out: the space takes the new mask, moments are cleared where a coordinate begins anew, what was done is
recorded in the history at that step, and a run that diverged is left as it is.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.probes.base import Training
from weightspace.spec import Spec
from weightspace.tree import Tree, flat_dict

Carry = Any
Scalar = Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class Now:
    """Where a run stands when an edit acts.

    Attributes:
      t: Steps done so far.
      total: Steps in all.
      run: The run, with tracers for its numbers.
      layout: What each leaf of the weights is.
      weights: w at the space's default point.
      mask: The mask there; None where the space has none.
      gradient: ∂L/∂w at w on the batch of the next step, entries that are off included; computed where asked.
      sample: `key -> weights`, a new draw of the model's own initialisation.
    """

    t: Int[Array, ""]
    total: Int[Array, ""]
    run: Training
    layout: Layout
    weights: Tree
    mask: Tree | None
    gradient: Callable[[], Tree]
    sample: Callable[[Key[Array, ""]], Tree]

    def kernels(self, tree: Tree) -> dict[str, Array]:
        """The leaves of a tree that are kernels, by path, in the order of the forward pass."""
        flat = flat_dict(tree)
        return {leaf.path: flat[leaf.path] for leaf in self.layout if leaf.kind == "kernel"}


@dataclasses.dataclass(frozen=True)
class Changed:
    """What an edit wants.

    Attributes:
      mask: The new mask, in the structure of the weights; None leaves it.
      grown: Weights from which those start that the new mask adds; None for zero.
      theta: New coordinates; None leaves them to the space.
      fresh: Coordinates whose moments are cleared, beside those that the new mask changes: booleans in the
        structure of the coordinates.
      record: Scalars of this event by name, written to the history as `mask_<name>`.
    """

    mask: Tree | None = None
    grown: Tree | None = None
    theta: Tree | None = None
    fresh: Tree | None = None
    record: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)


class Edit(Spec, abc.ABC):
    """A change of the space between two steps. Its fields that say when are `common`."""

    @abc.abstractmethod
    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """After how many steps it acts, rising, each from 1 to `total`."""

    @abc.abstractmethod
    def act(self, carry: Carry, now: Now, key: Key[Array, ""]) -> tuple[Carry, Changed]:
        """What to change, and its own state after it. Pure; works traced and under `vmap`."""

    def init(self, now: Now) -> Carry:
        """Its own state before the first step."""
        return ()

    def check(self, run: Training, layout: Layout) -> None:
        """Raise `InputError` where it cannot act on such a run; nothing is traced yet."""
        size = run.task.data.size
        total, per_epoch = run.recipe.steps(size), run.recipe.steps_per_epoch(size)
        if not self.steps(total, per_epoch):
            raise InputError(
                f"the edit {type(self).__name__} never acts in a run of {total} steps; let it act earlier or "
                "more often"
            )


class MaskEdit(Edit):
    """An edit that changes the mask of a space that takes new ones."""

    def check(self, run: Training, layout: Layout) -> None:
        """The space takes masks, and the model has kernels."""
        if not run.space.remasks:
            raise InputError(
                f"the edit {type(self).__name__} changes a mask, but the run trains in '{run.space.name}', "
                "which takes no other one; train in Masked(mask), whose pruned weights are zero, by itself "
                "or as the outer space of Compose"
            )
        if not layout.paths("kernel"):
            raise InputError(f"the edit {type(self).__name__} changes masks of kernels; the model has none")
        super().check(run, layout)


def counted(mask: Mapping[str, Array]) -> Int[Array, ""]:
    """How many weights masks keep in all."""
    return jnp.sum(jnp.stack([jnp.sum(m, dtype=jnp.int32) for m in mask.values()]))
