"""`subspaces.planes`: what lies between three vertices, and between three separate trainings?"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from weightspace.derived.plane_through import PlaneThrough, RegionPoint
from weightspace.derived.region import Points
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number
from weightspace.experiments.subspaces.tables import Part
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, RegionTraining
from weightspace.experiments.subspaces.words import GARIPOV_2018, METRICS, READING, WORDS
from weightspace.figures.charts import Field
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.spaces.full import Full
from weightspace.spaces.simplex import Simplex
from weightspace.tables.base import Given, Table

SIMPLEX = "simplex"
_HEIGHT = np.sqrt(3) / 2
_COLUMNS = ["run", "seed", "method", "x", "y", "accuracy", "mark"]


def ternary(steps: int) -> tuple[str, ...]:
    """Names of the points of a triangle whose coefficients are multiples of 1 / steps.

    >>> ternary(1)
    ('1:0:0', '0:1:0', '0:0:1')
    """
    each = ((i, j, steps - i - j) for i in range(steps, -1, -1) for j in range(steps - i, -1, -1))
    return tuple(":".join(f"{part / steps:.8g}" for part in place) for place in each)


@dataclasses.dataclass(frozen=True)
class OfLeastSeed(Table):
    """A part's map of the least seed: columns `method x y accuracy mark`; marks are the three networks.

    Attributes:
      part: `plane` or `ternary`.
      steps: Of the triangle, along each side.
    """

    part: str
    steps: int = 0

    def of(self, given: Given) -> Frame:
        """The lines."""
        from pandas import DataFrame

        rows = given.of(Part(self.part))
        lines = []
        for row in rows[rows["seed"] == rows["seed"].min()].to_dict("records") if len(rows) else ():
            common = {name: row[name] for name in ("run", "seed", "method")}
            accuracy = np.asarray(given.outputs(row["run"], "accuracy"))
            places, corners = self._places(given, row["run"])
            lines += [
                common | {"x": x, "y": y, "accuracy": value, "mark": None}
                for (x, y), value in zip(places, accuracy.ravel(), strict=True)
            ]
            lines += [
                common | {"x": x, "y": y, "accuracy": np.nan, "mark": f"θ{i + 1}"}
                for i, (x, y) in enumerate(corners)
            ]
        return DataFrame(lines, columns=_COLUMNS)

    def _places(self, given: Given, run: str) -> tuple[np.ndarray, np.ndarray]:
        if self.part == "plane":
            x, y = (np.asarray(given.outputs(run, name)) for name in ("x", "y"))
            return np.asarray([(a, b) for b, a in itertools.product(y, x)]), given.outputs(run, "corners")
        corners = np.asarray([(0, 0), (1, 0), (0.5, _HEIGHT)])
        shares = np.asarray([[float(part) for part in name.split(":")] for name in ternary(self.steps)])
        return shares @ corners, corners


class SubspacesPlanes(
    Experiment,
    name="subspaces.planes",
    gpu=("paper",),
    paper=GARIPOV_2018,
    figure="planes through three networks",
    reading=READING + " Maps are of the least seed; distances are Euclidean, of all weights.",
    presets={
        **APART_FROM_POINTS,
        "smoke": APART_FROM_POINTS["smoke"] | {"model": "fc:widths=16", "grid": 5, "steps": 4},
        "paper": APART_FROM_POINTS["paper"] | {"grid": 21, "steps": 12},
    },
    by=("part", "method"),
    metrics=(*METRICS, "plane_worst_accuracy"),
    words=WORDS,
):
    """What lies between the vertices of a trained simplex, and between separate trainings?"""

    training: RegionTraining = RegionTraining()
    grid: int = number(11, least=3)
    """Points of a plane along each side."""
    margin: float = number(0.2, least=0)
    """How far planes go beyond the three networks, as a share of their extent."""
    steps: int = number(8, least=1)
    """Of the triangle, along each side."""
    beta: float = number(1.0, least=0)
    """β of the penalty β cos² of a random pair of vertices."""

    def ask(self) -> Iterator[Row]:
        """A simplex and three trainings, planes through both, and the simplex itself."""
        training = self.training
        for seeds in training.each_seed():
            own = {"seed": seeds.base}
            run = training.run(Simplex(3, beta=self.beta), seeds)
            yield Row({"part": "training", "method": SIMPLEX}, run, training.watching())
            each = [training.run(Full(), training.apart(seeds, i)) for i in range(3)]
            for i, one in enumerate(each):
                yield Row(
                    {"part": "training", "method": f"{STANDARD}, number {i + 1}"}, one, training.watching()
                )
            three = {
                SIMPLEX: [RegionPoint.of(run, f"vertex{i}").output("weights") for i in range(3)],
                "separate trainings": [one.final() for one in each],
            }
            for method, weights in three.items():
                node = PlaneThrough(
                    training.network(), training.task, tuple(weights), seeds, self.grid, self.margin,
                    precision=training.precision,
                )  # fmt: skip
                yield Row({"part": "plane", "method": method} | own, node)
            yield Row({"part": "ternary", "method": SIMPLEX} | own, Points.of(run, ternary(self.steps)))

    def answered_by(self) -> tuple[Answer, ...]:
        """Both maps."""
        plane = Field(
            "x", "y", "accuracy", "method", name="plane", title="The plane through three networks",
            caption="Test accuracy of the networks of a plane, each with statistics of its own.",
        )  # fmt: skip
        triangle = Field(
            "x", "y", "accuracy", "method", bare=True, name="ternary", title="The simplex",
            caption="Test accuracy of the networks between the vertices.",
        )  # fmt: skip
        return (
            Answer("plane", OfLeastSeed("plane"), plane, shown=0),
            Answer("ternary", OfLeastSeed("ternary", self.steps), triangle, shown=0),
        )
