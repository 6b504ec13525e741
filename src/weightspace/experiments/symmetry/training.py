"""Training as in the "weight symmetry" study: Adam or momentum, a schedule of the rate, whole batches."""

import dataclasses
from typing import Any

from weightspace.errors import check_choice
from weightspace.experiments.training import Training
from weightspace.recipes.base import REMAINDERS, Recipe
from weightspace.recipes.schedules import Constant, Cosine, Piecewise, Schedule

SCHEDULES = ("constant", "stepped", "cosine")
PROBES = ("gradient-norm", "cosine-similarity", "distance")
WAY = ("gradient_norm_sum", "cosine_similarity", "distance")
"""What the study measures of the way from the start, of the weights that the network computes with."""
PAPER: dict[str, Any] = {
    "data": "mnist", "epochs": 100.0, "optimiser": "adamw", "lr": 0.01, "weight_decay": 1e-5,
    "schedule": "stepped", "remainder": "drop", "eval_every": "10ep", "seeds": ("42:47",),
}  # fmt: skip
"""The defaults of its driver `train`; for runs on a GPU."""


@dataclasses.dataclass(frozen=True)
class StudyTraining(Training):
    """As `Training`, with a schedule of the learning rate."""

    schedule: str = "constant"
    """Of the learning rate: constant, cosine, or stepped (to the shares .01, .001 and .0001 of it after half,
    70 % and 90 % of the training's epochs)."""
    remainder: str = "short"
    """The last batch of an epoch, where it is not whole: short, drop or wrap."""

    def check(self) -> None:
        """Known names."""
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("remainder", self.remainder, REMAINDERS)

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
