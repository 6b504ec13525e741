"""What a store can answer: the questions asked, joined where they are one, each with its runs.

A folder may hold several questions of one experiment. Those that differ only in what they sweep (seeds,
dimensions, …) become one with the values of all; every other difference, of model, data or a setting, keeps
them apart, also one that no setting of the experiment tells, as another source of a user's network, other
content under a data set's name, or another version of a part: no mean is taken over both. Figures, report and
comparison are made of these.
"""

import dataclasses
import functools
import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from weightspace.errors import StoreError, WeightspaceError
from weightspace.experiments.base import Experiment
from weightspace.experiments.restore import RestoreWarning, Runs, restored
from weightspace.experiments.summary import over_seeds
from weightspace.experiments.variants import variants
from weightspace.figures.panel import Panel
from weightspace.named import looking
from weightspace.spec import DIGEST_LENGTH, canonical_json
from weightspace.store.asked import Question, asked_frame
from weightspace.store.base import Store
from weightspace.store.read import history, results, settings_of
from weightspace.store.reasons import shortly
from weightspace.store.rows import Record
from weightspace.store.settings import SEED, telling_apart

T = TypeVar("T")
_LONGEST_NAME = 80


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
        labels = [name for name in self.store.asked(self.name) if name not in ("experiment", "run")]
        found = history(self.store, self.name, wide=True).drop(columns=labels)
        found = found[found["run"].isin(set(self.table["run"]))]
        return found.drop_duplicates(["run", "step"]).reset_index(drop=True)

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        """Means and spreads over seeds. Of plain runs a line for each set of labels and untold settings."""
        if not isinstance(self.experiment, Runs):
            return self._made("summary", lambda: self.experiment.summary(self.measured), pd.DataFrame())
        asked = self.asked
        by = [str(name) for name in asked if name not in ("experiment", "run", SEED)]
        settings = settings_of(self.store)
        apart = telling_apart(asked, settings).columns
        metrics = dict.fromkeys((*self.experiment.metrics, *settings.marks.columns(asked["run"])))
        return over_seeds(self.measured, [*by, *map(str, apart)], list(metrics))

    @property
    def asked(self) -> pd.DataFrame:
        """The columns `experiment` and `run` and the labels of its rows."""
        labels = [name for name in self.store.asked(self.name) if name in self.table]
        return self.table[labels]

    @functools.cached_property
    def measured(self) -> pd.DataFrame:
        """The table with the experiment's own columns."""
        whole = self.table
        return self._made("columns", lambda: self.experiment.measured(whole, self.history), whole)

    @functools.cached_property
    def analyses(self) -> dict[str, pd.DataFrame]:
        """The experiment's answers."""
        return self._made("answers", lambda: self.experiment.analyse(self.measured, self.history), {})

    @functools.cached_property
    def panels(self) -> list[Panel]:
        """The experiment's figures."""
        outputs = self.store.output
        return self._made(
            "figures", lambda: self.experiment.figures(self.measured, self.history, outputs), []
        )

    def _made(self, what: str, make: Callable[[], T], instead: T) -> T:
        """What an experiment makes of its rows; what cannot be made of a folder as it is, is left out."""
        try:
            with looking():
                return make()
        except WeightspaceError:
            raise
        except Exception as error:
            reason = shortly(f"{type(error).__name__}: {error}")
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


def answered(store: Store, name: str | None = None) -> list[Answered]:
    """What was asked in a store, in the order it was first asked.

    Args:
      store: The store.
      name: Only the questions of this experiment.

    Raises:
      InputError: If no experiment of that name has asked.
    """
    asked = store.questions(name)
    found: list[Answered] = []
    with looking():
        for each in dict.fromkeys(question.experiment for question in asked):
            found += _named([question for question in asked if question.experiment == each], store, each)
    return found


def asked_exactly(store: Store, experiment: Experiment, table: pd.DataFrame | None = None) -> Answered:
    """What this very experiment asked, among all of its name.

    Args:
      store: The store.
      experiment: The experiment.
      table: Its answer, as `sweep` has given it; None looks for what was asked with the same settings.

    Raises:
      StoreError: If it has not asked, or its settings do not tell apart what was asked.
    """
    if table is not None:
        return Answered(store, experiment.name, experiment, table, *_names(table))
    fields = canonical_json(experiment.fields())
    asked = store.questions(experiment.name)
    mine = [question for question in asked if canonical_json(question.fields) == fields]
    if not mine:
        raise StoreError(f"{store.root} has no answer to {experiment.name} with these settings; run it first")
    table = _rows(store, experiment.name, mine)
    found = variants(Answered(store, experiment.name, experiment, table, *_names(table)))
    if len(found) > 1:
        names = ", ".join(found[0].settings)
        raise StoreError(
            f"{experiment.name} was asked {len(found)} times with these settings, but other {names}; "
            f"weightspace report {store.root} shows each by itself"
        )
    return found[0]


def _named(questions: Sequence[Question], store: Store, name: str) -> list[Answered]:
    """The questions of one name, joined where they are one."""
    together: dict[str, tuple[Experiment, list[Question]]] = {}
    for question in questions:
        experiment = restored(name, question.fields)
        key = canonical_json([type(experiment).__qualname__, _kept_apart(experiment)])
        if key in together:
            before, others = together[key]
            together[key] = before.joined(experiment), [*others, question]
        else:
            together[key] = experiment, [question]
    parts = [
        variant
        for experiment, asked in together.values()
        for rows in _by_model_and_data(_rows(store, name, asked))
        for variant in variants(Answered(store, name, experiment, rows, *_names(rows)))
    ]
    return _told_apart(parts)


def _kept_apart(experiment: Experiment) -> dict[str, Any]:
    fields = experiment.fields()
    joined = (*experiment.swept, *experiment.extents, *experiment.passing)
    return {key: fields[key] for key in fields if key not in joined}


def _rows(store: Store, name: str, questions: Sequence[Question]) -> pd.DataFrame:
    """The rows of the results that these questions asked, by labels and run."""
    table, asked = results(store, name), store.asked(name)
    labels = [column for column in asked.columns if column not in ("experiment", "run")]
    wanted = set(_keys(asked_frame(questions), labels))
    chosen = np.array([key in wanted for key in _keys(table, labels)], bool)
    return table[chosen].reset_index(drop=True)


def _keys(frame: pd.DataFrame, labels: Sequence[str]) -> Iterator[tuple[str, frozenset[Any]]]:
    present = ["run", *(name for name in labels if name in frame)]
    for run, *values in frame[present].itertuples(index=False):
        given = zip(present[1:], values, strict=True)
        yield run, frozenset((name, str(type(v) is bool), v) for name, v in given if not pd.isna(v))


def _by_model_and_data(table: pd.DataFrame) -> list[pd.DataFrame]:
    groups = table.groupby(["model", "data"], dropna=False, sort=False)
    return [rows.reset_index(drop=True) for _, rows in groups]


def _names(table: pd.DataFrame) -> tuple[str, str]:
    first = table.iloc[0] if len(table) else {"model": None, "data": None}
    model, data = ("" if pd.isna(first[name]) else str(first[name]) for name in ("model", "data"))
    return model, data


def _told_apart(parts: list[Answered]) -> list[Answered]:
    """The same with the settings that tell them apart, and a folder each.

    The oldest of a model and data has their folder for itself; a later one is named after what it changed, so
    that no question moves the files of another.
    """
    done = []
    for part in parts:
        alike = [other for other in parts if (other.model, other.data) == (part.model, part.data)]
        fields = [_kept_apart(other.experiment) for other in alike]
        mine, first = _kept_apart(part.experiment), fields[0]
        settings = {key: mine[key] for key in mine if any(other.get(key) != mine[key] for other in fields)}
        settings |= part.settings
        changed = {key: value for key, value in mine.items() if first.get(key) != value} | part.settings
        folder = safe_name("-".join(name for name in (part.model, part.data) if name) or "all")
        if part is not alike[0]:
            text = ",".join(f"{key}={_short(value)}" for key, value in changed.items())
            folder += "/" + safe_name(text or f"part{alike.index(part) + 1}")
        done.append(dataclasses.replace(part, settings=settings, folder=folder))
    return done


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def safe_name(text: str) -> str:
    """Text as the name of a file: other characters become `_`, what is too long ends in a digest.

    >>> safe_name("fc:widths=512,512-../my data")
    'fc_widths=512,512-.._my_data'
    """
    plain = re.sub(r"[^\w.,=+-]", "_", text, flags=re.ASCII).lstrip(".") or "_"
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
