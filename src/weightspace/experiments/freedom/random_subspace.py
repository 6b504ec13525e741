"""`freedom.random`: how probably does a random d-dimensional slice through the start hold a solution?"""

from collections.abc import Generator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.panels import Panel
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.freedom.spending import Spending
from weightspace.frames import Frame
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
    spending: Spending = Spending()

    def check(self) -> None:
        """There is something to tune by."""
        self.reach.check_tuned(self.slices)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """All dimensions, arms and seeds, and the full space; then what is spent, as many runs a round."""
        yield from self.spending.ask((Panel(self.slices),))

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds."""
        return self.reach.answers()
