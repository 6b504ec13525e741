"""`freedom.burn-in`: how does the threshold fall when the slice passes through partly trained weights?"""

import dataclasses
import functools
from collections.abc import Iterator

from weightspace.data.task import Task
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.settings import swept
from weightspace.node import Output
from weightspace.run import Row, Run
from weightspace.streams import Seeds

PRESETS = {
    "smoke": {"dims": (4, 32), "burn_in": (0, 8), "seeds": ("2",), "epochs": 2.0},
    "quick": {
        "dims": (2, 4, 8, 16, 32, 64, 128), "burn_in": (0, 4, 16, 64), "seeds": ("5",), "epochs": 20.0,
    },
    "paper": {
        "data": "mnist", "dims": tuple(2**k for k in range(13)), "burn_in": (0, 4, 16, 64, 256),
        "seeds": ("10",), "epochs": 3.0, "optimiser": ("adam-legacy", "adam"),
    },
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class BurnIn:
    """How long the whole network is trained before a slice is laid through it."""

    burn_in: tuple[int, ...] = swept(0, 4, 16, 64, words="burn-in t", least=0)
    """Steps t of full-space training before the slice is laid."""
    legacy_steps: bool = False
    """Train t + 1 steps for t > 0, as the original code does."""

    def rows(self, slices: Slices) -> Iterator[Row]:
        """A run for each burn-in, arm, dimension and seed; the burn-in runs come along as parents."""
        for t in self.burn_in:
            yield from slices.rows("burn-in", functools.partial(self._trained, slices, t), burn_in=t)

    def _trained(self, slices: Slices, t: int, task: Task, seeds: Seeds) -> Output | None:
        return self.run(slices, t, task, seeds).final() if t else None

    def run(self, slices: Slices, t: int, task: Task, seeds: Seeds) -> Run:
        """The training of t > 0 steps, a run of its own."""
        return slices.full(task, seeds, f"{t + 1 if self.legacy_steps else t}it")


class FreedomBurnIn(
    Experiment,
    name="freedom.burn-in",
    question="How does the threshold dimension fall with a few steps of ordinary training before?",
    paper=LARSEN_2022,
    reading=READING,
    presets=PRESETS,
    by=BY,
    metrics=METRICS,
):
    """How many degrees of freedom are needed after t steps of ordinary training?

    The slice passes through w_t, the end of a full-space run of exactly t steps (momentum 0.9, constant
    rate): a run of its own for each t, never a snapshot of the longest, so that no result depends on the
    sweep. t = 0 is the random subspace.
    """

    slices: Slices = Slices()
    reach: Levels = Levels()
    before: BurnIn = BurnIn()

    def check(self) -> None:
        """There is something to tune by."""
        self.reach.check_tuned(self.slices)

    def ask(self) -> Iterator[Row]:
        """All burn-ins, arms, dimensions and seeds, and the full space."""
        yield from self.slices.references()
        yield from self.before.rows(self.slices)

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds, and these against the burn-in."""
        return self.reach.answers()
