"""`tickets.dense`: the dense network that all tickets are held against, with early stopping."""

import dataclasses
from collections.abc import Generator
from typing import Any, ClassVar

from weightspace.experiments.tickets.protocol import GPU, PAPER, TicketTraining, published
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.probes import Snapshot
from weightspace.run import Row, Run, Watch

SMOKE: dict[str, Any] = {
    "model": "fc:widths=32,initialiser=glorot_normal", "data": "digits", "validation": 200, "epochs": 30.0,
    "lr": 0.01, "seeds": ("2",), "eval_every": "20it",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TicketsDense(TicketTraining):
    """How well does the dense network do, and when would early stopping end its training?

    All weights are trained. Accuracies are given at the end, and at the reading of least validation
    loss, which is where tickets are compared.
    """

    name = "tickets.dense"
    question = "How well does the dense network do, and when would early stopping end its training?"
    paper = dataclasses.replace(PAPER, figure="Section 2 and the dashed lines of all figures")
    reading = (
        "Validation loss falls, and rises again as the network overfits; early stopping takes the least. "
        "Accuracy goes on rising a little, so that the last weights may do better than those at that point."
    )
    metrics = (
        "best_test_accuracy", "test_accuracy", "best_step", "best_validation_loss", "best_train_accuracy",
        "train_accuracy",
    )  # fmt: skip
    minutes: ClassVar = {"paper": "2.8 on 2 cores", **GPU}
    presets: ClassVar = {
        "smoke": SMOKE,
        "quick": {"epochs": 12.0, "seeds": ("3",)},
        **published(pruning=False),
    }

    def ask(self) -> Generator[list[Row], Frame, None]:
        """One training a seed."""
        yield [self.row(self.dense(seeds), {"criterion": "dense"}) for seeds in self.numbered_seeds()]

    def watch_of(self, run: Run) -> Watch:
        """Also the weights at both ends, so that tickets asked for later need no second training."""
        watch = super().watch_of(run)
        return dataclasses.replace(watch, probes=(*watch.probes, Snapshot("0it"), Snapshot("end")))

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Validation loss and accuracy over steps, with the point of early stopping of each run."""
        from weightspace.figures.dense import panels

        return panels(table, history)
