"""Plain runs: asked for one by one, or by an experiment that nobody here knows. They have answers too.

Their summary is over their labels; beside it stand each metric in time, and accuracies against each label
that is a number. Nothing is known of what they ask.
"""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.tables.base import Given, On, Table
from weightspace.tables.curves import Curves, Traces
from weightspace.tables.groups import grouped

MOST_ARMS = 12
"""Settings that are drawn beside each other in time."""
_TAKEN = frozenset(("metric", "statistic", "value", "sd", "min", "max", "n", "seed", "p", "step"))
"""Columns of curves, which no label can be."""


@dataclasses.dataclass(frozen=True)
class Runs(Experiment):
    """Runs asked for one by one, or by an experiment that this version does not know."""

    name = "runs"
    question = "Runs that were asked for one by one."
    by = ("model", "data")

    def ask(self) -> Generator[list[Row], Frame, None]:
        """Nothing: what was asked is in the store only."""
        yield []


@dataclasses.dataclass(frozen=True)
class FewArms(Table):
    """The rows of at most so many arms, evenly apart in their order.

    Attributes:
      arms: Labels that tell the arms apart.
      most: How many.
    """

    arms: tuple[str, ...]
    most: int = MOST_ARMS

    def of(self, given: Given) -> Frame:
        """Those rows."""
        import numpy as np

        if not self.arms or given.rows.empty:
            return given.rows
        number = grouped(given.rows, self.arms, sort=False).ngroup()
        count = int(number.max()) + 1
        kept = np.unique(np.linspace(0, count - 1, min(count, self.most)).round().astype(int))
        return given.rows[number.isin(kept)]


def plain_answers(given: Given, labels: Sequence[str]) -> tuple[Answer, ...]:
    """Each metric in time, and accuracies (losses, where there is none) against each label that is a number.

    Args:
      given: The runs.
      labels: What tells them apart, but for the seed.
    """
    rows = given.rows
    several = [name for name in labels if name in rows and rows[name].nunique(dropna=False) > 1]
    several = _without_followers(rows, several)
    if rows.empty or _TAKEN & set(several):
        return ()
    arms = tuple(several)
    found = [_in_time(given, arms)] if not given.history.empty else []
    metrics = _measured(rows, labels)
    for label in several:
        # Against one value and none there is nothing to see.
        if _is_number(rows[label]) and rows[label].nunique() > 1:
            others = tuple(name for name in several if name != label)
            chart = Curve(label, others, name=f"against-{label}", metrics=metrics)
            found.append(Answer(f"against {label}", Curves(metrics, label, others), chart, shown=0))
    return tuple(found)


def _without_followers(rows: Frame, labels: list[str]) -> list[str]:
    """The labels but for model and data, where the others tell these already."""
    others = [name for name in labels if name not in ("model", "data")]
    if not others or others == labels:
        return labels
    keys = [rows[name].map(str) for name in others]
    followers = [n for n in labels if n not in others and rows[n].map(str).groupby(keys).nunique().max() == 1]
    return [name for name in labels if name not in followers]


def _in_time(given: Given, arms: tuple[str, ...]) -> Answer:
    """A figure for each kind of metric: all accuracies, all losses, each other metric by itself."""
    names = [str(name) for name in given.history if name not in ("run", "step")]
    kinds: dict[str, list[str]] = {}
    for name in names:
        end = name.rpartition("_")[2]
        kinds.setdefault(end if end in ("accuracy", "loss") else name, []).append(name)
    few = (
        f"{MOST_ARMS} settings of all, evenly apart, are drawn."
        if _count(given.rows, arms) > MOST_ARMS
        else ""
    )
    charts = [
        Curve(
            "step", arms, name=f"time-{kind}", title=f"{kind.replace('_', ' ').capitalize()} in time",
            metrics=tuple(metrics), logarithmic=True, values="Values are those at each reading", caption=few,
        )
        for kind, metrics in kinds.items()
    ]  # fmt: skip
    return Answer("in time", On(FewArms(arms), Traces(arms=arms)), *charts, shown=0)


def _count(rows: Frame, arms: tuple[str, ...]) -> int:
    return len(rows[list(arms)].drop_duplicates()) if arms else 1


def _measured(rows: Frame, labels: Sequence[str]) -> tuple[str, ...]:
    """The accuracies of the table, else its losses."""
    there = [str(name) for name in rows if name not in labels and _is_number(rows[name])]
    for end in ("accuracy", "loss"):
        found = [name for name in there if name.endswith(end) and rows[name].notna().any()]
        if found:
            return tuple(found)
    return ()


def _is_number(column: Any) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)
