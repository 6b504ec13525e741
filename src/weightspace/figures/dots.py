"""Dots: the runs of each setting side by side, with their mean and range."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style


def names_in(settings: pd.Series) -> list[str]:
    """The categories of an ordered column that occur in it, in their order."""
    return [str(name) for name in settings.cat.categories if (settings == name).any()]


def summarised(rows: pd.DataFrame, by: str, column: str) -> pd.DataFrame:
    """Mean, range, spread and number of runs of a column, for each setting in its order.

    Returns:
      Columns: the setting, `mean`, `least`, `greatest`, `sd`, `n`, `metric`.
    """
    each = rows.dropna(subset=[column]).groupby(by, observed=True, sort=True)[column]
    found = each.agg(mean="mean", least="min", greatest="max", sd="std", n="count").reset_index()
    return found.assign(metric=column)


def draw_dots(
    axes: Axes, rows: pd.DataFrame, by: str, columns: Sequence[tuple[str, str]], names: Sequence[str]
) -> list[pd.DataFrame]:
    """Runs as dots, their mean as a bar and their range as a line, one column beside the other.

    Args:
      axes: Where.
      rows: A row a run.
      by: The column of settings.
      columns: Columns drawn, each with its name in the legend.
      names: The settings from left to right.

    Returns:
      The numbers of each column, as `summarised` gives them.
    """
    width = 0.8 / max(len(columns), 1)
    found = []
    for number, (column, label) in enumerate(columns):
        each = summarised(rows, by, column) if column in rows else pd.DataFrame()
        if each.empty:
            continue
        found.append(each)
        colour, marker = style.PALETTE[number], style.MARKERS[number]
        place = {name: i + (number - (len(columns) - 1) / 2) * width for i, name in enumerate(names)}
        x = each[by].map(place).to_numpy(float)
        axes.vlines(x, each["least"], each["greatest"], color=colour, linewidth=1, alpha=0.5)
        axes.hlines(each["mean"], x - width * 0.3, x + width * 0.3, color=colour, linewidth=1.6)
        runs = rows.dropna(subset=[column])
        at = runs[by].map(place).to_numpy(float)
        look: dict[str, Any] = {"linestyle": "none", "markersize": 2.8, "markeredgewidth": 0, "alpha": 0.65}
        axes.plot(at, runs[column], color=colour, marker=marker, label=label, **look)
    axes.set_xticks(np.arange(len(names)), list(names))
    axes.set_xlim(-0.6, len(names) - 0.4)
    if len(names) > 4:
        axes.tick_params(axis="x", rotation=35)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.grid(visible=False, axis="x")
    return found
