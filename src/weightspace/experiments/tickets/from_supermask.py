"""`tickets.from-supermask`: a learned mask as a ticket, its weights trained like any others."""

import dataclasses
from collections.abc import Iterator

from weightspace.derived.mask_like import MaskLike
from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.tickets.learned import Learning, mask_watch
from weightspace.experiments.tickets.paper import PAPER, SMOKE_DENSE
from weightspace.experiments.tickets.recipes import TicketTraining
from weightspace.figures.charts import Dots
from weightspace.masks.criteria import make_criterion
from weightspace.masks.kept import make_kept
from weightspace.node import Output
from weightspace.probes.mask import LearnedMask
from weightspace.run import Row, Run
from weightspace.spaces.supermask import SAMPLE, THRESHOLD, Supermask
from weightspace.tables.base import On, Table
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.shapes import Chosen, Named
from weightspace.tickets import ticket

LEARNED, DENSE, UNTRAINED = "learned", "dense", "untrained"
ACCURACY = ("accuracy",)
SAME = "rewind"


class TicketsFromSupermask(
    Experiment,
    name="tickets.from-supermask",
    question="Do weights train well under a mask that was learned without training them?",
    paper=dataclasses.replace(PAPER, figure="the original code's `--mask_type learned`; no figure"),
    reading="Each dot is a run: the test accuracy at the step of least validation loss, and of the learned mask "
    "before its weights were trained. Masks beside it keep as many weights in each layer. A learned "
    "mask is a good ticket where it does better than a random one, and as well as the dense network.",
    by=("mask", "kept"),
    metrics=(*ACCURACY, "best_test_accuracy", "test_accuracy", "best_step", "density"),
    minutes={"quick": "3.5 on 2 cores"},
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
    masks: tuple[str, ...] = swept(LEARNED, "random", "large_final")
    """Masks under which weights are trained: learned, or a criterion with the learned mask's densities."""
    kept: tuple[str, ...] = swept("rewind", "rewind:rescaled=true")
    """What kept weights start from: rewind, rewind:rescaled=true (times size / ones), signed_constant, …"""
    point: str = THRESHOLD
    """Which mask is taken of the learned probabilities: threshold, or a sample such as sample0."""
    scale: str = "none"
    """Weights under the mask while it is learned: none (as initialised) or constant."""
    rescale: str = "gradient"
    """Rescaling while it is learned: none, gradient, stopped."""
    logit: float = 0.0
    """Mask logits before training."""

    def check(self) -> None:
        """Masks can be made of trained weights, weights start from what there is, the point is one of masks."""
        for name in self.masks:
            by = None if name == LEARNED else make_criterion(name)
            if by is not None and (by.fixed or by.needs_gradient):
                raise InputError(f"masks compares '{LEARNED}' with criteria of trained weights, not '{name}'")
        for name in self.kept:
            if name.partition(":")[0] == "shrunk":
                raise InputError("kept is 'shrunk', but a learned mask has no weights after training")
            make_kept(name)
        if self.point != THRESHOLD and not SAMPLE.fullmatch(self.point):
            raise InputError(
                f"point is '{self.point}', but must be '{THRESHOLD}' or a sample such as sample0"
            )
        _ = self.space

    @property
    def space(self) -> Supermask:
        """Where the mask is learned."""
        return Supermask(self.logit, scale=self.scale, rescale=self.rescale)

    def ask(self) -> Iterator[Row]:
        """The dense network, the training of the mask, and all trainings under masks."""
        training, learning = self.training, self.learning.of(self.training)
        for seeds in training.each_seed():
            dense, found = training.dense(seeds), learning.run(self.space, seeds)
            yield training.row({"mask": DENSE}, dense)
            yield Row({"mask": UNTRAINED} | training.named, found, mask_watch(found, learning))
            learned = found.read(LearnedMask(self.point), "mask")
            for name in self.masks:
                mask = learned if name == LEARNED else self._like(learned, name, dense)
                for kept in self.kept:
                    run = training.run(ticket(dense, mask, kept=kept), seeds)
                    yield training.row({"mask": name, "kept": kept}, run)

    def _like(self, learned: Output, name: str, dense: Run) -> Output:
        return MaskLike(
            model=dense.model, shape=self.training.shape, mask=learned, criterion=make_criterion(name),
            before=dense.at(0), after=dense.final(), seeds=dense.seeds,
        ).output("mask")  # fmt: skip

    def measured_by(self) -> Table:
        """With `accuracy`: at early stopping, or of the learned mask before training, at its point."""
        untrained = "threshold_test_accuracy" if self.point == THRESHOLD else "sampled_test_accuracy"
        return Chosen((("accuracy", (untrained, "best_test_accuracy")),))

    def answered_by(self) -> tuple[Answer, ...]:
        """Accuracy by mask, before and after training, and every two masks and starts, seed by seed."""
        settings = Named(
            ("mask", "kept"), orders=(("mask", (DENSE, UNTRAINED, *self.masks)), ("kept", self.kept)),
            names=((UNTRAINED, "learned, untrained"), *((kept, _start(kept)) for kept in self.kept)),
        )  # fmt: skip
        return (
            Answer("accuracy", On(settings, Curves(ACCURACY, "setting")), Dots(
                "setting", (("accuracy", "runs"),), name="accuracy", title="Training under masks",
                y="test accuracy at early stopping", caption="Test accuracy at early stopping ({n}): dots are runs, "
                "bars means, lines ranges. 'Untrained' is the learned mask over the weights as they began, at the "
                "end of its training.", values="The other masks keep as many weights in each layer as the learned one",
            ), shown=0),
            Answer("pairs", On(settings, Pairs(ACCURACY, "setting"))),
        )  # fmt: skip


def _start(kept: str) -> str:
    return make_kept(kept).name.replace("_", " ")
