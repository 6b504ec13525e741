"""A question with its runs: tables, answers and figures of it, each made once and when it is asked for."""

import dataclasses
import functools
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from weightspace.digests import DIGEST_LENGTH
from weightspace.errors import StoreError
from weightspace.experiments.answer import Answer, answers_of, drawn
from weightspace.experiments.base import Experiment
from weightspace.experiments.plain import Runs, plain_answers
from weightspace.experiments.restore import RestoreWarning
from weightspace.figures.panel import Panel
from weightspace.named import looking
from weightspace.store.base import Store
from weightspace.store.read import readings_of, settings_of
from weightspace.store.reasons import shortly
from weightspace.store.rows import Record
from weightspace.store.settings import SEED, telling_apart
from weightspace.tables.base import Given
from weightspace.tables.joined import completed, joined
from weightspace.tables.means import over_seeds
from weightspace.tables.vocabulary import VOCABULARY

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Answered:
    """A question with its runs.

    Attributes:
      store: Where the runs are.
      name: The experiment's name, as it was asked.
      experiment: The experiment, with the settings asked.
      table: Its rows of the table of results.
      model: The model's name, empty where the rows give none.
      data: The data's name, likewise.
      settings: Those in which it differs from others of its name, model and data.
      folder: A path for its files, below that of the experiment; it stays the same when more is asked.
    """

    store: Store
    name: str
    experiment: Experiment
    table: pd.DataFrame
    model: str
    data: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    folder: str = ""

    @functools.cached_property
    def history(self) -> pd.DataFrame:
        """Columns `run`, `step` and one for each metric; a row for each run and reading."""
        return readings_of(self.store, self.name, self.table["run"])

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        """Means and spreads over seeds. Of plain runs a line for each set of labels and untold settings."""
        if not isinstance(self.experiment, Runs):
            asked = self.asked.drop(columns=["experiment", "run", SEED], errors="ignore")
            titled = [name for name in ("model", "data") if name in asked and asked[name].nunique() < 2]
            labels = [str(name) for name in asked.drop(columns=titled)]
            make = functools.partial(self.experiment.summary, self.measured, labels)
            return self.made("summary", make, pd.DataFrame())
        own = settings_of(self.store).marks.columns(self.asked["run"])
        metrics = dict.fromkeys((*self.experiment.metrics, *own))
        return over_seeds(self.measured, self._telling, list(metrics))

    @functools.cached_property
    def _telling(self) -> list[str]:
        """Of plain runs, the labels but for the seed, and the settings that no label tells."""
        asked = self.asked
        labels = [str(name) for name in asked if name not in ("experiment", "run", SEED)]
        return [*labels, *map(str, telling_apart(asked, settings_of(self.store)).columns)]

    @property
    def asked(self) -> pd.DataFrame:
        """The columns `experiment` and `run` and the labels of its rows."""
        labels = [name for name in self.store.asked(self.name) if name in self.table]
        return self.table[labels]

    @functools.cached_property
    def measured(self) -> pd.DataFrame:
        """A row a label set, with the columns of all its nodes and the experiment's own."""
        whole = self.table
        if not isinstance(self.experiment, Runs):
            labels = [str(name) for name in self.asked if name not in ("experiment", "run")]
            whole = joined(completed(whole, labels, ("model", "data")), labels)
        return self.made("columns", lambda: self.experiment.measured(whole, lambda: self.history), whole)

    @functools.cached_property
    def given(self) -> Given:
        """What tables are made of; each is made once, for whatever shows it."""
        words = self.made("words", lambda: VOCABULARY.with_words(self.experiment.words), VOCABULARY)
        return Given(self.measured, lambda: self.history, self.store.output, words)

    @functools.cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The experiment's answers; of plain runs those that runs of any labels have."""
        if isinstance(self.experiment, Runs):
            return plain_answers(self.given, self._telling)
        return self.made("answers", lambda: answers_of(self.experiment), ())

    @functools.cached_property
    def analyses(self) -> dict[str, pd.DataFrame]:
        """The tables of the answers that are worth showing."""
        tables = {answer.name: self._table(answer) for answer in self.answers if not answer.hidden}
        return {name: table for name, table in tables.items() if table is not None}

    @property
    def names(self) -> list[str]:
        """The names of all tables, those for figures alone among them."""
        return list(dict.fromkeys(answer.name for answer in self.answers))

    def answer(self, name: str) -> pd.DataFrame | None:
        """The table of an answer, shown or not; None where there is none of that name, or it is left out."""
        return next((self._table(answer) for answer in self.answers if answer.name == name), None)

    def shown(self, name: str) -> pd.DataFrame:
        """What of an answer's table is worth a terminal."""
        frame = self.analyses[name]
        answer = next(answer for answer in self.answers if answer.name == name)
        return self.made(f"first lines of {name}", lambda: answer.worth_showing(frame), frame)

    @functools.cached_property
    def panels(self) -> list[Panel]:
        """The experiment's figures."""
        found: list[Panel] = []
        for answer in self.answers:
            for chart in answer.charts if self._table(answer) is not None else ():
                draw = functools.partial(drawn, answer, chart, self.given, self.given.words)
                found += self.made(f"figure {getattr(chart, 'name', '') or answer.name}", draw, [])
        return found

    @property
    def left_out(self) -> pd.DataFrame:
        """What of all asked for so far could not be made, and why."""
        return pd.DataFrame(list(self._reason_of.items()), columns=["what", "reason"])

    @functools.cached_property
    def _reason_of(self) -> dict[str, str]:
        return {}

    def _table(self, answer: Answer) -> pd.DataFrame | None:
        return self.made(f"answer {answer.name}", lambda: self.given.of(answer.table), None)

    def made(self, what: str, make: Callable[[], T], instead: T) -> T:
        """What an experiment makes of its rows; what cannot be made of a folder as it is, is left out."""
        if what in self._reason_of:
            return instead
        try:
            with looking():
                return make()
        except StoreError:
            raise
        except Exception as error:
            self._reason_of[what] = reason = shortly(f"{type(error).__name__}: {error}")
            text = f"the {what} of {self.name} cannot be made of what {self.store.root} holds ({reason})"
            warnings.warn(RestoreWarning(f"{text}; left out"), stacklevel=3)
            return instead

    @property
    def errors(self) -> dict[str, list[str]]:
        """By error text, the digests of the failed and blocked runs that ended so.

        Of a run that was blocked by a parent the text is the parent's.
        """
        return self._reasons(("failed", "blocked"))

    @property
    def diverged(self) -> dict[str, list[str]]:
        """By what happened, the digests of the runs that diverged."""
        return self._reasons(("diverged",))

    @property
    def without_value(self) -> dict[str, list[str]]:
        """By what is NaN of them and why, the digests of the runs that are sound but lack a metric."""
        return {text: runs for text, runs in self._reasons(("ok",)).items() if text != "ok"}

    def _reasons(self, statuses: Sequence[str]) -> dict[str, list[str]]:
        records = self.store.records()
        found: dict[str, list[str]] = {}
        for run in dict.fromkeys(self.table["run"]):
            if run in records and records[run].status in statuses:
                found.setdefault(_reason(records[run], records), []).append(run)
        return found

    @property
    def provenance(self) -> list[str]:
        """The ids of the circumstances under which its runs were made."""
        records = self.store.records()
        found = (records[run].provenance for run in self.table["run"] if run in records)
        return [name for name in dict.fromkeys(found) if name]


def _reason(record: Record, records: Mapping[str, Record]) -> str:
    text = record.error or record.status
    if record.status == "diverged":
        return f"diverged: {text}" if record.error else text
    named = re.findall(rf"\b[0-9a-f]{{{DIGEST_LENGTH}}}\b", text)
    parents = [records[digest].error for digest in named if digest in records]
    return f"{record.status} by a parent: {parents[0]}" if parents and parents[0] else text
