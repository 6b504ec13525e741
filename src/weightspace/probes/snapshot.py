"""The weights at one moment of training, kept as an output."""

from typing import Any

import jax.numpy as jnp

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.node import Run
from weightspace.probes.base import At, Carry, Probe, Scalar, at_the_end
from weightspace.recipes.length import Length
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import common, spec, static
from weightspace.tree import where


@spec
class Snapshot(Probe):
    """Output `weights`: w after `when`, at a point of the space; or `coordinates`: θ then.

    Attributes:
      when: `0`, `500it`, `2ep` or `end`.
      name: Point of the space; "" is its default.
      coordinates: Whether the coordinates are kept, and not the weights.
    """

    when: Any = common()
    name: str = static(default=DEFAULT_POINT)
    coordinates: bool = static(default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", Length.parse(self.when))
        super().__post_init__()

    @property
    def key(self) -> str:
        """`snapshot(500it)`."""
        options = (self.name, "coordinates" if self.coordinates else "")
        return f"snapshot({','.join([str(self.when), *filter(None, options)])})"

    def check(self, run: Run, layout: Layout) -> None:
        """The moment lies within the training."""
        size = run.task.data.size
        total, per_epoch = run.recipe.steps(size), run.recipe.steps_per_epoch(size)
        step = self.when.steps(per_epoch, total)
        if step > total:
            raise InputError(f"the weights at {self.when} (step {step}) are asked of a run of {total} steps")

    def points(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """That one moment."""
        return (self.when.steps(per_epoch, total),)

    def init(self, at: At) -> Carry:
        """A place for them."""
        return at.theta if self.coordinates else at.weights(self.name)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep them."""
        return {}, at.theta if self.coordinates else at.weights(self.name)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """What was kept."""
        return {"coordinates" if self.coordinates else "weights": carry}


@spec
class Best(Probe):
    """The weights at the moment of least validation loss, of those looked at; ties keep the earliest.

    Columns `best_step`, `best_validation_loss`, and at the end of training `best_<split>_<metric>` on the
    splits `last`: what early stopping would have given. Output `weights`. Which moments are looked at decides
    what is found, so that the cadence is the probe's own and not that of the watch.

    Attributes:
      every: Cadence: the start, every so many steps or epochs, and the end.
      name: Point of the space; "" is its default.
      last: Splits on which the weights kept are measured, once.
    """

    version = 2

    every: Any = common(default=Length(1, "ep"))
    name: str = static(default=DEFAULT_POINT)
    last: tuple[str, ...] = static(default=("train", "test"))

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", Length.parse(self.every))
        super().__post_init__()

    def points(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """The moments looked at."""
        return self.every.multiples(per_epoch, total)

    def check(self, run: Run, layout: Layout) -> None:
        """Needs a validation split: picking on the test set would flatter it."""
        if not run.task.data.validation:
            raise InputError("the probe 'best' needs a validation split; give validation=<examples>")

    def init(self, at: At) -> Carry:
        """Nothing seen yet."""
        start = (at.weights(self.name), at.state)
        return jnp.asarray(jnp.inf, jnp.float32), jnp.asarray(-1, jnp.int32), start

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep the weights where the validation loss is less than ever before."""
        loss, step, kept = carry
        now = at.evaluate("validation", self.name)["loss"].astype(jnp.float32)
        better = now < loss
        kept = where(better, (at.weights(self.name), at.state), kept)
        loss, step = jnp.where(better, now, loss), jnp.where(better, at.t, step)
        record = {"best_step": step.astype(jnp.float32), "best_validation_loss": loss}
        if self.last:
            record |= at_the_end(at, lambda: self._measured(at, kept))
        return record, (loss, step, kept)

    def _measured(self, at: At, kept: Any) -> dict[str, Scalar]:
        return {
            f"best_{split}_{metric}": value
            for split in self.last
            for metric, value in at.measure(kept[0], kept[1], split).items()
        }

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The weights kept."""
        return {"weights": carry[2][0]}
