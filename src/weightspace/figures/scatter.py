"""Clouds of points as matplotlib draws them."""

import pandas as pd

from weightspace.figures import style
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.chart import Notes
from weightspace.figures.marks import Scatter
from weightspace.figures.panel import Panel


def draw(chart: Scatter, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a dot."""
    if frame.empty:
        return []
    drawn = style.figure(5.0, 3.4)
    axes = drawn.subplots()
    for arm in arms_of(frame, chart.arms, notes.words):
        rows = arm.of(frame)
        look = {"linestyle": "none", "marker": arm.marker, "markersize": 2, "markeredgewidth": 0}
        axes.plot(rows[chart.x], rows[chart.y], color=arm.colour, alpha=0.5, label=arm.name, **look)
    ends = [frame[chart.x].min(), frame[chart.y].max()]
    axes.plot(ends, ends, color=style.MUTED, linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel=chart.axes[0], ylabel=chart.axes[1])
    legend_below(drawn, axes)
    caption = chart.caption.format(count=len(frame), runs=frame["run"].nunique())
    return [Panel(chart.name, chart.title, caption, drawn, frame)]
