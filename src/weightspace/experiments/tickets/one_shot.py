"""Masks of one dense training at all levels of pruning, on weights that are not trained."""

import dataclasses

from weightspace.derived.at_init import MasksAtInit
from weightspace.experiments.settings import number
from weightspace.experiments.tickets.recipes import START, Pruning, TicketTraining
from weightspace.masks.criteria import make_criterion
from weightspace.masks.kept import make_kept
from weightspace.run import Run
from weightspace.tables.shapes import Unfolded

SIGNS = (
    "large_final_same_sign", "large_final_diff_sign", "magnitude_increase_same_sign",
    "magnitude_increase_diff_sign",
)  # fmt: skip
"""Criteria that look at signs too."""
EACH = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
"""What is measured at every level."""


def levels(*labels: str) -> Unfolded:
    """A row for each run and level: `power`, the share of weights left, what is measured, chance."""
    return Unfolded(("density", *EACH), "power", labels, beside=("chance",))


@dataclasses.dataclass(frozen=True)
class OneShot:
    """Which levels there are."""

    powers: int = number(24, least=1)
    """The highest power of pruning: masks keep (1 - rate)^k of each layer, for k = 0 … powers."""

    def curve(
        self, training: TicketTraining, pruning: Pruning, dense: Run, criterion: str, kept: str
    ) -> MasksAtInit:
        """The untrained network under all of them.

        Args:
          training: How the dense network was trained.
          pruning: What is removed, and which weights are scored.
          dense: Its run.
          criterion: By which weights are kept, a name.
          kept: What kept weights are set to, an action's name.
        """
        after = pruning.scored(training, dense)
        return MasksAtInit(
            model=training.network, task=training.task, criterion=make_criterion(criterion),
            before=dense.at(START), after=after, seeds=dense.seeds, rates=pruning.rates, rule=pruning.rule,
            kept=make_kept(kept, {"after": after}), gradient=pruning.gradient(dense, criterion),
            powers=self.powers + 1,
        )  # fmt: skip
