"""`subspaces.dynamics`: how do the ends of a line come apart as it is trained?"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from weightspace.derived.region import Points
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.subspaces.tables import Part
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, RegionTraining
from weightspace.experiments.subspaces.words import METRICS, READING, WORDS, WORTSMAN_2021
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.spaces.simplex import Simplex
from weightspace.tables.base import Given, On, Table
from weightspace.tables.curves import Curves

IN_TIME = (
    "kernel_cosine_squared", "kernel_distance", "midpoint_accuracy", "vertices_accuracy", "ensemble_accuracy",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class InTime(Table):
    """A line for each region and moment, columns as `IN_TIME`, means over vertices and their pairs."""

    def of(self, given: Given) -> Frame:
        """The lines."""
        from pandas import DataFrame

        lines = []
        for row in given.of(Part("moment")).to_dict("records"):
            common = {name: row[name] for name in ("run", "status", "seed", "method", "epoch")}
            names = ("accuracy", "kernel_distance", "kernel_cosine_squared")
            found = {name: np.asarray(given.outputs(row["run"], name)) for name in names}
            pairs = np.triu_indices(len(found["accuracy"]) - 1, 1)
            ensemble = np.asarray(given.outputs(row["run"], "ensemble_accuracy"))
            lines.append(common | {
                "kernel_cosine_squared": float(found["kernel_cosine_squared"][pairs].mean()),
                "kernel_distance": float(found["kernel_distance"][pairs].mean()),
                "midpoint_accuracy": float(found["accuracy"][-1]),
                "vertices_accuracy": float(found["accuracy"][:-1].mean()),
                "ensemble_accuracy": float(ensemble[pairs].mean()),
            })  # fmt: skip
        return DataFrame(lines, columns=["run", "status", "seed", "method", "epoch", *IN_TIME])


class SubspacesDynamics(
    Experiment,
    name="subspaces.dynamics",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 2",
    reading=READING + " Distances and cos² are of kernels alone, as of one vector.",
    presets={
        **APART_FROM_POINTS,
        "smoke": APART_FROM_POINTS["smoke"] | {"model": "fc:widths=16", "moments": 2},
    },
    by=("part", "method", "epoch"),
    metrics=METRICS,
    words=WORDS,
):
    """How do the vertices of a region come apart in training, with and without their penalty?"""

    training: RegionTraining = RegionTraining()
    betas: tuple[float, ...] = swept(1.0, 0.0, words="β", least=0)
    """β of the penalty β cos² of a random pair of vertices."""
    vertices: int = number(2, least=2)
    """Vertices; two make a line."""
    moments: int = number(10, least=1)
    """Moments after the start, evenly to the end, at which networks are compared."""

    def ask(self) -> Iterator[Row]:
        """A region for each β, at each moment."""
        ends = tuple(f"vertex{i}" for i in range(self.vertices))
        for seeds in self.training.each_seed():
            for beta in self.betas:
                run = self.training.run(Simplex(self.vertices, beta=beta), seeds)
                method = f"β = {beta:g}"
                yield Row({"part": "training", "method": method}, run, self.training.watching())
                for i in range(self.moments + 1):
                    epoch = round(self.training.epochs * i / self.moments, 6)
                    labels = {"part": "moment", "method": method, "epoch": epoch, "seed": seeds.base}
                    when = "end" if i == self.moments else f"{epoch:g}ep"
                    yield Row(labels, Points.of(run, (*ends, "midpoint"), when=when))

    def answered_by(self) -> tuple[Answer, ...]:
        """Against time."""
        chart = Curve(
            "epoch", ("method",), name="dynamics", metrics=IN_TIME, spread="sd", title="Vertices in training",
            values="Values are those of each moment",
        )  # fmt: skip
        return (Answer("in-time", On(InTime(), Curves(IN_TIME, "epoch", ("method",), runs=False)), chart),)
