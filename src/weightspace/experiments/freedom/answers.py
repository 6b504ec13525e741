"""The answers of the degrees-of-freedom experiments, as tables: curves, success probabilities, thresholds.

An arm is a set of the labels `ARMS`: a method with its burn-in and its recipe. Curves are a metric against
the dimension d; the success probability P_s(d, level) is the share of an arm's runs at d whose metric reaches
the level; thresholds are d* with its interval. Figures are drawn from these tables and from nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.experiments.freedom.threshold import matrix, success, threshold
from weightspace.frames import Frame
from weightspace.tables.vocabulary import ARMS, FULL, rising

METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
_GRID = 50


def scored(table: Frame, history: Frame, score: str) -> Frame:
    """The table with each run's value: its last, or for `best` its best at any reading.

    A run without a history keeps its last value.
    """
    if score == "final" or history.empty:
        return table
    scored_ = table.copy()
    for metric in METRICS:
        if metric in table and metric in history:
            each = history.groupby("run")[metric]
            best = table["run"].map(each.max() if rising(metric) else each.min())
            scored_[metric] = best.astype(float).fillna(table[metric])
    return scored_


def weights_of(table: Frame) -> float:
    """D, the number of weights: a row's dimension times its compression; NaN where no row tells."""
    if "compression" not in table or "dim" not in table:
        return float("nan")
    product = (table["dim"].astype(float) * table["compression"].astype(float)).dropna()
    return float(round(product.iloc[0])) if len(product) else float("nan")


def arms(table: Frame) -> list[str]:
    """The labels of `ARMS` that the table has."""
    return [name for name in ARMS if name in table and table[name].notna().any()]


def curves(table: Frame) -> Frame:
    """Each metric against d: a `mean` line for each arm and d, and a `run` line for each run.

    Returns:
      Columns `metric`, the arm's labels, `dim`, `compression`, `statistic` (mean or run), `seed`, `value`,
      and for means `sd` (n - 1), `min`, `max` and `n`. Full-space runs are an arm whose method is `full`.
    """
    from pandas import DataFrame

    from weightspace.store.schema import FINISHED

    labels = [*arms(table), "dim", "compression"]
    lines: list[dict[str, Any]] = []
    finished = table[table["status"].isin(FINISHED)]
    for metric in (metric for metric in METRICS if metric in table):
        for key, rows in finished.groupby(labels, dropna=False):
            values = rows[[metric, "seed"]].dropna(subset=[metric])
            if not len(values):
                continue
            common = {"metric": metric} | dict(zip(labels, key, strict=True))  # pyright: ignore[reportArgumentType]
            each = values[metric].astype(float)
            spread = {"sd": each.std() if len(each) > 1 else np.nan, "min": each.min(), "max": each.max()}
            lines.append(common | {"statistic": "mean", "value": each.mean()} | spread | {"n": len(each)})
            for value, seed in values.itertuples(index=False):
                lines.append(common | {"statistic": "run", "seed": seed, "value": value})
    columns = ["metric", *labels, "statistic", "seed", "value", "sd", "min", "max", "n"]
    return _typed(DataFrame(lines, columns=columns), seed="Int64", n="Int64")


def levels_for(table: Frame) -> dict[str, Float[np.ndarray, " level"]]:
    """Fifty levels for each metric: accuracies from 0.1 to 1, losses evenly in their logarithm.

    Losses range over those of runs that did not diverge, four decades at most.
    """
    grids = {}
    for metric in (metric for metric in METRICS if metric in table):
        if rising(metric):
            grids[metric] = np.linspace(0.1, 1.0, _GRID)
            continue
        values = table.loc[table["status"] == "ok", metric].astype(float)
        values = values[np.isfinite(values) & (values > 0)]
        if len(values):
            high = values.max() * (1 + 1e-9)
            low = max(values.min(), high * 1e-4)
            grids[metric] = np.geomspace(low if low < 0.99 * high else high / 2, high, _GRID)
    return grids


def probabilities(table: Frame, levels: Mapping[str, Sequence[float] | np.ndarray]) -> Frame:
    """P_s(d, level): the share of an arm's runs at d that reach a level, and their number `n`."""
    from pandas import DataFrame

    labels = arms(table)
    lines = []
    for arm, rows in _swept(table):
        for metric, grid in levels.items():
            for dim, runs in _counted(rows, metric).groupby("dim"):
                values = runs[metric].to_numpy(float)[:, None]
                for level in grid:
                    share = success(values, float(level), rising=rising(metric))[0]
                    lines.append((metric, *arm, dim, level, share, len(values)))
    return DataFrame(lines, columns=["metric", *labels, "dim", "level", "probability", "n"])


def thresholds(table: Frame, levels: Mapping[str, Sequence[float] | np.ndarray], failure: float) -> Frame:
    """d* of every arm, metric and level, with D - d* as local angular dimension.

    Args:
      table: Labels, status and metrics of runs.
      levels: What to reach, by metric.
      failure: δ, the probability of failure that d* allows.

    Returns:
      The arm's labels, `metric`, `level`, `d_star` with the ends `d_star_low` and `d_star_high` of its 90 %
      interval (infinite where the level is not reached), `local_angular_dimension` and `compression` D/d*
      (absent there), `censored` and `n`, the number of seeds.
    """
    from pandas import DataFrame

    size = weights_of(table)
    lines = []
    for arm, rows in _swept(table):
        for metric, grid in levels.items():
            runs = _counted(rows, metric)
            if runs.empty:
                continue
            dims, values = _filled(runs, metric)
            for level in grid:
                found = threshold(dims, values, float(level), rising=rising(metric), failure=failure)
                reached = np.isfinite(found.d_star)
                angular, ratio = (size - found.d_star, size / found.d_star) if reached else (np.nan, np.nan)
                interval = (found.d_star, found.low, found.high)
                lines.append((*arm, metric, level, *interval, angular, ratio, found.censored, found.n))
    star = ["d_star", "d_star_low", "d_star_high"]
    rest = ["local_angular_dimension", "compression", "censored", "n"]
    return DataFrame(lines, columns=[*arms(table), "metric", "level", *star, *rest])


def _swept(table: Frame) -> Iterator[tuple[tuple[Any, ...], Frame]]:
    """The arms with their finished rows, but for the reference."""
    from weightspace.store.schema import FINISHED

    rows = table[(table["method"] != FULL) & table["status"].isin(FINISHED)]
    labels = arms(table)
    if len(rows) and labels:
        for arm, part in rows.groupby(labels, dropna=False):
            yield tuple(arm), part  # pyright: ignore[reportArgumentType]


def _counted(rows: Frame, metric: str) -> Frame:
    """The rows that tell whether a level is reached; a diverged run tells so even without a value."""
    if metric not in rows:
        return rows.iloc[:0]
    return rows[rows[metric].notna() | (rows["status"] == "diverged")]


def _filled(rows: Frame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Dimensions and values by seed, with what was not measured taken from the seed's neighbours in log d.

    A seed may lack a dimension because it was not asked, is waiting or has failed, which says nothing about
    the level. Beyond its largest dimension a seed keeps its last value; below its smallest nothing is known.
    A run that diverged to no value has the worst of its arm.
    """
    worst = rows[metric].min() if rising(metric) else rows[metric].max()
    dims, values = matrix(rows.assign(**{metric: rows[metric].fillna(worst)}), metric)
    _, known = matrix(rows.assign(known=1.0), "known")
    values = values.copy()
    for row, there in zip(values, np.isfinite(known), strict=True):
        first = int(np.flatnonzero(there)[0])
        gaps = ~there & (np.arange(len(dims)) > first)
        row[gaps] = np.interp(np.log(dims[gaps]), np.log(dims[there]), row[there])
    return dims, values


def _typed(frame: Frame, **types: str) -> Frame:
    return frame.astype({name: dtype for name, dtype in types.items() if name in frame})
