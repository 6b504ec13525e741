"""Training as in the "weight symmetry" study: Adam or momentum, a schedule of the rate, whole batches."""

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from weightspace.data.statistics import NORMALISATIONS
from weightspace.errors import InputError, check_choice
from weightspace.experiments.training import Training
from weightspace.recipes.base import REMAINDERS, Recipe
from weightspace.recipes.schedules import Constant, Cosine, Piecewise, Schedule

if TYPE_CHECKING:
    from weightspace.data.task import Task
else:
    Task = Any

SCHEDULES = ("constant", "stepped", "cosine")
PROBES = ("gradient-norm", "cosine-similarity", "distance")
WAY = ("gradient_norm_sum", "cosine_similarity", "distance")
"""What the study measures of the way from the start, of the weights that the network computes with."""
PAPER: dict[str, Any] = {
    "data": "mnist", "epochs": 100.0, "optimiser": "adamw", "lr": 0.01, "weight_decay": 1e-5,
    "schedule": "stepped", "remainder": "drop", "eval_every": "10ep", "seeds": ("42:47",),
    "normalise": "centred",
}  # fmt: skip
"""The defaults of its driver `train`, on MNIST as it reads it; for runs on a GPU."""
CIFAR10: dict[str, Any] = PAPER | {"data": "cifar10", "normalise": "standard"}
"""The same on CIFAR-10: the mean and deviation of each channel that the study writes out, to all digits."""


@dataclasses.dataclass(frozen=True)
class StudyTraining(Training):
    """As `Training`, with a schedule of the learning rate."""

    schedule: str = "constant"
    """Of the learning rate: constant, cosine, or stepped (to the shares .01, .001 and .0001 of it after half,
    70 % and 90 % of the training's epochs)."""
    remainder: str = "short"
    """The last batch of an epoch, where it is not whole: short, drop or wrap."""

    normalise: str = ""
    """How inputs are scaled: none, unit (x/255), centred (x/255 - 1/2, the study's on MNIST), half,
    mean_image, or standard (by channel, its way on CIFAR-10); nothing: as the data set's own."""

    def check(self) -> None:
        """Known names."""
        if self.normalise:
            check_choice("normalisation", self.normalise, NORMALISATIONS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("remainder", self.remainder, REMAINDERS)

    @functools.cached_property
    def task(self) -> Task:
        """Data, scaled as said, and cross-entropy.

        Raises:
          InputError: If the set has no inputs that are scaled.
        """
        task = super().task
        if not self.normalise:
            return task
        if not hasattr(task.data, "normalise"):
            raise InputError(
                f"normalise is '{self.normalise}', but inputs of {task.data.name} are drawn as they are; "
                "leave it out"
            )
        data: Any = task.data
        return dataclasses.replace(task, data=dataclasses.replace(data, normalise=self.normalise))

    def recipe(self, **changes: Any) -> Recipe:
        """How it is trained."""
        return dataclasses.replace(
            super().recipe(**changes), schedule=self._schedule(), remainder=self.remainder
        )

    def _schedule(self) -> Schedule:
        if self.schedule == "stepped":
            boundaries = tuple(share * self.epochs for share in (0.5, 0.7, 0.9))
            return Piecewise(boundaries, (0.01, 0.001, 0.0001), per="epoch")
        return Cosine() if self.schedule == "cosine" else Constant()
