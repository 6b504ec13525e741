"""Heat maps of a share over two columns, one for each arm, with a curve over them."""

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import dimension_axis, edges, loss_axis
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Heat
from weightspace.figures.panel import Panel
from weightspace.tables.words import Vocabulary

_MOST_COLUMNS = 5
_CURVE = style.PALETTE[1]


def draw(chart: Heat, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """A figure for each metric of the table."""
    found = []
    for name in notes.words.in_order(frame["metric"]):
        metric = notes.words.metric(name)
        rows = frame[frame["metric"] == name]
        drawn = heat_map(chart, rows, metric.axis, notes.words, logarithmic=metric.scale == "log")
        caption = chart.caption.format(metric=metric.words, n=runs_text(rows["n"]))
        title = f"{chart.title}, {metric.words}" if chart.title else metric.words
        files = f"{chart.name}-{name.replace('_', '-')}"
        numbers = rows.drop(columns=chart.curve) if chart.curve else rows
        caption = f"{caption} {notes.after(chart.values)}"
        found.append(Panel(files, title, caption, drawn, numbers, over=rows))
    return found


def heat_map(chart: Heat, data: pd.DataFrame, label: str, words: Vocabulary, *, logarithmic: bool) -> Figure:
    """Black where the share is none, white where it is all.

    Args:
      chart: Which columns go where.
      data: Their values, and the arms' labels.
      label: Of the vertical axis.
      words: What arms are called.
      logarithmic: Whether the vertical values lie evenly in their logarithm.
    """
    cells = _cells(chart, data, words)
    rows, columns = len(cells), len(cells[0])
    width = style.COLUMN if rows * columns == 1 else style.PAGE
    cell = min((width - 1.1) / columns * 0.95, 2.2)
    drawn = style.figure(min(width, columns * cell * 1.15 + 1.4), rows * (cell + 0.22) + 0.45)
    panes = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    mesh = None
    for pane, (title, side, arms) in zip(panes.flat, [cell for row in cells for cell in row], strict=True):
        mine = data
        for arm in arms:
            mine = arm.of(mine)
        if not arms or mine.empty:
            pane.set_visible(False)
            continue
        mesh = _map(pane, chart, mine, logarithmic=logarithmic)
        if chart.curve:
            _curve(pane, mine.drop_duplicates(chart.y), chart)
        pane.set_title(title)
        pane.set_ylabel(side)
    _axes(panes, sorted(float(x) for x in data[chart.x].unique()), columns, logarithmic=logarithmic)
    drawn.supxlabel(words.label(chart.x).words, fontsize=7.5)
    drawn.supylabel(label, fontsize=7.5)
    bar = drawn.colorbar(mesh, ax=panes, ticks=[0, 0.5, 1], aspect=28, pad=0.02)  # pyright: ignore[reportArgumentType]
    bar.set_label(words.words(chart.value))
    bar.ax.tick_params(length=0)
    return drawn


Cell = tuple[str, str, tuple[Arm, ...]]
"""A map's title, the name of its row and the arms whose lines it shows; no arms, no map."""


def _cells(chart: Heat, data: pd.DataFrame, words: Vocabulary) -> list[list[Cell]]:
    """Maps in rows: a column for each value of one label where others differ too, else as they fit."""
    others = tuple(name for name in chart.arms if name != chart.columns)
    steps = arms_of(data, (chart.columns,), words) if chart.columns else []
    rest = arms_of(data, others, words)
    if 1 < len(steps) <= _MOST_COLUMNS and len(rest) > 1:
        return [
            [("" if row else step.name, "" if column else other.name, (other, step))
             for column, step in enumerate(steps)]
            for row, other in enumerate(rest)
        ]  # fmt: skip
    arms = arms_of(data, chart.arms, words)
    rows = -(-len(arms) // _MOST_COLUMNS)
    columns = -(-len(arms) // rows)
    cells: list[Cell] = [(arm.name if len(arms) > 1 else "", "", (arm,)) for arm in arms]
    cells += [("", "", ())] * (rows * columns - len(arms))
    return [cells[row * columns : (row + 1) * columns] for row in range(rows)]


def _axes(panes: np.ndarray, dims: list[float], columns: int, *, logarithmic: bool) -> None:
    borders = edges(dims, logarithmic=True)
    for pane in panes.flat:
        dimension_axis(pane, dims, most=7 if columns == 1 else 4)
        pane.set_xlim(borders[0], borders[-1])
        if logarithmic:
            loss_axis(pane, "y")


def _map(pane: Axes, chart: Heat, data: pd.DataFrame, *, logarithmic: bool) -> QuadMesh:
    wide = data.pivot_table(index=chart.y, columns=chart.x, values=chart.value)
    x = edges(wide.columns.to_numpy(float), logarithmic=True)
    y = edges(wide.index.to_numpy(float), logarithmic=logarithmic)
    pane.grid(visible=False)
    # Cells as pixels: hundreds of vector cells for each map would swell the file and show seams.
    return pane.pcolormesh(x, y, wide.to_numpy(float), cmap="gray", vmin=0, vmax=1, rasterized=True)


def _curve(pane: Axes, data: pd.DataFrame, chart: Heat) -> None:
    found = data[np.isfinite(data[chart.curve])].sort_values(chart.y)
    (line,) = pane.plot(found[chart.curve], found[chart.y], color=_CURVE, linewidth=1.4)
    line.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="#ffffff")])
