"""Answer: a table of what a question left behind, and the charts that show it.

The table is made once; charts are handed it and compute nothing anew.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from weightspace.errors import InputError
from weightspace.figures.chart import Chart, Notes
from weightspace.figures.panel import Panel
from weightspace.frames import Frame
from weightspace.tables.base import Given, Table
from weightspace.tables.words import Vocabulary

ALL = -1


@dataclasses.dataclass(frozen=True, init=False)
class Answer:
    """What a question is answered by.

    Attributes:
      name: Its name, for `results --table NAME` and the heading of the page.
      table: How it is made.
      charts: What shows it.
      shown: What of it is worth a terminal: all of it, so many first lines, the lines whose labels have these
        values, or a table of its lines. 0 leaves it to figures and to those who ask for it by name.
      note: A sentence below the table on the page.
    """

    name: str
    table: Table
    charts: tuple[Chart, ...]
    shown: Any
    note: str

    def __init__(self, name: str, table: Table, *charts: Chart, shown: Any = ALL, note: str = ""):
        for key, value in (
            ("name", name),
            ("table", table),
            ("charts", charts),
            ("shown", shown),
            ("note", note),
        ):
            object.__setattr__(self, key, value)

    @property
    def hidden(self) -> bool:
        """Whether it is for figures alone."""
        return type(self.shown) is int and self.shown == 0

    def worth_showing(self, frame: Frame) -> Frame:
        """The lines of its table that are worth a terminal."""
        if isinstance(self.shown, Table):
            return self.shown.of(Given(frame, frame.iloc[:0]))
        if isinstance(self.shown, dict):
            for label, value in self.shown.items():
                frame = frame[frame[label] == value] if label in frame else frame
            return frame.reset_index(drop=True)
        return frame if self.shown == ALL else frame.head(self.shown)


def answers_of(experiment: Any) -> tuple[Answer, ...]:
    """The answers of an experiment, in order.

    Raises:
      InputError: If two have one name, or one has that of another table.
    """
    found = tuple(experiment.answered_by())
    names = ["runs", "summary", *(answer.name for answer in found)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{experiment.name} has two tables called '{twice}'; name each answer apart")
    return found


def tables_of(answers: Sequence[Answer], given: Given) -> dict[str, Frame]:
    """The tables of answers by name, but for those that are for figures alone."""
    return {answer.name: given.of(answer.table) for answer in answers if not answer.hidden}


def panels_of(answers: Sequence[Answer], given: Given, words: Vocabulary) -> list[Panel]:
    """The figures of answers, in order."""
    pairs = [(answer, chart) for answer in answers for chart in answer.charts]
    return [panel for pair in pairs for panel in drawn(*pair, given, words)]


def drawn(answer: Answer, chart: Chart, given: Given, words: Vocabulary) -> list[Panel]:
    """The figures of a chart; one that has nothing to show draws none."""
    from weightspace.figures import style

    with style.style():
        return list(chart.draw(given.of(answer.table), Notes(given.rows, words, given.outputs)))
