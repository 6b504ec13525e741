"""The weights at one moment of training, kept as an output, with the model's state that goes with them."""

from typing import Any

import jax

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Training
from weightspace.recipes.length import LengthLike
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import common, spec, static


def state_output(state: Any) -> dict[str, Any]:
    """A model's state as an output; none where the model has none."""
    return {"state": state} if jax.tree.leaves(state) else {}


def check_moment(what: str, when: Any, run: Training) -> None:
    """A moment lies within the training.

    Raises:
      InputError: Unless it does.
    """
    data = run.task.data
    total, per_epoch = run.recipe.steps(data.size, data.counted), run.recipe.steps_per_epoch(data.size)
    step = when.steps(per_epoch, total)
    if step > total:
        raise InputError(f"{what} at {when} (step {step}) cannot be had of a run of {total} steps")


@spec
class Snapshot(Probe):
    """Output `weights`: w after `when`, at a point of the space; or `coordinates`: θ then; and `state`.

    The state (normalisation statistics) is kept where the model has one: weights alone do not evaluate it.

    Attributes:
      when: `0`, `500it`, `2ep` or `end`.
      name: Point of the space; "" is its default.
      coordinates: Whether the coordinates are kept, and not the weights.
    """

    writes_columns = False

    when: LengthLike = common()
    name: str = static(default=DEFAULT_POINT)
    coordinates: bool = static(default=False)

    @property
    def key(self) -> str:
        """`snapshot(500it)`."""
        options = (self.name, "coordinates" if self.coordinates else "")
        return f"snapshot({','.join([str(self.when), *filter(None, options)])})"

    def check(self, run: Training, layout: Layout) -> None:
        """The moment lies within the training."""
        check_moment("the weights", self.when, run)

    def readings(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """That one moment."""
        return (self.when.steps(per_epoch, total),)

    def init(self, at: At) -> Carry:
        """A place for them."""
        return self._now(at)

    def _now(self, at: At) -> Carry:
        return at.theta if self.coordinates else at.weights(self.name), at.state

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep them."""
        return {}, self._now(at)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """What was kept."""
        kept, state = carry
        return {"coordinates" if self.coordinates else "weights": kept} | state_output(state)
