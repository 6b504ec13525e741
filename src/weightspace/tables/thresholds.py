"""Thresholds: how large must a label be for a metric to reach a level, and how probably does it?

The success probability P_s(d, level) is the share of an arm's runs at d whose metric reaches the level; d*
is the smallest d at which enough seeds do, with its interval (`threshold` says how). Both are made of one
value a run: its last, or, on the rows of `Best`, its best at any reading.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, labels_in, once, single
from weightspace.tables.threshold import matrix, monotone, success, threshold
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Vocabulary

Levels = tuple[tuple[str, tuple[float, ...]], ...]
"""Metrics, each with the levels to reach."""
_GRID = 50


@dataclasses.dataclass(frozen=True)
class Swept:
    """Of which rows a threshold is told.

    Attributes:
      arms: Labels that tell the arms apart.
      reference: A label and the value of rows that are no part of it.
      over: The label whose threshold it is, a positive number.
      words: Says which of a metric is better.
    """

    arms: tuple[str, ...]
    reference: tuple[str, Any]
    over: str = "dim"
    words: Vocabulary = VOCABULARY

    def groups(self, table: Frame) -> Iterator[tuple[tuple[Any, ...], Frame]]:
        """The arms with their finished rows, but for the reference."""
        label, value = self.reference
        rows = finished(table)
        rows = rows[rows[label] != value] if label in rows else rows
        if {self.over, "seed"} <= {*rows}:
            yield from groups(rows.dropna(subset=[self.over]), labels_in(table, self.arms))


@dataclasses.dataclass(frozen=True)
class Thresholds(Table):
    """d* of every arm, metric and level, with D - d* as local angular dimension.

    Attributes:
      metrics: What may be reached.
      arms: Labels that tell the arms apart.
      levels: What to reach, by metric; None takes fifty levels for each metric.
      failure: δ, the probability of failure that d* allows.
      reference: A label and the value of rows that are no part of it.
      over: The label whose threshold it is; D is known of the dimension alone.
    """

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    levels: Levels | None = None
    failure: float = 0.1
    reference: tuple[str, Any] = ("method", "full")
    over: str = "dim"

    def of(self, given: Given) -> Frame:
        """As `thresholds` makes them, of the metrics that the rows have."""
        swept = Swept(self.arms, self.reference, self.over, given.words)
        return thresholds(given.rows, _levels(self, given), self.failure, swept)


@dataclasses.dataclass(frozen=True)
class Success(Table):
    """P_s(d, level), with the d* of each level beside it; attributes as of `Thresholds`."""

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    levels: Levels | None = None
    failure: float = 0.1
    reference: tuple[str, Any] = ("method", "full")
    over: str = "dim"

    def of(self, given: Given) -> Frame:
        """Columns `metric`, the arms' labels, `over`, `level`, `probability`, `n` and `d_star`."""
        swept = Swept(self.arms, self.reference, self.over, given.words)
        found = probabilities(given.rows, _levels(self, given), swept)
        stars = given.of(Thresholds(**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}))
        keys = ["metric", *labels_in(given.rows, self.arms), "level"]
        return found.merge(stars[[*keys, "d_star"]], on=keys, how="left", validate="many_to_one")


def _levels(table: Thresholds | Success, given: Given) -> Mapping[str, Sequence[float] | np.ndarray]:
    if table.levels is None:
        return levels_for(given.rows, given.metrics(table.metrics), given.words)
    return {name: levels for name, levels in table.levels if given.metrics([name])}


def weights_of(table: Frame) -> float:
    """D, the number of weights: a row's dimension times its compression; NaN where no row tells."""
    if "compression" not in table or "dim" not in table:
        return float("nan")
    product = (table["dim"].astype(float) * table["compression"].astype(float)).dropna()
    return float(round(product.iloc[0])) if len(product) else float("nan")


def levels_for(
    table: Frame, metrics: Sequence[str], words: Vocabulary = VOCABULARY
) -> dict[str, Float[np.ndarray, " level"]]:
    """Fifty levels for each metric: accuracies from 0.1 to 1, losses evenly in their logarithm.

    Losses range over those of runs that did not diverge, four decades at most; so does any other metric,
    evenly where more of it is better or where it is not always positive.
    """
    grids = {}
    for metric in (metric for metric in metrics if metric in table):
        rising, known = words.rising(metric), words.metric(metric)
        if rising and (known.unit == "fraction" or metric.endswith("accuracy")):
            grids[metric] = np.linspace(0.1, 1.0, _GRID)
            continue
        values = table.loc[table["status"] == "ok", metric].astype(float)
        values = values[np.isfinite(values)]
        if rising or (known.scale != "log" and (values <= 0).any()):
            if len(values):
                grids[metric] = np.linspace(values.min(), values.max(), _GRID)
            continue
        values = values[values > 0]
        if len(values):
            high = values.max() * (1 + 1e-9)
            low = max(values.min(), high * 1e-4)
            grids[metric] = np.geomspace(low if low < 0.99 * high else high / 2, high, _GRID)
    return grids


def probabilities(table: Frame, levels: Mapping[str, Sequence[float] | np.ndarray], swept: Swept) -> Frame:
    """P_s(d, level): the share of an arm's runs at d that reach a level, and their number `n`."""
    from pandas import DataFrame

    labels = labels_in(table, swept.arms)
    lines = []
    for arm, rows in swept.groups(table):
        for metric, grid in levels.items():
            rising = swept.words.rising(metric)
            for (dim,), runs in groups(counted(rows, metric, swept.over), [swept.over]):
                values = runs[metric].to_numpy(float)[:, None]
                for level in grid:
                    share = success(values, float(level), rising=rising)[0]
                    lines.append((metric, *arm, dim, level, share, len(values)))
    return DataFrame(lines, columns=["metric", *labels, swept.over, "level", "probability", "n"])


def thresholds(
    table: Frame, levels: Mapping[str, Sequence[float] | np.ndarray], failure: float, swept: Swept
) -> Frame:
    """d* of every arm, metric and level, with D - d* as local angular dimension.

    Args:
      table: Labels, status and metrics of runs.
      levels: What to reach, by metric.
      failure: δ, the probability of failure that d* allows.
      swept: Which rows are its arms.

    Returns:
      The arm's labels, `metric`, `level`, `d_star` with the ends `d_star_low` and `d_star_high` of its 90 %
      interval (infinite where the level is not reached), `local_angular_dimension` and `compression` D/d*
      (absent there), `censored` and `n`, the number of seeds.
    """
    from pandas import DataFrame

    lines = []
    for arm, rows in swept.groups(table):
        size = weights_of(rows) if swept.over == "dim" else np.nan
        for metric, grid in levels.items():
            runs, rising = counted(rows, metric, swept.over), swept.words.rising(metric)
            if runs.empty:
                continue
            runs = single(runs, ["seed", swept.over], f"the threshold of {swept.over}")
            dims, values, asked = _by_seed(runs, metric, swept.over, rising=rising)
            smooth = monotone(dims, values, rising=rising, asked=asked)
            given: dict[str, Any] = {"rising": rising, "failure": failure, "asked": asked, "smooth": smooth}
            for level in grid:
                found = threshold(dims, values, float(level), **given)
                reached = np.isfinite(found.d_star)
                angular, ratio = (size - found.d_star, size / found.d_star) if reached else (np.nan, np.nan)
                interval = (found.d_star, found.low, found.high)
                lines.append((*arm, metric, level, *interval, angular, ratio, found.censored, found.n))
    star = ["d_star", "d_star_low", "d_star_high"]
    rest = ["local_angular_dimension", "compression", "censored", "n"]
    return DataFrame(lines, columns=[*labels_in(table, swept.arms), "metric", "level", *star, *rest])


def counted(rows: Frame, metric: str, over: str) -> Frame:
    """The rows that tell whether a level is reached; a diverged run tells so even without a value."""
    if metric not in rows:
        return rows.iloc[:0]
    told = rows[rows[metric].notna() | (rows["status"] == "diverged")]
    return once(told, ["seed", over, metric])


def _by_seed(
    rows: Frame, metric: str, over: str, *, rising: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dimensions, values by seed, and which of them were asked.

    A seed may lack a dimension because it was not asked, is waiting or has failed, which says nothing about
    the level. A run that diverged to no value has the worst of its arm.
    """
    worst = rows[metric].min() if rising else rows[metric].max()
    dims, values = matrix(rows.assign(**{metric: rows[metric].fillna(worst)}), metric, over)
    _, known = matrix(rows.assign(known=1.0), "known", over)
    return dims, values, np.isfinite(known)
