"""`tickets.iterative`, `tickets.kept-values`, `tickets.pruned-values`: what rounds of pruning keep."""

from collections.abc import Iterator
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.tickets.paper import PAPER, SMOKE_PRUNED, published
from weightspace.experiments.tickets.recipes import METRICS, Pruning, TicketTraining
from weightspace.experiments.tickets.rounds import BY, DENSE, DENSITY, READING, WORDS, Rounds
from weightspace.figures.charts import Plane
from weightspace.masks.criteria import MAIN
from weightspace.probes import Snapshot
from weightspace.run import Row
from weightspace.tables.planes import CORRELATION, REMOVED, Cloud, FirstKernel

KEPT = ("rewind", "reinit", "reshuffle", "constant", "signed_reinit", "signed_reshuffle", "signed_constant")
PRUNED = ("zero", "at_init", "zero_shrunk", "zero_shuffled", "zero_grown")
SMOKE = SMOKE_PRUNED | {"rounds": 3}
QUICK = {"epochs": 12.0, "dense_rate": 0.36, "output_rate": 0.19, "seeds": ("5",), "rounds": 6}
SHARE = f"{100 * (1 - REMOVED):g} %"
SHARED: dict[str, Any] = {
    "paper": PAPER, "reading": READING, "by": BY, "metrics": METRICS, "columns": DENSITY, "words": WORDS,
}  # fmt: skip


def presets(**smoke: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Those of all three, `smoke` with fewer arms."""
    return {"smoke": SMOKE | smoke, "quick": QUICK, **published()}


class OfRounds(Experiment):
    """What all three ask, and are answered by; `loop` has the arms."""

    training: TicketTraining
    pruning: Pruning
    loop: Rounds

    def ask(self) -> Iterator[Row]:
        """The dense runs and all rounds."""
        yield from self.loop.rows(self.training, self.pruning)

    def answered_by(self) -> tuple[Answer, ...]:
        """Comparisons, accuracy and speed."""
        return self.loop.answers()


class TicketsIterative(
    OfRounds,
    name="tickets.iterative",
    question="By which criterion must weights be kept for a sparse network to train well?",
    figure="Figure 3: mask criteria",
    presets=presets(criteria=("large_final", "random", "small_final")),
    **SHARED,
):
    """Which weights must be kept: the largest, those that grew, those that moved, or any?"""

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    loop: Rounds = Rounds(criteria=MAIN)

    def answered_by(self) -> tuple[Answer, ...]:
        """Also the plane of weights before and after training, and what each criterion keeps of it."""
        before, after = Snapshot(self.loop.rewind), self.pruning.scoring(self.training)
        kernel = FirstKernel(
            self.loop.criteria, f"{before.key}.weights", f"{after.key}.weights", ("criterion", DENSE)
        )
        return (
            *super().answered_by(),
            Answer("cloud", Cloud(self.loop.criteria), Plane(
                name="criteria", title="What each criterion keeps",
                caption="{count} Gaussian weights before (w_i) and after (w_f) training, correlated by "
                f"{CORRELATION:g}; blue: the {SHARE} that a criterion keeps."), shown=0),
            Answer("kernel", kernel, Plane(
                shares=True, name="criteria-weights", title="What each criterion keeps of a layer",
                caption="The {count} weights of {of}, before (w_i) and after (w_f) training: of each hexagon "
                f"the share that a criterion keeps, with {SHARE} kept in all."), shown=0),
        )  # fmt: skip


class TicketsKeptValues(
    OfRounds,
    name="tickets.kept-values",
    question="Must kept weights restart from their initial values, or only from their initial signs?",
    figure="Figure 4: mask-1 actions",
    presets=presets(kept=("rewind", "constant", "signed_constant")),
    **SHARED,
):
    """Must kept weights go back to their initial values, or only to their initial signs?"""

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    loop: Rounds = Rounds(kept=KEPT)


class TicketsPrunedValues(
    OfRounds,
    name="tickets.pruned-values",
    question="Does it matter that pruned weights are frozen at zero?",
    figure="Figure 5: mask-0 actions",
    presets=presets(pruned=("zero", "at_init", "zero_shrunk")),
    **SHARED,
):
    """Does it matter that pruned weights are set to zero?"""

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    loop: Rounds = Rounds(pruned=PRUNED)
