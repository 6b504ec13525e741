"""`subspaces.curves`: curves with ends that are trained too; `subspaces.connect`: between two networks."""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.subspaces.tables import along, differences
from weightspace.experiments.subspaces.training import PRESETS, PathTraining
from weightspace.experiments.subspaces.words import GARIPOV_2018, METRICS, READING, WORDS, WORTSMAN_2021
from weightspace.run import Row
from weightspace.spaces.curves import Bezier
from weightspace.spaces.simplex import Line


class SubspacesCurves(
    Experiment,
    name="subspaces.curves",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 4, curves",
    reading=READING,
    presets=PRESETS,
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Are networks along a trained Bézier curve better than those along a line?"""

    training: PathTraining = PathTraining()
    vertices: tuple[int, ...] = swept(3, least=3)
    """Vertices of the Bézier curves, both ends among them."""
    beta: float = number(1.0, least=0)
    """β of the penalty β cos² of a random pair of vertices."""

    def ask(self) -> Iterator[Row]:
        """Two standard trainings, a line and the curves."""
        for seeds in self.training.each_seed():
            yield from self.training.references(seeds)
            for space in (Line(beta=self.beta), *(Bezier(m, beta=self.beta) for m in self.vertices)):
                yield from self.training.region(space.name, self.training.run(space, seeds))

    def answered_by(self) -> tuple[Answer, ...]:
        """Against α, and differences by seed."""
        return (*along(), differences())


class SubspacesConnect(
    Experiment,
    name="subspaces.connect",
    gpu=("paper",),
    paper=GARIPOV_2018,
    figure="Figs. 1 and 2",
    reading=READING + " The ends are two separate trainings and stay as they are.",
    presets=PRESETS,
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Are two separate trainings joined by a curve along which the error does not rise?"""

    training: PathTraining = PathTraining()
    vertices: tuple[int, ...] = swept(3, least=3)
    """Vertices of the Bézier curves, both ends among them."""
    decay: float = number(5e-4, least=0)
    """λ of the pull λ/2 |w|² on the point of a step, instead of the recipe's on the vertices."""

    def ask(self) -> Iterator[Row]:
        """Two standard trainings, the straight line between them, and curves whose bends are trained."""
        for seeds in self.training.each_seed():
            yield from self.training.references(seeds)
            first, last = (run.final() for run in (self.training.standard(seeds), self.training.other(seeds)))
            for m in self.vertices:
                space = Bezier(
                    m, starts=(first, *(None,) * (m - 2), last), frozen=(0, -1), bends="between",
                    decay=self.decay, beta=None,
                )  # fmt: skip
                run = self.training.run(space, seeds, weight_decay=0.0)
                if m == self.vertices[0]:  # bends begin on the straight line
                    yield self.training.along("straight line", run, when="0")
                yield from self.training.region(space.name, run)

    def answered_by(self) -> tuple[Answer, ...]:
        """Against t, and differences by seed."""
        return (*along(), differences())
