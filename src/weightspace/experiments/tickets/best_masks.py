"""`tickets.best-masks`: found masks, learned masks and trained weights side by side.

The table of best supermasks: its rows are those of three other experiments, so that in one store nothing is
trained twice.
"""

import dataclasses
from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.tickets import mask_charts
from weightspace.experiments.tickets.learned import Arms, Learning
from weightspace.experiments.tickets.one_shot import OneShot
from weightspace.experiments.tickets.paper import PAPER, SMOKE_DENSE
from weightspace.experiments.tickets.recipes import Pruning, TicketTraining
from weightspace.experiments.tickets.ways import COLUMNS, FOUND, LEARNED, POINTS, TRAINED
from weightspace.masks.criteria import make_criterion
from weightspace.run import Row
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.ranges import Ranges

ACCURACY = ("accuracy",)


class TicketsBestMasks(
    Experiment,
    name="tickets.best-masks",
    question="How far do masks on untrained weights go, found or learned, beside trained weights?",
    paper=dataclasses.replace(PAPER, figure="Table 1: the best supermasks"),
    reading="A found mask's accuracy is the greatest over all levels of pruning, picked on test data as in "
    "the paper, and flatters; a learned one's is the mean over sampled masks, and a trained network's is at "
    "the step of least validation loss. In the paper learned masks do better than found ones, and on "
    "MNIST come up to trained weights.",
    by=("way",),
    metrics=("accuracy", "share_kept"),
    columns=COLUMNS,
    presets={
        "smoke": SMOKE_DENSE | {"mask_epochs": 30.0, "mask_batch_size": 50, "mask_eval_every": "5ep"},
        "quick": {"epochs": 12.0, "mask_epochs": 10.0, "seeds": ("3",)},
        "paper": {"mask_epochs": 2000.0, "mask_eval_every": "20ep", "seeds": ("5",)},
    },
):
    """How far do masks on untrained weights go, found or learned, beside trained weights?

    Found masks are one-shot masks by one criterion, from a dense training's weights at both ends, at the
    level of pruning that does best; learned ones are `tickets.supermask`.
    """

    learning: Learning = Learning()
    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    criterion: str = "large_final_same_sign"
    """By which the masks are found."""
    one_shot: OneShot = OneShot()

    def check(self) -> None:
        """The criterion is known."""
        make_criterion(self.criterion)

    def ask(self) -> Iterator[Row]:
        """The dense runs and their masks, and the learned masks."""
        training, masks, arms = self.training, self.learning.of(self.training), Arms()
        for seeds in training.each_seed():
            dense = training.dense(seeds)
            yield self.pruning.row(training, {"way": TRAINED}, dense)
            for kept, way in FOUND.items():
                curve = self.one_shot.curve(training, self.pruning, dense, self.criterion, kept)
                yield Row({"way": way} | training.named, curve)
        for labels, space in arms.spaces():
            for seeds in training.each_seed():
                yield arms.row(masks, {"way": LEARNED[labels["arm"]]}, space, seeds)

    answers = (
        Answer("accuracy", Curves(ACCURACY, "way"), mask_charts.WAYS, shown=0),
        Answer("points", POINTS, mask_charts.POINTS, shown=0),
        Answer("ranges", Ranges("accuracy", ("way",), averaged=("share_kept",))),
        Answer("pairs", Pairs(ACCURACY, "way")),
    )
