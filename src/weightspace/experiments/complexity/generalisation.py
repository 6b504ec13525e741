"""`complexity.generalisation`: which quantity seen in training orders runs as their test loss does?"""

import dataclasses
from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.complexity.paths import BY, LOUKAS_2021, METRICS, WINDOWS, Cosines
from weightspace.experiments.settings import number
from weightspace.figures.charts import Intervals
from weightspace.run import Row
from weightspace.tables.correlations import AgainstTestLoss
from weightspace.tables.history import Moment


class ComplexityGeneralisation(
    Experiment,
    name="complexity.generalisation",
    question="Which measure of complexity predicts how well a network generalises?",
    paper=dataclasses.replace(LOUKAS_2021, figure="beyond the paper: all measures on one grid of runs"),
    reading="Spearman's ρ of each measure with the test loss over all runs, with 90 % intervals from "
    "redrawing whole settings. At matched loss only runs that reach the level count.",
    presets={
        "smoke": {"frequencies": (0.25, 1.0), "examples": (50,), "lr": (0.001, 0.002), "seeds": ("2",),
                  "epochs": 100.0, "matched_loss": 0.1},
        "quick": {"seeds": ("3",)},
        "paper": {"seeds": ("10",), "epochs": 3000.0},
    },
    columns=WINDOWS,
    by=BY,
    metrics=METRICS,
):  # fmt: skip
    """Which measure of complexity predicts the test loss, over tasks, sample sizes and learning rates?

    Rank correlations with the test loss, at the end of training (matched epoch) and where each run's training
    loss first falls to one level (matched loss), so that runs which have not fitted yet do not confound.
    """

    training: Cosines = Cosines(examples=(50, 100, 200), lr=(0.001, 0.002), epochs=1000)
    matched_loss: float = number(0.02, words="matched loss", above=0)
    """Training loss at which runs are compared; those that never reach it are left out and counted."""

    def ask(self) -> Iterator[Row]:
        """Every number of examples, frequency, rate and seed, with all measures."""
        yield from self.training.rows("path-length", "distance", "sharpness", "activations")

    def answered_by(self) -> tuple[Answer, ...]:
        """ρ of each measure with the test loss, at matched epoch and at matched loss."""
        moments = (("epoch", Moment()), ("loss", Moment("reached", self.matched_loss)))
        chart = Intervals(
            "measure", "spearman", "matched",
            (("epoch", "at the last epoch"), ("loss", "at matched training loss")), name="correlations",
            title="Measures against the test loss", x="Spearman's ρ with the test loss", limits=(-1.05, 1.05),
            caption="Rank correlation of each measure with the test loss at the same moment: at the last "
            f"epoch ({{epoch}}) and where the training loss first falls to {self.matched_loss:g} ({{loss}} "
            "of {n_asked}). Bars are 90 % intervals from redrawing whole settings.",
        )  # fmt: skip
        return (Answer("correlations", AgainstTestLoss(moments, BY), chart),)
