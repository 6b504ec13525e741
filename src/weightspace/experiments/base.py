"""Experiment: a named question, as a frozen dataclass that is Python API, command line and record at once.

A question is one class: fields are its settings (`settings` has their marks; recipes nest as values), `ask`
gives rows, `answers` says which tables and charts are made of them. Tables and charts read only what they are
handed, so they can be repeated from a store at any time. A field's docstring is its help.

    class Mine(Experiment, name="mine", presets={"smoke": {"training.epochs": 1}}):
        '''Does width help?'''

        training: Training = Training(data="digits")
        widths: tuple[int, ...] = swept(8, 64)

        def ask(self):
            for width in self.widths:
                for seeds in self.training.each_seed():
                    yield Row({"width": width}, self.training.run(Full(), seeds, f"fc:widths={width}"))

        answers = (Answer("curve", Curves(("test_accuracy",), x="width"), Curve(x="width")),)

`ask` may also yield lists and is then given the table of all rows asked so far: `table = yield rows`. Rows of
one label set join. A class is a frozen dataclass by naming itself in its first line.
"""

import abc
import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from weightspace.errors import InputError
from weightspace.experiments import settings
from weightspace.experiments.answer import Answer, answers_of, panels_of, tables_of
from weightspace.experiments.asking import in_batches
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.tables.base import Given, Readings, Table, no_outputs
from weightspace.tables.means import over_seeds
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Label, Metric

_NAME = re.compile(r"[A-Za-z][\w.-]{0,99}", re.ASCII)


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
    figure: str = ""


NO_PAPER = Paper("", "")


@typing.dataclass_transform(
    frozen_default=True,
    field_specifiers=(dataclasses.field,),
)
class Experiment(abc.ABC):
    """A named question."""

    name: ClassVar[str] = ""
    question: ClassVar[str] = ""
    paper: ClassVar[Paper] = NO_PAPER
    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}}
    gpu: ClassVar[tuple[str, ...]] = ()
    """Presets that take a CPU days: `list` and `--help` say that they are for a GPU."""
    reading: ClassVar[str] = ""
    """How to read the figures, in a few sentences."""
    answers: ClassVar[tuple[Answer, ...]] = ()
    """Tables and their charts."""
    columns: ClassVar[Table | None] = None
    """A table of one row a run with the question's own columns; None where the last values do."""
    overview: ClassVar[Table | None] = None
    """The summary, where means of the `metrics` over `by` are not all of it."""
    words: ClassVar[tuple[Label | Metric, ...]] = ()
    """Labels and metrics that the vocabulary has not."""
    reference: ClassVar[str | Path] = ""
    """A CSV file of numbers to compare with, as those in `report/reference`; relative to the module."""
    by: ClassVar[tuple[str, ...]] = ()
    """The labels that tell the lines of the summary apart; none: all that rows have but for the seed."""
    metrics: ClassVar[tuple[str, ...]] = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
    """The columns that the summary averages."""
    declared: ClassVar[bool] = False
    """Whether the class names itself in its first line."""

    def __init_subclass__(cls, figure: str = "", **named: Any) -> None:
        super().__init_subclass__()
        if "ask" in vars(cls) and not getattr(cls.ask, "__isabstractmethod__", False):
            cls.ask = in_batches(vars(cls)["ask"])  # pyright: ignore[reportAttributeAccessIssue]
        if not named and not figure:
            return
        for key, value in named.items():
            if key not in _SAID:
                raise InputError(
                    f"class {cls.__name__} is given {key}=; an experiment is given {', '.join(_SAID)}"
                )
            setattr(cls, key, value)
        if figure:
            cls.paper = dataclasses.replace(cls.paper, figure=figure)
        if "question" not in named and cls.__doc__:
            cls.question = inspect.cleandoc(cls.__doc__).split("\n\n")[0].replace("\n", " ")
        cls.declared = True
        _declare(cls)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{type(self).__name__} is called {self.name!r}; an experiment is named in its class line, "
                f'by letters, digits, dots and dashes: class {type(self).__name__}(Experiment, name="…")'
            )
        settings.check(self)
        self.check()
        answers_of(self)

    def check(self) -> None:  # noqa: B027  # most have no more to say
        """What else must hold of the settings; raises `InputError` in a sentence."""

    @abc.abstractmethod
    def ask(self) -> Any:
        """Rows to be answered: one by one, or lists of them, for each of which the table is given back."""

    def answered_by(self) -> tuple[Answer, ...]:
        """Tables and their charts: `answers`, or others where they depend on the settings."""
        return self.answers

    def columns_by(self) -> Table | None:
        """The table of one row a run: `columns`, or another where it depends on the settings."""
        return self.columns

    def summary(self, table: Frame, labels: Sequence[str] = ()) -> Frame:
        """Mean, standard deviation and number of runs of the `metrics`, for each set of the labels `by`.

        Args:
          table: The rows.
          labels: By which lines are told apart where the class does not say: all that was asked by.
        """
        if self.overview is not None:
            return self.overview.of(self._given(table, table.iloc[:0]))
        return over_seeds(table, list(self.by or labels), list(self.metrics))

    def measured(self, table: Frame, history: Readings) -> Frame:
        """The table with the experiment's own columns: one value a run, of its whole history."""
        columns = self.columns_by()
        return table if columns is None else columns.of(self._given(table, history))

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """The tables of the answers by name, but for those that are for figures alone.

        Args:
          table: The final table: labels, status and last values.
          history: Columns `run`, `step` and one for each metric; a row for each run and reading.
        """
        return tables_of(answers_of(self), self._given(table, history))

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Figures with captions and the numbers in them.

        Args:
          table: As for `analyse`.
          history: Likewise.
          outputs: `(run, name) -> array`, what the nodes have left behind.
        """
        given = self._given(table, history, outputs)
        return panels_of(answers_of(self), given, given.words)

    def _given(self, table: Frame, history: Readings, outputs: Outputs = no_outputs) -> Given:
        return Given(table, history, outputs, VOCABULARY.with_words(self.words))

    def fields(self) -> dict[str, Any]:
        """The settings as JSON values, by short name, for the record."""
        return settings.recorded(self)

    @classmethod
    def preset(cls, name: str) -> "Experiment":
        """The experiment with the settings of a preset, by short names or paths."""
        return cls(**cls.presets[name])

    def joined(self, newer: "Experiment") -> "Experiment":
        """The question that asks for what this and a newer one ask for; they agree in all other settings."""
        return settings.joined(self, newer)


_SAID = (
    "name", "question", "paper", "presets", "reading", "answers", "columns", "overview", "words",
    "reference", "by", "metrics", "gpu",
)  # fmt: skip


def _declare(cls: Any) -> None:
    """Make a class that names itself a frozen dataclass, whose settings have short names in Python too."""
    dataclasses.dataclass(frozen=True)(cls)
    fields = {field.name for field in dataclasses.fields(cls)}
    for name in sorted(fields & set(dir(Experiment))):
        raise InputError(
            f"class {cls.__name__} has a setting called '{name}', which says something of every experiment; "
            f"call it otherwise, or give it in the class line: {name}=…"
        )
    known = settings.settings_of(cls)
    made, takes = cls.__init__, inspect.signature(cls.__init__)

    @functools.wraps(made)
    def init(self: Any, *values: Any, **more: Any) -> None:
        short = {name: more.pop(name) for name in list(more) if name not in fields}
        given = dict(takes.bind(self, *values, **more).arguments)
        del given["self"]
        made(self, **(settings.nested(cls, given, short) if short else given))

    def read(self: Any, name: str) -> Any:
        setting = None if name.startswith("__") else known.get(name)
        if setting is None or len(setting.path) == 1:
            raise AttributeError(f"'{type(self).__name__}' has no '{name}'")
        return setting.of(self)

    cls.__init__, cls.__getattr__ = init, read
