"""What the captions of a set of figures have in common: which values, of which runs, with which spread."""

import dataclasses

import numpy as np
import pandas as pd

from weightspace.figures.axes import number

TITLES = {
    "test_accuracy": "test accuracy",
    "train_accuracy": "training accuracy",
    "test_loss": "test loss",
    "train_loss": "training loss",
}
"""Metrics in words, in the order of panels."""


@dataclasses.dataclass(frozen=True)
class Notes:
    """What captions say of the whole.

    Attributes:
      size: D, the number of weights; NaN where it is not known.
      failure: δ, the probability of failure that d* allows.
      success: Whether a run's value is its `final` or its `best` one.
      status: Of all runs asked.
    """

    size: float
    failure: float
    success: str
    status: pd.Series

    @property
    def values(self) -> str:
        """Which value of a run is meant, and which runs have none."""
        text = "Values are those at the end of training"
        if self.success == "best":
            text = "Values are the best over all readings (flattering on the test split)"
        counts = self.status.value_counts()
        diverged = int(counts.get("diverged", 0))
        absent = {name: int(counts.get(name, 0)) for name in ("failed", "blocked", "waiting")}
        parts = [f"{diverged} of {len(self.status)} runs diverged"] if diverged else []
        left_out = ", ".join(f"{count} {name}" for name, count in absent.items() if count)
        parts += [f"not in the figure: {left_out}"] if left_out else []
        return "; ".join([text, *parts]) + "."

    @property
    def threshold(self) -> str:
        """What d* is."""
        share = 100 * (1 - self.failure)
        return f"d*, the smallest d at which at least {share:g} % of the seeds reach the level"

    @property
    def dimension(self) -> str:
        """D in words, if it is known."""
        return f"D = {number(self.size)}" if np.isfinite(self.size) else ""


def metrics_in(frame: pd.DataFrame) -> list[str]:
    """The metrics of a table's column `metric`, in the order of panels."""
    return [metric for metric in TITLES if (frame["metric"] == metric).any()]


def runs_text(n: pd.Series, what: str = "run") -> str:
    """How many there were.

    >>> runs_text(pd.Series([3, 5])), runs_text(pd.Series([1, 1]), "seed")
    ('n = 3 to 5 runs', 'n = 1 seed')
    """
    least, most = int(n.min()), int(n.max())
    count = f"{least}" if least == most else f"{least} to {most}"
    return f"n = {count} {what}{'' if most == 1 else 's'}"
