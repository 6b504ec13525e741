"""Experiment: a named question, as a frozen dataclass that is Python API, command line and record at once.

`ask` yields rows and is given their table; `summary` is that table over seeds; `analyse` turns the final
table and the histories into answers; `figures` draws them. All three read only what they are handed, so they
can be repeated from a store at any time. A field's docstring is its help on the command line.
"""

import abc
import dataclasses
from collections.abc import Generator
from typing import Any, ClassVar

from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.summary import over_seeds
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.spec import canonical


@dataclasses.dataclass(frozen=True)
class Paper:
    """Where a question comes from.

    Attributes:
      title: Title of the paper.
      bibtex: Its BibTeX entry.
      figure: Which figure or table the experiment answers to.
    """

    title: str
    bibtex: str
    figure: str


@dataclasses.dataclass(frozen=True)
class Experiment(abc.ABC):
    """A named question."""

    name: ClassVar[str]
    question: ClassVar[str]
    paper: ClassVar[Paper]
    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}}
    minutes: ClassVar[dict[str, str]] = {}
    """Minutes of each preset, measured or from a part that was, with the hardware."""
    reading: ClassVar[str] = ""
    """How to read the figures, in a few sentences."""
    by: ClassVar[tuple[str, ...]] = ()
    """The labels that tell the lines of the summary apart."""
    metrics: ClassVar[tuple[str, ...]] = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
    """The columns that the summary averages."""
    swept: ClassVar[tuple[str, ...]] = ("seeds",)
    """Fields that list values: questions that differ only here are shown as one, with the values of all."""
    extents: ClassVar[tuple[str, ...]] = ()
    """Fields of which a greater value asks for all that a smaller one does: questions that differ only here
    are shown as one, with the greatest."""
    passing: ClassVar[tuple[str, ...]] = ()
    """Fields that change no number: where questions differ only here, the newest one's hold."""

    @abc.abstractmethod
    def ask(self) -> Generator[list[Row], Frame, None]:
        """Rows to be answered; each `yield` gives the table of all rows asked so far."""

    def summary(self, table: Frame) -> Frame:
        """Mean, standard deviation and number of runs of the `metrics`, for each set of the labels `by`."""
        return over_seeds(table, list(self.by), list(self.metrics))

    def measured(self, table: Frame, history: Frame) -> Frame:
        """The table with the experiment's own columns: one value a run, of its whole history."""
        return table

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """Answers by name.

        Args:
          table: The final table: labels, status and last values.
          history: Columns `run`, `step` and one for each metric; a row for each run and reading.
        """
        return {}

    def shown(self, name: str, frame: Frame) -> Frame:
        """The part of an answer that is worth a terminal; by default all of it."""
        return frame

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Figures with captions and the numbers in them.

        Args:
          table: As for `analyse`.
          history: Likewise.
          outputs: `(run, name) -> array`, what the nodes have left behind.
        """
        return []

    def fields(self) -> dict[str, Any]:
        """The fields as JSON values, for the record."""
        return {f.name: canonical(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def joined(self, newer: "Experiment") -> "Experiment":
        """The question that asks for what this and a newer one ask for; they agree in all other fields."""
        united = {name: _union(name, getattr(self, name), getattr(newer, name)) for name in self.swept}
        greatest = {name: max(getattr(self, name), getattr(newer, name)) for name in self.extents}
        return dataclasses.replace(newer, **united, **greatest)


def _union(name: str, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    if first == second:
        return first
    if name == "seeds":
        first, second = parse_seeds(first), parse_seeds(second)
    values = tuple(dict.fromkeys((*first, *second)))
    # Names stay in the order they were given in: comparisons are made with the first.
    return values if any(isinstance(value, str) for value in values) else tuple(sorted(values))
