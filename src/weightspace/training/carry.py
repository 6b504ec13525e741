"""What a program is fed, what a run computes once, and what it carries from step to step."""

import dataclasses
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Feed:
    """What all runs of a program share: the data, and the order in which the train split is measured."""

    arrays: Any
    spread: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Frame:
    """What a run computes at its start and never changes: no part of a checkpoint.

    Attributes:
      fixed: The space's fixed arrays; None where an edit may change them.
      arrays: The run's own examples, where it draws them; None where all runs share the feed's.
      labels: Its own labels of the training part, or None.
      train: Its rows of the training part, or None for all.
      validation: The rows it sets aside, or None.
      usual: Which leaves of the carry are not finite by right, see `health`.
    """

    fixed: Any
    arrays: Any
    labels: Any
    train: Any
    validation: Any
    usual: Any

    def examples(self, feed: Feed) -> Any:
        """What the run learns from."""
        return feed.arrays if self.arrays is None else self.arrays


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Carry:
    """What changes from step to step: all that a checkpoint holds.

    Attributes:
      theta: Coordinates.
      opt: The optimiser's state.
      state: The model's state.
      order: This epoch's order of examples.
      bad_step: The first step whose loss was not finite, or the number of steps after which a check first
        found other numbers that are not; -1 for none. Coordinates and statistics rest from there.
      found: The number of steps after which a check first found such numbers, or -1.
      fixed: The space's fixed arrays, where an edit may change them; else None.
      edits: The edits' own states.
      probes: The probes' carries.
    """

    theta: Any
    opt: Any
    state: Any
    order: Any
    bad_step: Any
    found: Any
    fixed: Any
    edits: Any
    probes: Any

    def kept(self) -> dict[str, Any]:
        """What is carried beside the coordinates, by what it is called."""
        return {"statistics": self.state, "moments": self.opt, "fixed": self.fixed}


def fixed_of(frame: Frame, carry: Carry) -> Any:
    """The space's fixed arrays as they are now."""
    return frame.fixed if carry.fixed is None else carry.fixed
