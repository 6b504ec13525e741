"""`tickets.from-supermask`: a learned mask as a ticket, its weights trained like any others."""

import dataclasses
from collections.abc import Iterator

from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.tickets import mask_charts
from weightspace.experiments.tickets.learned import LearnedOrLike, Learning, mask_watch
from weightspace.experiments.tickets.paper import PAPER, SMOKE_DENSE
from weightspace.experiments.tickets.recipes import TicketTraining
from weightspace.masks.kept import make_kept
from weightspace.run import Row
from weightspace.tables.base import On, Table
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.shapes import Chosen, Named
from weightspace.tickets import ticket

DENSE, UNTRAINED = "dense", "untrained"
ACCURACY = ("accuracy",)


class TicketsFromSupermask(
    Experiment,
    name="tickets.from-supermask",
    question="Do weights train well under a mask that was learned without training them?",
    paper=dataclasses.replace(PAPER, figure="the original code's `--mask_type learned`; no figure"),
    reading="Each dot is a run: the test accuracy at the step of least validation loss, and of the learned "
    "mask before its weights were trained. Masks beside it keep as many weights in each layer. A learned "
    "mask is a good ticket where it does better than a random one, and as well as the dense network.",
    by=("mask", "kept"),
    metrics=(*ACCURACY, "best_test_accuracy", "test_accuracy", "best_step", "density"),
    presets={
        "smoke": SMOKE_DENSE | {"mask_epochs": 30.0, "mask_batch_size": 50},
        "quick": {"epochs": 6.0, "mask_epochs": 10.0, "seeds": ("3",)},
        # The cadence of tickets.supermask, so that its masks serve here.
        "paper": {"mask_epochs": 2000.0, "mask_eval_every": "20ep", "seeds": ("5",)},
    },
):
    """Is a mask under which untrained weights do well also one under which weights train well?

    A mask is learned over the initial weights; then these weights are trained under it. Beside it stand masks
    with as many weights in each layer: a random one, and that of the largest weights of the dense network.
    """

    learning: Learning = Learning()
    training: TicketTraining = TicketTraining()
    source: LearnedOrLike = LearnedOrLike()
    kept: tuple[str, ...] = swept("rewind", "rewind:rescaled=true")
    """What kept weights start from: rewind, rewind:rescaled=true (times size / ones), signed_constant, …"""

    def check(self) -> None:
        """Weights start from what there is."""
        for name in self.kept:
            if name.partition(":")[0] == "shrunk":
                raise InputError("kept is 'shrunk', but a learned mask has no weights after training")
            make_kept(name)

    def ask(self) -> Iterator[Row]:
        """The dense network, the training of the mask, and all trainings under masks."""
        training, learning = self.training, self.learning.of(self.training)
        for seeds in training.each_seed():
            dense, found = training.dense(seeds), learning.run(self.source.space, seeds)
            yield training.row({"mask": DENSE}, dense)
            yield Row({"mask": UNTRAINED} | training.named, found, mask_watch(found, learning))
            for name, mask in self.source.of(found, dense):
                for kept in self.kept:
                    run = training.run(ticket(dense, mask, kept=kept), seeds)
                    yield training.row({"mask": name, "kept": kept}, run)

    def columns_by(self) -> Table:
        """With `accuracy`: at early stopping, or of the learned mask before training, at its point."""
        return Chosen((("accuracy", (self.source.accuracy, "best_test_accuracy")),))

    def answered_by(self) -> tuple[Answer, ...]:
        """Accuracy by mask, before and after training, and every two masks and starts, seed by seed."""
        orders = (("mask", (DENSE, UNTRAINED, *self.source.masks)), ("kept", self.kept))
        names = {name: make_kept(name).name.replace("_", " ") for name in self.kept}
        names[UNTRAINED] = "learned, untrained"
        settings = Named(("mask", "kept"), orders, tuple(names.items()))
        return (
            Answer("accuracy", On(settings, Curves(ACCURACY, "setting")), mask_charts.UNDER_MASKS, shown=0),
            Answer("pairs", On(settings, Pairs(ACCURACY, "setting"))),
        )
