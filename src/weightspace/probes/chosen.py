"""What probes share that keep the weights of one moment, chosen by validation data as training goes on."""

import abc
from typing import Any

from weightspace.errors import InputError
from weightspace.measure.network import Network
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Probe, Scalar, Training, at_the_end
from weightspace.recipes.length import Length, LengthLike
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import common, spec, static
from weightspace.tree import where

Kept = tuple[Any, Any]
"""Weights, and the model's state that goes with them."""


@spec
class ChosenMoment(Probe, abc.ABC):
    """Keeps weights at a moment that the validation split picks, of those looked at.

    Which moments are looked at decides what is found, so that the cadence is the probe's own, part of its key
    and of the identity of what is made of its weights, and not that of the watch.

    Attributes:
      every: Cadence: the start, every so many steps or epochs, and the end.
      name: Point of the space; "" is its default.
      last: Splits on which the weights kept are measured, once, at the end.
    """

    every: LengthLike = common(default=Length(1, "ep"))
    name: str = static(default=DEFAULT_POINT)
    last: tuple[str, ...] = static(default=("train", "test"))

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What its columns begin with, and what it is called."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its label."""
        return (self.label,)

    def readings(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """The moments looked at."""
        return self.every.multiples(per_epoch, total)

    def check(self, run: Training, layout: Layout) -> None:
        """Needs a validation split: picking on the test set would flatter it."""
        if not run.task.data.validation:
            raise InputError(
                f"the probe '{self.label}' needs a validation split; give --validation EXAMPLES, in Python "
                "make_data(…, validation=…)"
            )

    def now(self, at: At) -> Kept:
        """What there is to be kept at a reading."""
        return at.weights(self.name), at.state

    def replaced(self, chosen: Any, at: At, kept: Kept) -> Kept:
        """What is kept after a reading: this moment's if it is chosen."""
        return where(chosen, self.now(at), kept)

    def measured(self, at: At, kept: Kept) -> dict[str, Scalar]:
        """At the end, the metrics of what was kept; NaN before."""
        if not self.last:
            return {}
        return at_the_end(
            at,
            lambda: {
                f"{self.label}_{split}_{metric}": value
                for split in self.last
                for metric, value in at.measure(Network(*kept), split).items()
            },
        )
