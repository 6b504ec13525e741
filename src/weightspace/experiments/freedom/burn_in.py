"""`freedom.burn-in`: how does the threshold fall when the slice passes through partly trained weights?"""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Levels, Slices
from weightspace.experiments.settings import swept
from weightspace.run import Row

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
    burn_in: tuple[int, ...] = swept(0, 4, 16, 64, words="burn-in t", least=0)
    """Steps t of full-space training before the slice is laid."""
    legacy_steps: bool = False
    """Train t + 1 steps for t > 0, as the original code does."""

    def ask(self) -> Iterator[Row]:
        """All dimensions, burn-ins, arms and seeds; the burn-in runs come along as parents."""
        yield from self.slices.references()
        for labels, recipe, task in self.slices.arms():
            for seeds in self.slices.slice_seeds():
                for t in self.burn_in:
                    steps = t + 1 if self.legacy_steps and t else t
                    offset = self.slices.full(task, seeds, f"{steps}it").final() if t else None
                    for dim in self.slices.dims:
                        run = self.slices.inside(dim, recipe, task, seeds, offset)
                        yield self.slices.row("burn-in", dim, run, {"burn_in": t, **labels})

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds, and these against the burn-in."""
        return self.reach.answers()
