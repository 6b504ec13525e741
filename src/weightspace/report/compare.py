"""Our numbers beside published or re-run ones.

The references are tables in `reference/`, one line a number: experiment, model and data; conditions; metric,
statistic (the mean over runs, unless it says `median`), value, n, spread, source and how it is known. A
condition is a label of our rows (dim, burn_in, …) or, where there is no such label, a setting of the question
(epochs, or training.epochs); one that is empty is any, and `absent` a label that a row must lack. A line may
bring its own `tolerance`.
"""

import csv
import functools
import importlib.resources
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weightspace.errors import InputError
from weightspace.experiments.answered import SEVERAL, Answered, answered
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import named as named_setting
from weightspace.spec import canonical
from weightspace.store.base import Store
from weightspace.store.schema import FINISHED
from weightspace.tables.vocabulary import VOCABULARY

TOLERANCE = 0.02
"""The difference of two accuracies that counts as none, whatever their spreads, where a line has no own."""
_FACTS = (
    "experiment", "model", "data", "metric", "statistic", "value", "n", "spread", "tolerance", "source",
    "known",
)  # fmt: skip
ABSENT = "absent"
_NEEDED = ("metric", "value", "n", "source")
_RESULT = (
    "metric", "ours", "ours_sd", "ours_n", "reference", "reference_sd", "reference_n",
    "difference", "z", "within", "source", "known",
)  # fmt: skip


@functools.cache
def references() -> tuple[Mapping[str, str], ...]:
    """All lines of all reference tables, as text by column; what is empty is left out."""
    folder = importlib.resources.files("weightspace.report") / "reference"
    lines: list[Mapping[str, str]] = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".csv"):
            lines += _lines(file.read_text(encoding="utf-8"))
    return tuple(lines)


def _lines(text: str) -> list[Mapping[str, str]]:
    rows = csv.DictReader(text.splitlines())
    return [{name: value for name, value in row.items() if value} for row in rows]


@functools.cache
def references_of(cls: type[Experiment]) -> tuple[Mapping[str, str], ...]:
    """The lines of the table that an experiment brings itself.

    Raises:
      InputError: If the file cannot be read, or lacks a column that every line needs.
    """
    if not cls.reference:
        return ()
    module = sys.modules.get(cls.__module__)
    home = Path(getattr(module, "__file__", None) or ".").parent
    path = home / cls.reference
    try:
        lines = _lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{cls.__name__}.reference is {path}, which cannot be read ({error})") from error
    for place, line in enumerate(lines):
        lacking = [name for name in _NEEDED if name not in line]
        if lacking:
            raise InputError(
                f"line {place + 2} of {path} has no {lacking[0]}; each line needs {', '.join(_NEEDED)}"
            )
    whole = {"experiment": cls.name, "known": f"{cls.name}: {path.name}"}
    return tuple({**whole, **line} for line in lines)


def compare(
    store: Store,
    *,
    parts: Sequence[Answered] | None = None,
    experiments: Iterable[type[Experiment]] = (),
) -> pd.DataFrame:
    """Every reference number that some of a store's runs answer to, beside ours.

    `difference` is ours less the reference's; both are means, or medians, over runs. `z` is the difference of
    two means in its standard errors, √(sd²/n + sd_reference²/n_reference): beyond about 2 (3 where seeds are
    few), a line that was not picked for it differs by more than chance. A reference's spread that is not
    known is taken to be ours; NaN where ours has none, and for medians.
    `within` says that it is at most the joint spread √(sd² + sd_reference²), or at most the reference's
    tolerance (0.02 for accuracies where it has none); a spread that is not known counts as zero.

    Args:
      store: The store.
      parts: What `answered(store)` has found, if it is at hand.
      experiments: Classes beside those of this package, which the reader knows and trusts.

    Returns:
      Columns `experiment model data`, the conditions, `metric ours ours_sd ours_n reference reference_sd
      reference_n difference z within source known`.
    """
    found = answered(store, experiments=experiments) if parts is None else parts
    frames = [compared(part) for part in found]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=["experiment", "model", "data", *_RESULT])
    whole = pd.concat(frames, ignore_index=True)
    conditions = [name for name in whole if name not in ("experiment", "model", "data", *_RESULT)]
    return whole[["experiment", "model", "data", *conditions, *_RESULT]]


def known() -> str:
    """What there are references for, a line each."""
    lines: dict[str, dict[str, dict[str, None]]] = {}
    for line in references():
        settings = {name: line[name] for name in ("optimiser", "lr", "epochs", "batch_size") if name in line}
        text = ", ".join(f"{name} {value}" for name, value in settings.items())
        which = f"  {line['experiment']}: {line.get('model')} on {line.get('data')}, {text}".rstrip(" ,")
        points = lines.setdefault(which, {})
        for name in (name for name in line if name in VOCABULARY.labels and name not in (*_FACTS, *settings)):
            points.setdefault(name, {})[line[name]] = None
    return "\n".join(
        ", ".join((which, *(f"{name} {' '.join(values)}" for name, values in points.items())))
        for which, points in lines.items()
    )


def compared(part: Answered) -> pd.DataFrame:
    """The references that one question answers to; as `compare`."""
    rows = part.measured[part.measured["status"].isin(FINISHED)]
    lines = []
    for line in (*references(), *references_of(type(part.experiment))):
        if line["experiment"] != part.name:
            continue
        named = {"experiment": part.name}
        named |= {name: line.get(name, getattr(part, name)) for name in ("model", "data")}
        conditions = {name: value for name, value in line.items() if name not in _FACTS}
        values = _values(_of(part, rows, named), part.experiment, conditions, line["metric"])
        if len(values):
            lines.append(named | {k: _number(v) for k, v in conditions.items()} | _beside(values, line))
    return pd.DataFrame(lines)


def _of(part: Answered, rows: pd.DataFrame, named: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a model and data; of several models, those whose label says so, also as `architecture`."""
    for name, labels in (("model", ("model", "architecture")), ("data", ("data",))):
        if named[name] != getattr(part, name):
            mine = [rows[label] == named[name] for label in labels if label in rows]
            several = getattr(part, name) == SEVERAL and mine
            rows = rows[np.logical_or.reduce(mine)] if several else rows.iloc[:0]
    return rows


def _values(
    rows: pd.DataFrame, experiment: Experiment, conditions: Mapping[str, str], metric: str
) -> pd.Series:
    """The metric of the rows that meet the conditions; none where a setting does not."""
    if metric not in rows:
        return pd.Series(dtype=float)
    for name, wanted in conditions.items():
        if wanted == ABSENT:
            rows = rows[rows[name].isna()] if name in rows else rows
        elif name in rows:
            rows = rows[np.array([_same(value, wanted) for value in rows[name]], bool)]
        else:
            setting = named_setting(type(experiment), name)
            if setting is None or not _same(canonical(setting.of(experiment)), wanted):
                return pd.Series(dtype=float)
    return rows[metric].dropna().astype(float)


def _same(value: Any, wanted: str) -> bool:
    """Whether a label or setting is what a reference says; a list is where all its members are."""
    if isinstance(value, list):
        return bool(value) and all(_same(item, wanted) for item in value)
    given = _number(wanted)
    if isinstance(given, str) or isinstance(value, str | None) or pd.isna(value):
        return str(value) == wanted
    return math.isclose(float(value), given)


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _beside(values: pd.Series, line: Mapping[str, str]) -> dict[str, Any]:
    theirs, spread = float(line["value"]), float(line.get("spread", "nan"))
    mean = float(values.median() if line.get("statistic") == "median" else values.mean())
    sd = float(values.std()) if len(values) > 1 else math.nan
    joint = math.hypot(*(0.0 if math.isnan(each) else each for each in (sd, spread)))
    usual = TOLERANCE if "accuracy" in line["metric"] else 0.0
    allowed = max(joint, float(line.get("tolerance", usual)))
    usual_spread = sd if math.isnan(spread) else spread
    error = math.hypot(sd / math.sqrt(len(values)), usual_spread / math.sqrt(int(line["n"])))
    of_means = error > 0 and line.get("statistic") != "median"
    return {
        "metric": line["metric"],
        "ours": mean,
        "ours_sd": sd,
        "ours_n": len(values),
        "reference": theirs,
        "reference_sd": spread,
        "reference_n": int(line["n"]),
        "difference": mean - theirs,
        "z": (mean - theirs) / error if of_means else math.nan,
        "within": abs(mean - theirs) <= allowed + 1e-12,
        "source": line["source"],
        "known": line["known"],
    }
