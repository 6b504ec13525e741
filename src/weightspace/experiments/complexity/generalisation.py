"""`complexity.generalisation`: which quantity seen in training orders runs as their test loss does?"""

import dataclasses
from typing import ClassVar

from weightspace.errors import check_number
from weightspace.experiments.complexity import measures
from weightspace.experiments.complexity.correlation import against_test_loss
from weightspace.experiments.complexity.protocol import PAPER
from weightspace.experiments.complexity.sinusoid import CosineSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame


@dataclasses.dataclass(frozen=True)
class ComplexityGeneralisation(CosineSweep):
    """Which measure of complexity predicts the test loss, over tasks, sample sizes and learning rates?

    Rank correlations with the test loss, at the end of training (matched epoch) and where each run's training
    loss first falls to one level (matched loss), so that runs which have not fitted yet do not confound.
    """

    examples: tuple[int, ...] = (50, 100, 200)
    lr: tuple[float, ...] = (0.001, 0.002)
    epochs: float = 1000
    matched_loss: float = 0.02
    """Training loss at which runs are compared; those that never reach it are left out and counted."""

    name = "complexity.generalisation"
    question = "Which measure of complexity predicts how well a network generalises?"
    paper = dataclasses.replace(PAPER, figure="beyond the paper: all measures on one grid of runs")
    reading = (
        "Spearman's ρ of each measure with the test loss over all runs, with 90 % intervals from redrawing "
        "whole settings. At matched loss only runs that reach the level count."
    )
    minutes: ClassVar = {"quick": "3.5 on 2 shared cores"}
    presets: ClassVar = {
        "smoke": {
            "frequencies": (0.25, 1.0), "examples": (50,), "lr": (0.001, 0.002), "seeds": ("2",),
            "epochs": 100.0, "matched_loss": 0.1,
        },
        "quick": {"seeds": ("3",)},
        "paper": {"seeds": ("10",), "epochs": 3000.0},
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("matched loss", self.matched_loss, above=0)

    @property
    def own_probes(self) -> tuple[str, ...]:
        """All measures."""
        return (*super().own_probes, "path-length", "distance", "sharpness", "activations")

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`correlations`: ρ of each measure with the test loss, at matched epoch and at matched loss."""
        return {"correlations": self.correlations(table, history)} if "train_loss" in history else {}

    def correlations(self, table: Frame, history: Frame) -> Frame:
        """Columns `matched`, `measure`, `spearman`, `spearman_low`, `spearman_high`, `n`, `n_asked`."""
        from pandas import concat

        moments = {
            "epoch": measures.final(history),
            "loss": measures.reached(history, self.matched_loss),
        }
        found = [against_test_loss(table, at, self.by).assign(matched=name) for name, at in moments.items()]
        return concat(found, ignore_index=True).assign(n_asked=len(table))

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """The correlations with their intervals, after the usual figures."""
        from weightspace.figures.correlations import correlation_panel

        if "train_loss" not in history:  # before the first run has finished
            return []
        return [correlation_panel(self.correlations(table, history), self.matched_loss)]
