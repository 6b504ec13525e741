"""`subspaces.label-noise`: is the midpoint of a region robust to wrong training labels?"""

import dataclasses
from collections.abc import Iterator

from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.subspaces.arms import Arms, unlike
from weightspace.experiments.subspaces.tables import SCORES, Part
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs

QUICK = ("standard", "early-stop", "smoothing", "swa", "line", "simplex")
_MORE = {
    "smoke": {"model": "fc:widths=16", "validation": 200, "noises": (0.0, 0.4), "methods": QUICK},
    "quick": {"validation": 200, "methods": (*QUICK, "dropout")},
    "cifar8": {"validation": 1000},
    "paper": {"validation": 5000, "dropouts": (0.1, 0.3, 0.5), "smoothings": (0.1, 0.3, 0.5)},
}


class SubspacesLabelNoise(
    Experiment,
    name="subspaces.label-noise",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="test accuracy against label noise",
    reading=AVERAGED
    + " The same training labels are replaced in all runs, by uniform draws from all classes; "
    "validation and test labels are true.",
    presets={name: APART_FROM_POINTS[name] | more for name, more in _MORE.items()},
    by=("part", "method", "noise"),
    metrics=METRICS,
    words=WORDS,
):
    """Is the midpoint of a trained region more robust to wrong labels than other trainings?"""

    training: RegionTraining = RegionTraining(validation=200)
    arms: Arms = Arms()
    noises: tuple[float, ...] = swept(0.0, 0.2, 0.4, words="label noise", least=0, most=1)
    """Shares of training labels that are replaced."""

    def check(self) -> None:
        """Arms that can be had; noise is swept here.

        Raises:
          InputError: Otherwise.
        """
        self.arms.check_with(self.training)
        if self.training.noise:
            raise InputError(f"noise is {self.training.noise:g}, but this question has many: give noises")

    def ask(self) -> Iterator[Row]:
        """All arms at all shares."""
        yield from unlike(self._rows())

    def _rows(self) -> Iterator[Row]:
        for seeds in self.training.each_seed():
            for noise in self.noises:
                training = dataclasses.replace(self.training, noise=noise)
                for arm in self.arms.of(training, seeds):
                    yield from self.arms.trained(arm, training, noise=noise)
                    yield arm.row(noise=noise)

    def answered_by(self) -> tuple[Answer, ...]:
        """Against the share of wrong labels, and differences by seed."""
        metrics = tuple(f"all_{name}" for name in SCORES)
        chart = Curve(
            "noise",
            ("method",),
            name="label-noise",
            metrics=metrics,
            spread="sd",
            title="Against label noise",
        )
        names = ("all_accuracy", "all_nll", "all_ece")
        return (
            Answer("by-noise", On(Part("point"), Curves(metrics, "noise", ("method",), runs=False)), chart),
            Answer("differences", On(Part("point"), Pairs(names, "method", STANDARD, within=("noise",)))),
        )
