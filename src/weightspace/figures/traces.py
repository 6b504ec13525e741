"""Curves over training: means over runs with their spread, smoothed where they are noisy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes

from weightspace.figures.arms import Arm

SMOOTHING = 0.95
LONGEST = 400
"""Points of a curve that are drawn, evenly apart."""


def moving_average(values: Float[np.ndarray, " n"], weight: float = SMOOTHING) -> Float[np.ndarray, " n"]:
    """The exponential moving average a_t = w a_{t-1} + (1 - w) v_t, begun at the first value."""
    smooth, last = np.empty(len(values)), np.nan
    for place, value in enumerate(values):
        last = value if np.isnan(last) else weight * last + (1 - weight) * value
        smooth[place] = last
    return smooth


def traces(history: pd.DataFrame, table: pd.DataFrame, arms: Sequence[Arm], metric: str) -> pd.DataFrame:
    """Mean, standard deviation and number of runs of a metric at each reading, arm by arm.

    Args:
      history: Columns `run`, `epoch` and the metric.
      table: A row a run, with the arms' labels.
      arms: The lines to make.
      metric: The column.

    Returns:
      Columns `metric`, `arm`, `epoch`, `mean`, `sd`, `n`, `smooth`.
    """
    found = []
    for arm in arms:
        runs = set(arm.of(table)["run"])
        rows = history[history["run"].isin(runs) & np.isfinite(history[metric])]
        each = rows.groupby("epoch")[metric].agg(["mean", "std", "count"]).reset_index()
        each.columns = ["epoch", "mean", "sd", "n"]
        each["smooth"] = moving_average(each["mean"].to_numpy(float))
        found.append(each.assign(metric=metric, arm=arm.name))
    columns = ["metric", "arm", "epoch", "mean", "sd", "n", "smooth"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def draw_traces(axes: Axes, data: pd.DataFrame, arms: Sequence[Arm], *, smooth: bool) -> None:
    """A line an arm, with a band of one standard deviation; smoothed curves lie over faint raw ones."""
    for arm in arms:
        rows = thin(data[data["arm"] == arm.name])
        look: dict[str, Any] = {"color": arm.colour, "linestyle": arm.dash}
        x, mean = rows["epoch"], rows["mean"]
        if smooth:
            axes.plot(x, mean, color=arm.colour, alpha=0.25, linewidth=0.6)
        else:
            low, high = mean - rows["sd"].fillna(0), mean + rows["sd"].fillna(0)
            axes.fill_between(x, low, high, color=arm.colour, alpha=0.14, linewidth=0)
        axes.plot(x, rows["smooth"] if smooth else mean, label=arm.name, **look)
    axes.set_xlabel("epoch")


def thin(rows: pd.DataFrame, most: int = LONGEST) -> pd.DataFrame:
    """At most so many of the rows, evenly apart, the first and last among them."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
