"""Means against another mean as matplotlib draws them: intervals both ways, the points of an arm joined."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import AT_THE_END, Notes
from weightspace.figures.marks import Against
from weightspace.figures.panel import Panel

_ABREAST = 2
"""Panes side by side."""


def draw(chart: Against, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where a line has both numbers."""
    metrics = [name for name in chart.metrics if name in frame and frame[name].notna().any()]
    if chart.x not in frame or not metrics:
        return []
    data = frame[frame[chart.x].notna() & frame[metrics].notna().any(axis=1)]
    if data.empty:
        return []
    columns = min(len(metrics), _ABREAST)
    lines = -(-len(metrics) // columns)
    drawn = style.figure(style.PAGE if columns > 1 else 4.2, 2.5 * lines + 0.4)
    panes = list(drawn.subplots(lines, columns, squeeze=False, sharex=True).ravel())
    for axes in panes[len(metrics) :]:
        axes.set_axis_off()
    arms = arms_of(data, chart.arms, notes.words)
    for place, (axes, metric) in enumerate(zip(panes, metrics, strict=False)):
        for arm in arms:
            _line(axes, chart.x, metric, arm.of(data), arm)
        axes.set_ylabel(notes.words.words(metric))
        if place + columns >= len(metrics):
            axes.set_xlabel(notes.words.words(chart.x))
            axes.tick_params(labelbottom=True)
    legend_below(drawn, panes[0])
    return [Panel(chart.name, chart.title, _caption(chart, data, notes), drawn, data)]


def _line(axes: Axes, x: str, metric: str, rows: pd.DataFrame, arm: Arm) -> None:
    rows = rows[rows[metric].notna()]
    bars = {f"{way}err": bars_of(rows, column) for way, column in (("x", x), ("y", metric))}
    look: dict[str, Any] = {"color": arm.colour, "marker": arm.marker, "linestyle": arm.dash}
    look |= {"markersize": 3.5, "linewidth": 0.8, "elinewidth": 0.8, "label": arm.name}
    axes.errorbar(rows[x], rows[metric], **bars, **look)


def bars_of(rows: pd.DataFrame, column: str) -> Any:
    """Down and up from each dot; nothing where an end is not known."""
    if f"{column}_low" not in rows:
        return None
    ends = np.stack([rows[column] - rows[f"{column}_low"], rows[f"{column}_high"] - rows[column]])
    return np.maximum(np.nan_to_num(ends.astype(float)), 0)


def _caption(chart: Against, data: pd.DataFrame, notes: Notes) -> str:
    counts = runs_text(data["n"])
    text = f"Means, {counts} at each point; bars are {100 * chart.share:g} % intervals of them (Student's)."
    if int(data["n"].max()) == 1:
        text = f"One run at each point ({counts}), so no intervals."
    more = f" {chart.caption}" if chart.caption else ""
    return f"{text}{more} {notes.after(AT_THE_END)}"
