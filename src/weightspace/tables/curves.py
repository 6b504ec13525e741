"""Curves: metrics against a label or against time, means over runs with their spread and the runs themselves.

All curves have one form, so that one kind of chart draws them: a line a point, with `metric`, the labels
that tell arms apart, the value on the axis, `statistic` (mean or run), `seed`, `value`, and for means `sd`
(n - 1), `min`, `max` and `n`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished, without_end
from weightspace.tables.groups import grouped, groups, labels_in, metrics_in, once
from weightspace.tables.history import labelled, timed


@dataclasses.dataclass(frozen=True)
class Curves(Table):
    """Metrics against a label: a `mean` line for each arm and value, and a `run` line for each run.

    Attributes:
      metrics: Columns; those that the rows lack are passed over.
      x: The label on the axis.
      arms: Labels that tell the arms apart; those without a value are passed over.
      beside: Further labels that go with each point, as another scale of the axis.
      averaged: Columns whose mean at each point goes with it, as the share of weights left after a round.
      runs: Whether each run has its lines too.
    """

    metrics: tuple[str, ...]
    x: str
    arms: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    runs: bool = True

    def of(self, given: Given) -> Frame:
        """Columns `metric`, the arms, `x`, those that go with it, `statistic seed value sd min max n`."""
        table = given.rows
        labels = [*labels_in(table, self.arms), self.x, *self.beside]
        done = finished(table)
        there = set(labels) <= set(done.columns)
        lines = []
        for metric in given.metrics(self.metrics) if there else ():
            for key, rows in groups(once(done, [*labels, metric]), labels):
                common = {"metric": metric} | dict(zip(labels, key, strict=True))
                common |= {name: rows[name].mean() for name in self.averaged if name in rows}
                lines += _point(common, rows, metric, runs=self.runs)
        return _frame(lines, [*labels, *(name for name in self.averaged if name in table)])


@dataclasses.dataclass(frozen=True)
class Traces(Table):
    """Metrics in time: a `mean` line for each arm and reading.

    Attributes:
      metrics: Columns of the history; None takes all.
      arms: Labels that tell the arms apart.
      runs: Whether each run has its lines too.
      epochs: Of each run: time is then counted in these, as `epoch`; None counts in steps.
    """

    metrics: tuple[str, ...] | None = None
    arms: tuple[str, ...] = ()
    runs: bool = False
    epochs: float | None = None

    def of(self, given: Given) -> Frame:
        """Columns `metric`, the arms, `step` or `epoch`, `statistic seed value sd min max n`.

        What is not finite is left out.
        """
        from pandas import concat

        rows = finished(given.rows)
        history, x = timed(given.history, self.epochs)
        labels = [*labels_in(rows, self.arms), x]
        if history.empty or rows.empty:
            return _frame([], labels)
        wanted = [str(name) for name in history if name not in ("run", "step", "epoch")]
        metrics = metrics_in(wanted if self.metrics is None else self.metrics, history, given.words)
        each = labelled(rows, labels[:-1], history[["run", x, *metrics]])
        lines = [part for metric in metrics for part in _readings(each, labels, metric, runs=self.runs)]
        return _frame(concat(lines, ignore_index=True) if lines else [], labels)


def _readings(each: Frame, labels: list[str], metric: str, *, runs: bool) -> list[Frame]:
    """The lines of a metric. Histories are long, so that all points are made at once."""
    from pandas import concat

    values = each[np.isfinite(each[metric].astype(float))]
    if values.empty:
        return []
    points = grouped(values, labels)
    means = points[metric].agg(value="mean", sd="std", min="min", max="max", n="count").reset_index()
    means = means.assign(statistic="mean", metric=metric)
    if not runs:
        return [means]
    own = values.drop(columns="metric", errors="ignore").rename(columns={metric: "value"})
    own = own.assign(statistic="run", metric=metric, place=points.ngroup())
    both = concat([means.assign(place=range(len(means))), own], ignore_index=True)
    return [both.sort_values("place", kind="stable")]


@dataclasses.dataclass(frozen=True)
class Stops(Table):
    """Metrics in time, as `Traces`, with a `run` line for each run at one step alone: where it stops early.

    Attributes:
      metrics: Columns of the history.
      at: The column of the rows that has the step.
    """

    metrics: tuple[str, ...]
    at: str = "best_step"

    def of(self, given: Given) -> Frame:
        """As `Traces` without arms."""
        means, rows = given.of(Traces(self.metrics)), finished(given.rows)
        if self.at not in rows or means.empty:
            return means
        own = once(rows[["run", "seed", self.at]], ()).rename(columns={self.at: "step"})
        there = own.merge(given.history, on=["run", "step"], validate="one_to_one")
        lines = []
        for metric in dict.fromkeys(means["metric"]):
            each = zip(there["step"], there["seed"], there[metric], strict=True)
            common = {"metric": metric, "statistic": "run"}
            lines += [common | {"step": step, "seed": seed, "value": value} for step, seed, value in each]
        return _frame([*means.to_dict("records"), *lines], ["step"])  # pyright: ignore[reportArgumentType]


def _point(common: dict[str, Any], rows: Frame, metric: str, *, runs: bool = True) -> list[dict[str, Any]]:
    """The mean of the rows that have a value, and each of them."""
    values = rows[rows[metric].notna()]
    if not len(values):
        return []
    each = values[metric].astype(float)
    spread = {"sd": each.std() if len(each) > 1 else np.nan, "min": each.min(), "max": each.max()}
    found = [common | {"statistic": "mean", "value": each.mean()} | spread | {"n": len(each)}]
    seeds = values["seed"] if "seed" in values else [None] * len(values)
    pairs = zip(seeds, values[metric], strict=True) if runs else ()
    return found + [common | {"statistic": "run", "seed": seed, "value": value} for seed, value in pairs]


def _frame(lines: list[dict[str, Any]] | Frame, labels: Sequence[str]) -> Frame:
    from pandas import DataFrame

    columns = ["metric", *labels, "statistic", "seed", "value", "sd", "min", "max", "n"]
    frame = DataFrame(lines, columns=columns)
    # Means have no seed, so that whole ones have become floats.
    whole = frame["seed"].dropna().map(lambda seed: isinstance(seed, int | float) and seed == int(seed)).all()
    return frame.astype({"n": "Int64"} | ({"seed": "Int64"} if whole else {}))


@dataclasses.dataclass(frozen=True)
class Best(Table):
    """The rows with each run's best value at any reading in the place of its last.

    Attributes:
      metrics: Columns that are taken so. A run without a history keeps its last value.
    """

    metrics: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """The rows; the best loss is the least, the best accuracy the greatest, as the vocabulary says.

        Runs that diverged have no best value.
        """
        table, history = given.rows, given.history
        if history.empty:
            return table
        found = table.copy()
        for metric in given.metrics(self.metrics):
            if metric in history:
                each = history.groupby("run")[metric]
                best = table["run"].map(each.max() if given.words.rising(metric) else each.min())
                found[metric] = best.astype(float).fillna(table[metric]).mask(without_end(table))
        return found
