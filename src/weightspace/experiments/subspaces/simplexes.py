"""`subspaces.simplexes`: does the midpoint get better with the number of vertices?"""

import dataclasses
from collections.abc import Iterator

from weightspace.derived.region import Points
from weightspace.errors import check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.subspaces.tables import SCORES, Part, differences
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, TWO, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.measure.agreement import WAYS
from weightspace.run import Row
from weightspace.spaces.simplex import Simplex
from weightspace.streams import Seeds
from weightspace.tables.base import Given, On, Table
from weightspace.tables.curves import Curves


@dataclasses.dataclass(frozen=True)
class ByVertices(Table):
    """Midpoints and ensembles by their number of vertices; standard training stands at one vertex."""

    def of(self, given: Given) -> Frame:
        """The rows of `point`, their kind as `method`."""
        rows = given.of(Part("point"))
        if rows.empty or "kind" not in rows:
            return rows.iloc[:0].assign(vertices=0)
        rows = rows[rows["method"] != TWO]
        return rows.assign(method=rows["kind"].fillna(STANDARD), vertices=rows["vertices"].fillna(1))


class SubspacesSimplexes(
    Experiment,
    name="subspaces.simplexes",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 5",
    reading=AVERAGED,
    presets=APART_FROM_POINTS,
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Does the midpoint of a trained simplex get better with the number of vertices?"""

    training: RegionTraining = RegionTraining()
    vertices: tuple[int, ...] = swept(2, 3, 4, least=2)
    """Vertices of the simplexes."""
    layerwise: tuple[bool, ...] = swept(False, True)
    """Whether modules have draws of their own."""
    beta: float = number(1.0, least=0)
    """β of the penalty β cos² of a random pair of vertices."""
    members: int = number(6, least=2)
    """Random points that vote as one."""
    way: str = "probability_mean"
    """How ensembles vote: probability_mean, logit_mean or, as in the original's pairs, logit_sum."""

    def check(self) -> None:
        """A known way."""
        check_choice("way of an ensemble", self.way, WAYS)

    def ask(self) -> Iterator[Row]:
        """Two standard trainings, and of each simplex the midpoint, vertices and random points."""
        for seeds in self.training.each_seed():
            yield from self.training.references(seeds, self.way)
            for m in self.vertices:
                for layerwise in self.layerwise:
                    yield from self._simplex(m, layerwise, seeds)

    def _simplex(self, m: int, layerwise: bool, seeds: Seeds) -> Iterator[Row]:
        run = self.training.run(Simplex(m, beta=self.beta, layerwise=layerwise), seeds)
        name, own = "layerwise" if layerwise else "simplex", {"vertices": m}
        yield Row({"part": "training", "method": f"{name}, m = {m}"} | own, run, self.training.watching())
        groups = {
            "midpoint": ("midpoint",),
            "random points": tuple(f"sample{i}" for i in range(self.members)),
            "vertices": tuple(f"vertex{i}" for i in range(m)),
        }
        for what, names in groups.items():
            labels = {"part": "point", "method": f"{name}, m = {m}, {what}", "kind": f"{name}, {what}"}
            yield Row(labels | own | {"seed": run.seeds.base}, Points.of(run, names, way=self.way))

    def answered_by(self) -> tuple[Answer, ...]:
        """Against the number of vertices, and differences by seed."""
        metrics = tuple(f"all_{name}" for name in SCORES)
        chart = Curve(
            "vertices", ("method",), name="vertices", metrics=metrics[:1], spread="sd",
            title="Against the number of vertices", baseline=("method", STANDARD),
            baseline_words=("standard training", "standard training"),
        )  # fmt: skip
        table = On(ByVertices(), Curves(metrics, "vertices", ("method",), runs=False))
        return Answer("by-vertices", table, chart), differences()
