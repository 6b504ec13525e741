"""Our numbers beside published or re-run ones.

A reference is a line of a table (`references`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from weightspace.experiments.answered import SEVERAL, Answered, answered
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import named as named_setting
from weightspace.report.references import ABSENT, FACTS, number, references, references_of
from weightspace.spec import canonical
from weightspace.store.base import Store
from weightspace.store.schema import FINISHED

TOLERANCE = 0.02
"""The difference of two accuracies that counts as none, whatever their spreads, where a line has no own."""
_RESULT = (
    "metric", "ours", "ours_sd", "ours_n", "reference", "reference_sd", "reference_n",
    "difference", "z", "within", "source", "known",
)  # fmt: skip


def compare(
    store: Store,
    *,
    parts: Sequence[Answered] | None = None,
    experiments: Iterable[type[Experiment]] = (),
    references: Sequence[Mapping[str, str]] = (),
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
      references: Lines beside those of this package and of the experiments, as `read_references` gives them.

    Returns:
      Columns `experiment model data`, the conditions, `metric ours ours_sd ours_n reference reference_sd
      reference_n difference z within source known`.
    """
    found = answered(store, experiments=experiments) if parts is None else parts
    frames = [compared(part, references) for part in found]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=["experiment", "model", "data", *_RESULT])
    whole = pd.concat(frames, ignore_index=True)
    conditions = [name for name in whole if name not in ("experiment", "model", "data", *_RESULT)]
    return whole[["experiment", "model", "data", *conditions, *_RESULT]]


def compared(part: Answered, more: Sequence[Mapping[str, str]] = ()) -> pd.DataFrame:
    """The references that one question answers to, with more lines if there are any; as `compare`."""
    lines = (*references(), *references_of(type(part.experiment)), *more)
    rows = _finished(part)
    return pd.DataFrame([found for line in lines if (found := _answer(part, rows, line)) is not None])


def unanswered(parts: Sequence[Answered], lines: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The lines that none of the questions answers to."""
    each = [(part, _finished(part)) for part in parts]
    return [line for line in lines if all(_answer(part, rows, line) is None for part, rows in each)]


def _finished(part: Answered) -> pd.DataFrame:
    return part.measured[part.measured["status"].isin(FINISHED)]


def _answer(part: Answered, rows: pd.DataFrame, line: Mapping[str, str]) -> dict[str, Any] | None:
    """A reference beside a question's finished rows; None where none of them answers to it."""
    if line["experiment"] != part.name:
        return None
    named = {"experiment": part.name}
    named |= {name: line.get(name, getattr(part, name)) for name in ("model", "data")}
    conditions = {name: value for name, value in line.items() if name not in FACTS}
    values = _values(_of(part, rows, named), part.experiment, conditions, line["metric"])
    if not len(values):
        return None
    return named | {k: number(v) for k, v in conditions.items()} | _beside(values, line)


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
    given = number(wanted)
    if isinstance(given, str) or isinstance(value, str | None) or pd.isna(value):
        return str(value) == wanted
    return math.isclose(float(value), given)


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
