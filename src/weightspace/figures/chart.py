"""Chart: a kind of figure that knows no question. It is handed its table, and computes nothing anew.

A kind is a small frozen dataclass that says which columns go where; how it is drawn lies in one file of its
own (`draws`), which is loaded when something is drawn: a plotting library is no matter of asking. A panel
is what is saved.
"""

import dataclasses
import functools
import importlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from weightspace.figures.panel import Panel
from weightspace.frames import Frame
from weightspace.tables.base import Outputs, finished, no_outputs
from weightspace.tables.thresholds import weights_of
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Vocabulary

AT_THE_END = "Values are those at the end of training"
BEST = "Values are the best over all readings (flattering on the test split)"


@dataclasses.dataclass(frozen=True)
class Notes:
    """What captions and axes say of the whole, whichever the table.

    Attributes:
      rows: All rows asked, a row a run.
      words: Labels and metrics in words.
      outputs: `(run, key) -> array`, for charts that show what runs have left.
    """

    rows: Frame
    words: Vocabulary = VOCABULARY
    outputs: Outputs = no_outputs

    @property
    def status(self) -> Any:
        """Of all rows asked."""
        return self.rows["status"]

    @functools.cached_property
    def size(self) -> float:
        """D, the number of weights; NaN where it is not known."""
        return weights_of(self.rows)

    def swept(self, label: str, metrics: Collection[str], reference: tuple[str, Any]) -> list[float]:
        """The values of a label among finished rows with one of the metrics, the reference's left out."""
        rows = finished(self.rows)
        name, value = reference
        rows = rows[rows[name] != value] if name in rows else rows
        rows = rows.dropna(subset=[metric for metric in metrics if metric in rows], how="all")
        return sorted(float(each) for each in rows[label].dropna().unique())

    def after(self, text: str) -> str:
        """A sentence, followed by which runs have no values.

        Args:
          text: The sentence, without its full stop.
        """
        counts = self.status.value_counts()
        diverged = int(counts.get("diverged", 0))
        absent = {name: int(counts.get(name, 0)) for name in ("failed", "blocked", "waiting")}
        parts = [f"{diverged} of {len(self.status)} runs diverged"] if diverged else []
        left_out = ", ".join(f"{count} {name}" for name, count in absent.items() if count)
        parts += [f"not in the figure: {left_out}"] if left_out else []
        return "; ".join([text, *parts]) + "."


class Chart:
    """A kind of figure; a subclass is a frozen dataclass."""

    draws: ClassVar[str] = ""
    """The module of `weightspace.figures` whose `draw` draws it."""

    def draw(self, frame: Frame, notes: Notes) -> Sequence[Panel]:
        """The figures; none where the table has nothing to show.

        Args:
          frame: The table of the answer that it belongs to.
          notes: What captions say of the whole.
        """
        panels = importlib.import_module(f"weightspace.figures.{self.draws}").draw(self, frame, notes)
        return [dataclasses.replace(panel, chart=self, notes=notes) for panel in panels]
