"""What a store can answer: the questions asked, joined where they are one, each with its runs.

A folder may hold several questions of one experiment. Those that differ only in what they sweep (seeds,
dimensions, …) become one with the values of all; every other difference, of model, data or a setting, keeps
them apart, also one that no setting of the experiment tells, as another source of a user's network, other
content under a data set's name, or another version of a part: no mean is taken over both. Figures, report and
comparison are made of these.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from weightspace.errors import StoreError
from weightspace.experiments.base import Experiment
from weightspace.experiments.part import Answered
from weightspace.experiments.plain import Runs
from weightspace.experiments.restore import restored
from weightspace.experiments.settings import EXTENT, PASSING, SWEPT, marked
from weightspace.experiments.variants import variants
from weightspace.figures.panel import safe_name
from weightspace.named import looking
from weightspace.spec import canonical_json
from weightspace.store.asked import Question, asked_frame
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.store.settings import SEED

_NAMED = ("model", "data")
SEVERAL = "several"
"""The model, or the data, of rows of several."""
__all__ = ["Answered", "answered", "asked_exactly", "safe_name"]


def answered(
    store: Store, name: str | None = None, *, experiments: Iterable[type[Experiment]] = ()
) -> list[Answered]:
    """What was asked in a store, in the order it was first asked.

    Args:
      store: The store.
      name: Only the questions of this experiment.
      experiments: Classes beside those of this package, which the reader knows and trusts; what asked under
        another name is shown as plain runs.

    Raises:
      InputError: If no experiment of that name has asked.
    """
    asked = store.questions(name)
    known = {cls.name: cls for cls in experiments}
    found: list[Answered] = []
    with looking():
        for each in dict.fromkeys(question.experiment for question in asked):
            mine = [question for question in asked if question.experiment == each]
            found += _named(mine, store, each, known)
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
    table = _rows(results(store, experiment.name), store.asked(experiment.name), mine)
    found = variants(Answered(store, experiment.name, experiment, table, *_names(table)))
    if len(found) > 1:
        names = ", ".join(found[0].settings)
        raise StoreError(
            f"{experiment.name} was asked {len(found)} times with these settings, but other {names}; "
            f"weightspace report {store.root} shows each by itself"
        )
    return found[0]


def _named(
    questions: Sequence[Question], store: Store, name: str, known: Mapping[str, type[Experiment]]
) -> list[Answered]:
    """The questions of one name, joined where they are one."""
    together: dict[str, tuple[Experiment, list[Question]]] = {}
    for question in questions:
        experiment = restored(name, question.fields, known)
        key = canonical_json([type(experiment).__qualname__, _kept_apart(experiment)])
        if key in together:
            before, others = together[key]
            together[key] = before.joined(experiment), [*others, question]
        else:
            together[key] = experiment, [question]
    table, every = results(store, name), store.asked(name)
    parts = [
        variant
        for experiment, asked in together.values()
        for rows in _by_model_and_data(
            _rows(table, every, asked if len(asked) < len(questions) else None), every, experiment
        )
        for variant in variants(Answered(store, name, experiment, rows, *_names(rows)))
    ]
    return _told_apart(parts)


def _kept_apart(experiment: Experiment) -> dict[str, Any]:
    fields = experiment.fields()
    together = {name for kind in (SWEPT, EXTENT, PASSING) for name in marked(experiment, kind)}
    return {key: fields[key] for key in fields if key not in together}


def _rows(table: pd.DataFrame, asked: pd.DataFrame, questions: Sequence[Question] | None) -> pd.DataFrame:
    """The rows of the results that these questions asked, by labels and run; of all of them, all rows."""
    if questions is None:
        return table.reset_index(drop=True)
    labels = [column for column in asked.columns if column not in ("experiment", "run")]
    wanted = set(_keys(asked_frame(questions), labels))
    chosen = np.array([key in wanted for key in _keys(table, labels)], bool)
    return table[chosen].reset_index(drop=True)


def _keys(frame: pd.DataFrame, labels: Sequence[str]) -> Iterator[tuple[str, frozenset[Any]]]:
    present = ["run", *(name for name in labels if name in frame)]
    for run, *values in frame[present].itertuples(index=False):
        given = zip(present[1:], values, strict=True)
        yield run, frozenset((name, str(type(v) is bool), v) for name, v in given if not pd.isna(v))


def _by_model_and_data(
    table: pd.DataFrame, asked: pd.DataFrame, experiment: Experiment
) -> list[pd.DataFrame]:
    """Rows of several networks or data sets apart, unless a question sweeps them.

    The settings of an experiment tell questions apart, and its rows are one; of plain runs the labels tell,
    where each set of the others has one network and data set.
    """
    others = [
        str(name) for name in asked if name in table and name not in ("experiment", "run", SEED, *_NAMED)
    ]
    plain = isinstance(experiment, Runs)
    if len(table) and (not plain or (others and _follow(table, others))):
        return [table]
    groups = table.groupby(list(_NAMED), dropna=False, sort=False)
    return [rows.reset_index(drop=True) for _, rows in groups]


def _follow(table: pd.DataFrame, labels: Sequence[str]) -> bool:
    """Whether rows of equal labels have one model and data."""
    several = pd.Series([str(pair) for pair in zip(table["model"], table["data"], strict=True)], table.index)
    return bool(several.groupby([table[name].map(str) for name in labels]).nunique().max() == 1)


def _names(table: pd.DataFrame) -> tuple[str, str]:
    """The model and the data of rows: `several` where they differ, nothing where none is said."""
    found = [list(dict.fromkeys(map(str, table[name].dropna()))) for name in _NAMED]
    model, data = (SEVERAL if len(names) > 1 else "".join(names) for names in found)
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
