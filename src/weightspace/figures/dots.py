"""Dots: the runs of each setting side by side, with their mean and range.

`draw` is the chart of a table of the form of `Curves`; `draw_dots` draws rows that are not a table yet.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Dots
from weightspace.figures.panel import Panel


def draw(chart: Dots, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where a metric has a value."""
    metrics = [(name, label) for name, label in chart.metrics if (frame["metric"] == name).any()]
    data = frame[frame["metric"].isin([name for name, _ in metrics])]
    if data.empty:
        return []
    there = list(dict.fromkeys(data[chart.x]))
    names = [each for each in chart.order if each in there] + [
        each for each in there if each not in chart.order
    ]
    drawn = style.figure(style.PAGE if len(names) > 4 else 4.6, 3.1)
    axes = drawn.subplots()
    for number, (name, label) in enumerate(metrics):
        mine = data[data["metric"] == name]
        means, runs = (mine[mine["statistic"] == kind] for kind in ("mean", "run"))
        place = _places(names, number, len(metrics))
        means = means.rename(columns={"value": "mean", "min": "least", "max": "greatest"})
        ticks = (means[chart.x].map(place), runs[chart.x].map(place))
        _draw_setting(axes, ticks, means, runs["value"], number, label, 0.24 / len(metrics))
    _settings_axis(axes, [notes.words.label(chart.x).text(name) for name in names])
    axes.set_ylabel(chart.y or notes.words.words(metrics[0][0]))
    legend_below(drawn, axes)
    counts = runs_text(data.loc[data["statistic"] == "mean", "n"])
    caption = f"{chart.caption.format(n=counts)} {notes.after(chart.values)}"
    return [Panel(chart.name, chart.title or notes.words.label(chart.x).words, caption, drawn, data)]


def _places(names: Sequence[Any], number: int, count: int) -> dict[Any, float]:
    """Where each setting's column of one of several metrics stands."""
    width = 0.8 / max(count, 1)
    return {name: i + (number - (count - 1) / 2) * width for i, name in enumerate(names)}


def _draw_setting(
    axes: Axes,
    ticks: tuple[pd.Series, pd.Series],
    means: pd.DataFrame,
    runs: pd.Series,
    number: int,
    label: str,
    width: float,
) -> None:
    """Means as bars, ranges as lines, runs as dots, of one metric."""
    x, at = (each.to_numpy(float) for each in ticks)
    colour, marker = style.PALETTE[number], style.MARKERS[number]
    axes.vlines(x, means["least"], means["greatest"], color=colour, linewidth=1, alpha=0.5)
    axes.hlines(means["mean"], x - width, x + width, color=colour, linewidth=1.6)
    look: dict[str, Any] = {"linestyle": "none", "markersize": 2.8, "markeredgewidth": 0, "alpha": 0.65}
    axes.plot(at, runs, color=colour, marker=marker, label=label, **look)


def _settings_axis(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(np.arange(len(names)), list(names))
    axes.set_xlim(-0.6, len(names) - 0.4)
    if len(names) > 4:
        axes.tick_params(axis="x", rotation=35)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.grid(visible=False, axis="x")


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
    found = []
    for number, (column, label) in enumerate(columns):
        each = summarised(rows, by, column) if column in rows else pd.DataFrame()
        if each.empty:
            continue
        found.append(each)
        place = _places(names, number, len(columns))
        runs = rows.dropna(subset=[column])
        ticks = (each[by].map(place), runs[by].map(place))
        _draw_setting(axes, ticks, each, runs[column], number, label, 0.24 / max(len(columns), 1))
    _settings_axis(axes, list(names))
    return found
