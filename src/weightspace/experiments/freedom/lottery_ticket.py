"""`freedom.lottery-ticket`: how many degrees of freedom does training need along the best axes?"""

from collections.abc import Iterator
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, Networks
from weightspace.experiments.freedom.tickets import FRACTIONS, Tickets
from weightspace.run import Row

READING = (
    "A mask keeps the largest of all weights after a short training; those train again, from where they "
    "began. Their number is the number of degrees of freedom. Compare at equal d with random subspaces: a "
    "ticket's directions are axes, chosen by training, and most of its weights are zero, so that it does not "
    "start from the initialisation."
)
PAPER: dict[str, Any] = {
    "fractions": FRACTIONS, "epochs": 3.0, "seeds": ("10",), "counts": "legacy", "rate": "legacy",
}  # fmt: skip


class FreedomLotteryTicket(
    Experiment,
    name="freedom.lottery-ticket",
    question="How many degrees of freedom does training need when they are the weights of a lottery ticket?",
    paper=LARSEN_2022,
    figure="Figure 5: lottery tickets",
    reading=READING,
    presets={
        "smoke": {"fractions": (1.0, 0.05), "seeds": ("2",), "epochs": 2.0, "dense_epochs": 1.0},
        "quick": {
            "fractions": (1.0, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005), "seeds": ("3",), "epochs": 20.0,
            "dense_epochs": 5.0, "rounds": (1, 4), "criteria": ("large_final", "random"),
        },
        "paper": PAPER | {"data": "mnist"},
    },
    by=BY,
    metrics=METRICS,
):  # fmt: skip
    """How many degrees of freedom does this network need, if they are the weights that a mask keeps?

    All weights are ranked together after a short training, and cut to each number of degrees of freedom at
    once, or in rounds with a training each. A network may lose a whole layer: it is then dead, which is a
    result.
    """

    networks: Networks = Networks()
    ticket: Tickets = Tickets()
    reach: Levels = Levels()

    def check(self) -> None:
        """Tickets have one rate, so that there is nothing to tune."""
        self.reach.check_tuned(self.networks)

    def ask(self) -> Iterator[Row]:
        """All tickets, and the full space."""
        yield from self.networks.references()
        yield from self.ticket.rows(self.networks)

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds."""
        return self.reach.answers()
