"""Dots: the runs of each setting side by side, with their mean and range."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.axes import draw_level, legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Dots
from weightspace.figures.panel import Panel


def draw(chart: Dots, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where a metric has a value."""
    columns = [(label, rows) for label, rows in columns_of(chart, frame, notes) if len(rows)]
    if not columns:
        return []
    data = pd.concat([rows for _, rows in columns], ignore_index=True)
    names = in_order(chart, data)
    drawn = style.figure(style.PAGE if len(names) > 4 else 4.6, 3.1)
    axes = drawn.subplots()
    draw_level(axes, data, chart.level, notes.words, named=False)
    for number, (label, mine) in enumerate(columns):
        means, runs = (mine[mine["statistic"] == kind] for kind in ("mean", "run"))
        place = _places(names, number, len(columns))
        means = means.rename(columns={"value": "mean", "min": "least", "max": "greatest"})
        ticks = (means[chart.x].map(place), runs[chart.x].map(place))
        _draw_setting(axes, ticks, means, runs["value"], number, label, 0.24 / len(columns))
    _settings_axis(axes, [notes.words.label(chart.x).text(name) for name in names], chart.wrap)
    axes.set_ylabel(chart.y or notes.words.words(data["metric"].iloc[0]))
    legend_below(drawn, axes)
    counts = runs_text(data.loc[data["statistic"] == "mean", "n"])
    caption = f"{chart.caption.format(n=counts)} {notes.after(chart.values)}"
    return [Panel(chart.name, chart.title or notes.words.label(chart.x).words, caption, drawn, data)]


def columns_of(chart: Dots, frame: pd.DataFrame, notes: Notes) -> list[tuple[str, pd.DataFrame]]:
    """What stands beside each other at each place, with its name in the legend."""
    found = [(label, frame[frame["metric"] == name]) for name, label in chart.metrics]
    if not chart.by:
        return found
    words = notes.words.label(chart.by)
    return [
        (words.text(value), rows[rows[chart.by] == value])
        for _, rows in found
        if chart.by in rows
        for value in dict.fromkeys(rows[chart.by].dropna())
    ]


def in_order(chart: Dots, data: pd.DataFrame) -> list[Any]:
    """The values of the label from left to right."""
    if chart.falling:
        runs = data[data["statistic"] == "run"]
        return runs.groupby(chart.x)["value"].mean().sort_values(ascending=False).index.tolist()
    there = list(dict.fromkeys(data[chart.x]))
    known = [each for each in chart.order if each in there]
    return [*known, *(each for each in there if each not in chart.order)]


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


def _settings_axis(axes: Axes, names: Sequence[str], wrap: int) -> None:
    level = wrap or len(names) <= 4
    shown = [textwrap.fill(name, wrap) for name in names] if wrap else list(names)
    axes.set_xticks(np.arange(len(names)), shown)
    axes.set_xlim(-0.6, len(names) - 0.4)
    if not level:
        axes.tick_params(axis="x", rotation=35)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.grid(visible=False, axis="x")
