"""`tickets.dense`: the dense network that all tickets are held against, with early stopping."""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.tickets.paper import PAPER, SMOKE_DENSE, published
from weightspace.experiments.tickets.recipes import TicketTraining
from weightspace.figures.charts import Curve
from weightspace.probes import Snapshot
from weightspace.run import Row
from weightspace.tables.curves import Stops


class TicketsDense(
    Experiment,
    name="tickets.dense",
    question="How well does the dense network do, and when would early stopping end its training?",
    paper=PAPER,
    figure="Section 2 and the dashed lines of all figures",
    reading="Validation loss falls, and rises again as the network overfits; early stopping takes the least. "
    "Accuracy goes on rising a little, so that the last weights may do better than those at that point.",
    presets={
        "smoke": SMOKE_DENSE,
        "quick": {"epochs": 12.0, "seeds": ("3",)},
        **published(pruning=False),
    },
    metrics=(
        "best_test_accuracy", "test_accuracy", "best_step", "best_validation_loss", "best_train_accuracy",
        "train_accuracy",
    ),
):  # fmt: skip
    """How well does the dense network do, and when would early stopping end its training?

    All weights are trained. Accuracies are given at the end, and at the reading of least validation
    loss, which is where tickets are compared.
    """

    training: TicketTraining = TicketTraining()

    def ask(self) -> Iterator[Row]:
        """One training a seed; the weights at both ends are kept, so that tickets need no second one."""
        for seeds in self.training.each_seed():
            run = self.training.dense(seeds)
            yield self.training.row({"criterion": "dense"}, run, Snapshot("0it"), Snapshot("end"))

    answers = (
        Answer(
            "training",
            Stops(("validation_loss", "validation_accuracy")),
            Curve(
                "step", name="training", title="Training of the dense network", spread="sd",
                dots="early stopping",
                told="The dense network on examples set aside: mean over runs ({n}), band of one standard "
                "deviation. Dots: where each run has its least validation loss, at which early stopping "
                "ends.",
            ),
            shown=0,
        ),
    )  # fmt: skip
