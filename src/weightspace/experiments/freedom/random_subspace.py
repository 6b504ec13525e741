"""`freedom.random`: how probably does a random d-dimensional slice through the start hold a solution?"""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Levels, Slices
from weightspace.run import Row

PRESETS = {
    "smoke": {"dims": (8, 64), "seeds": ("2",), "epochs": 3.0},
    "quick": {"dims": (4, 8, 16, 32, 64, 128, 256), "seeds": ("5",), "epochs": 30.0},
    "paper": {
        "data": "mnist", "dims": tuple(2**k for k in range(13)), "seeds": ("10",), "epochs": 3.0,
        "optimiser": ("adam-legacy", "adam"),
    },
}  # fmt: skip


class FreedomRandom(
    Experiment,
    name="freedom.random",
    question="How many degrees of freedom does training need in a random affine subspace?",
    paper=LARSEN_2022,
    reading=READING,
    presets=PRESETS,
    by=BY,
    metrics=METRICS,
):
    """How many degrees of freedom does this network need, in random subspaces through its initialisation?"""

    slices: Slices = Slices()
    reach: Levels = Levels()

    def ask(self) -> Iterator[Row]:
        """All dimensions, arms and seeds, and the full space."""
        yield from self.slices.references()
        for labels, recipe, task in self.slices.arms():
            for dim in self.slices.dims:
                for seeds in self.slices.slice_seeds():
                    run = self.slices.inside(dim, recipe, task, seeds)
                    yield self.slices.row("random", dim, run, labels)

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds."""
        return self.reach.answers()
