"""`tickets.at-init`: masks made by a dense training, put on the weights that it started from."""

import dataclasses
from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.tickets import mask_charts
from weightspace.experiments.tickets.one_shot import EACH, SIGNS, OneShot, levels
from weightspace.experiments.tickets.paper import PAPER, SMOKE_DENSE, published
from weightspace.experiments.tickets.recipes import Pruning, TicketTraining
from weightspace.masks.criteria import MAIN, make_criterion
from weightspace.masks.kept import make_kept
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means
from weightspace.tables.ranges import Averages, Peaks
from weightspace.tables.shapes import Beside, Ordered

LABELS = ("criterion", "kept")
METRICS = ("test_accuracy_max", "density_at_max", "best_test_accuracy", "test_accuracy")
LEVELS = levels(*LABELS)
MEANS = On(LEVELS, Averages(EACH, (*LABELS, "power"), averaged=("density",)))
PEAKS = Peaks(MEANS, LABELS, (("test_accuracy", "curve_peak"), ("density", "density_at_peak")))


class TicketsAtInit(
    Experiment,
    name="tickets.at-init",
    question="How well does an untrained network do under a mask that its training has left?",
    paper=dataclasses.replace(PAPER, figure="Figures 6 and 7, Table 1: masks on untrained weights"),
    reading="A mask that keeps large final weights whose sign did not change makes an untrained network far "
    "better than chance, and better still where each weight is replaced by a constant of its sign. The "
    "greatest accuracy of each run's curve (as in the paper) flatters, as it is picked on test data: the "
    "random masks show by how much. The peak of the mean curve does not pick seed by seed.",
    by=LABELS,
    metrics=METRICS,
    overview=Beside(Means(METRICS, LABELS), PEAKS, LABELS),
    words=mask_charts.AT_INIT,
    presets={
        "smoke": SMOKE_DENSE | {
            "criteria": ("large_final", "large_final_same_sign", "random"), "powers": 12, "dense_rate": 0.3,
        },
        "quick": {"epochs": 12.0, "seeds": ("3",)},
        **published(),
    },
):  # fmt: skip
    """How well does an untrained network do, once a mask has taken weights away?

    A dense network is trained. One-shot masks at all levels of pruning are made from its weights at both ends
    and put on the weights it started from, or on what an action makes of them; nothing is trained any more.
    """

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    criteria: tuple[str, ...] = swept(*MAIN, *SIGNS, words="criteria")
    """By which weights are kept: large_final, random, large_final_same_sign, …"""
    values: tuple[str, ...] = swept("rewind", "signed_constant")
    """What kept weights are set to: rewind (as they began), signed_constant, reinit, reshuffle, …"""
    one_shot: OneShot = OneShot()

    def check(self) -> None:
        """Criteria and actions are known."""
        _ = [make_criterion(name) for name in self.criteria]
        _ = [make_kept(name, {"after": None}) for name in self.values]

    def ask(self) -> Iterator[Row]:
        """The dense runs, and for each of them a curve for every criterion and value."""
        for seeds in self.training.each_seed():
            dense = self.training.dense(seeds)
            yield self.pruning.row(self.training, {"criterion": "dense"}, dense)
            for criterion in self.criteria:
                for kept in self.values:
                    curve = self.one_shot.curve(self.training, self.pruning, dense, criterion, kept)
                    yield Row({"criterion": criterion, "kept": kept} | self.training.named, curve)

    def answered_by(self) -> tuple[Answer, ...]:
        """Accuracy against weights left for each value, the greatest of each run, and the mean curves."""
        asked = Ordered((("kept", self.values),))
        curves = Curves(EACH[:1], "power", LABELS, averaged=("density", "chance"), runs=False)
        greatest = Curves(METRICS[:1], "criterion", ("kept",), averaged=("chance",))
        return (
            Answer("accuracy", On(asked, On(LEVELS, curves)), mask_charts.LEVELS, shown=0),
            Answer("best", On(asked, greatest), mask_charts.GREATEST, shown=0),
            Answer("curves", MEANS, shown=30),
        )
