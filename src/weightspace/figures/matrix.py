"""Matrices as shades from 0 to 1, with the numbers in them where there is room."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.captions import evenly, left_out_text, runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Matrix
from weightspace.figures.panel import Panel

_MOST_PANES = 3
_MARGIN = 1.9
COLOURS = "viridis"


def draw(chart: Matrix, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a value."""
    data = frame.dropna(subset=[chart.value]) if chart.value in frame else frame.iloc[:0]
    if data.empty:
        return []
    levels: list[Any] = sorted(data[chart.facet].unique()) if chart.facet else [None]
    shown = evenly(levels, _MOST_PANES)
    rows, columns = names_of(chart, data)
    side = min(max(0.3 * len(columns), 1.1), (style.PAGE - _MARGIN) / len(shown))
    height = side * max(len(rows) / len(columns), 0.5) + 1.35
    size = (len(shown) * side + _MARGIN, height)
    if chart.chance and not chart.facet:  # columns are few, and their ticks have two lines
        size = (4.4, max(0.2 * len(rows) + 1.0, 1.9))
    drawn = style.figure(*size)
    panes = list(drawn.subplots(1, len(shown), squeeze=False, sharey=True)[0])
    shade: Any = None
    for axes, level in zip(panes, shown, strict=True):
        mine = data if level is None else data[data[chart.facet] == level]
        title = "" if level is None else notes.words.label(chart.facet).text(level)
        if chart.chance and chart.facet:
            title = f"{title} ({mine[chart.chance].mean():.2f})".strip()
        shade = shades(axes, matrix_of(chart, mine, rows, columns), title)
        names = [notes.words.label(chart.columns).text(name) for name in columns]
        axes.set_xticks(range(len(columns)), [_plain(name) for name in names], rotation=90)
        if chart.chance and not chart.facet:
            _by_chance(axes, chart, data, columns, names, notes)
    panes[0].set_yticks(range(len(rows)), [_plain(notes.words.label(chart.rows).text(name)) for name in rows])
    bar = drawn.colorbar(shade, ax=panes, ticks=[0, 0.5, 1], aspect=24, pad=0.02)
    bar.set_label(chart.words or notes.words.words(chart.value))
    bar.ax.tick_params(length=0)
    caption = chart.caption.format(n=runs_text(data["n"], chart.counted) if "n" in data else "")
    caption += left_out_text(shown, levels, notes.words.label(chart.facet))
    return [Panel(chart.name, chart.title or notes.words.words(chart.value), caption, drawn, data)]


def _by_chance(
    axes: Axes, chart: Matrix, data: pd.DataFrame, columns: Sequence[Any], names: Sequence[str], notes: Notes
) -> None:
    """The value by chance below the name of each column."""
    chance = data.groupby(chart.columns)[chart.chance].mean()
    ticks = [f"{_plain(name)}\n({chance[column]:.2f})" for column, name in zip(columns, names, strict=True)]
    axes.set_xticks(range(len(columns)), ticks, rotation=0)
    axes.set_xlabel(f"{notes.words.label(chart.columns).words} ({notes.words.words(chart.chance)})")
    axes.set_aspect("auto")


def _plain(name: str) -> str:
    return name.replace("_", " ")


def names_of(chart: Matrix, data: pd.DataFrame) -> tuple[list[Any], list[Any]]:
    """Rows and columns in their order."""
    found = [list(dict.fromkeys(data[name])) for name in (chart.rows, chart.columns)]
    if chart.symmetric:
        found = [list(dict.fromkeys([*found[0], *found[1]]))] * 2
    known = list(chart.order)
    rows, columns = (
        sorted(names, key=lambda name: known.index(name) if name in known else len(known)) for names in found
    )
    return rows, columns


def matrix_of(chart: Matrix, data: pd.DataFrame, rows: Sequence[Any], columns: Sequence[Any]) -> np.ndarray:
    """The values by row and column; NaN where there is none."""
    found = np.full((len(rows), len(columns)), np.nan)
    if chart.symmetric:
        np.fill_diagonal(found, 1.0)
    for row, column, value in data[[chart.rows, chart.columns, chart.value]].itertuples(index=False):
        found[rows.index(row), columns.index(column)] = value
        if chart.symmetric:
            found[rows.index(column), columns.index(row)] = value
    return found


def shades(axes: Axes, values: Float[np.ndarray, "rows columns"], title: str) -> object:
    """Shades from 0 to 1, the numbers in them where there is room."""
    shade = axes.imshow(values, cmap=COLOURS, vmin=0, vmax=1)
    axes.set_title(title, loc="left")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    size = 6.5 if max(values.shape) <= 5 else 4.2
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = style.INK if value > 0.6 else style.PAPER
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=size, color=ink)
    return shade
