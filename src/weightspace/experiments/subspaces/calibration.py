"""`subspaces.calibration`: are networks of a region as often right as they are sure?"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from weightspace.errors import StoreError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.subspaces.arms import Arms, unlike
from weightspace.experiments.subspaces.tables import Part, by_method, differences
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.tables.base import Given, On, Table
from weightspace.tables.curves import Curves

CALIBRATED = "as often right as sure"
_MORE = {
    "smoke": {
        "model": "fc:widths=16",
        "validation": 200,
        "methods": ("standard", "two", "smoothing", "line", "pair"),
    },
    "quick": {"validation": 200},
    "cifar8": {"validation": 1000},
    "paper": {"validation": 5000},
}


@dataclasses.dataclass(frozen=True)
class Reliability(Table):
    """A line for each network or ensemble and each bin that has examples: how many of them are right.

    Columns `method`, `confidence`, the middle of the bin, `accuracy`, `seed`, `run`, `status`. Lines of
    `as often right as sure` have what the confidence says.
    """

    def of(self, given: Given) -> Frame:
        """The lines."""
        from pandas import DataFrame

        lines = []
        for row in given.of(Part("point")).to_dict("records"):
            try:
                bins = np.asarray(given.outputs(row["run"], "reliability"), np.float64)
            except StoreError:
                continue  # stored before bins were
            common = {name: row[name] for name in ("run", "status", "seed", "method")}
            for place, (count, _, right) in enumerate(bins):
                middle = (place + 0.5) / len(bins)
                if count > 0:
                    lines.append(common | {"confidence": middle, "accuracy": right / count})
                    lines.append(common | {"confidence": middle, "accuracy": middle, "method": CALIBRATED})
        columns = ["run", "status", "seed", "method", "confidence", "accuracy"]
        found = DataFrame(lines, columns=columns)
        return found.drop_duplicates(["seed", "method", "confidence"], ignore_index=True)


class SubspacesCalibration(
    Experiment,
    name="subspaces.calibration",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="calibration",
    reading=AVERAGED + " Calibration errors have 20 bins of confidence; bins of few examples are noisy.",
    presets={name: APART_FROM_POINTS[name] | more for name, more in _MORE.items()},
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Are midpoints and ensembles of a trained region as often right as they are sure?"""

    training: RegionTraining = RegionTraining(validation=200)
    arms: Arms = Arms()

    def check(self) -> None:
        """Arms that can be had."""
        self.arms.check_with(self.training)

    def ask(self) -> Iterator[Row]:
        """All arms."""
        yield from unlike(self._rows())

    def _rows(self) -> Iterator[Row]:
        for seeds in self.training.each_seed():
            for arm in self.arms.of(self.training, seeds):
                yield from self.arms.trained(arm, self.training)
                yield arm.row()

    def answered_by(self) -> tuple[Answer, ...]:
        """Reliability diagrams, each method's runs, and differences by seed."""
        chart = Curve(
            "confidence", ("method",), name="reliability", metrics=("accuracy",), spread="sd",
            title="Reliability", dotted=("method", (CALIBRATED,)),
            caption="Of the examples whose confidence lies in a bin, the share that is right.",
        )  # fmt: skip
        table = On(Reliability(), Curves(("accuracy",), "confidence", ("method",), runs=False))
        return Answer("reliability", table, chart, shown=0), *by_method(), differences()
