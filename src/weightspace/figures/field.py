"""Fields: a value over a plane, as shades with lines of equal value, and points with names upon it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Field
from weightspace.figures.panel import Panel

_MOST = 4
_COLOURS = "viridis"
_LINES = 6


def draw(chart: Field, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, a pane for each value of the facet."""
    known = frame[frame[chart.value].notna()] if len(frame) else frame
    if known.empty:
        return []
    facets = list(dict.fromkeys(frame[chart.facet]))[:_MOST] if chart.facet else [None]
    low, high = float(known[chart.value].min()), float(known[chart.value].max())
    drawn = style.figure(min(style.PAGE, 2.5 * len(facets) + 0.8), 2.6)
    panes = drawn.subplots(1, len(facets), squeeze=False)[0]
    shade = None
    for pane, facet in zip(panes, facets, strict=True):
        mine = frame if facet is None else frame[frame[chart.facet] == facet]
        shade = _field(pane, chart, mine, low, high)
        pane.set_title("" if facet is None else notes.words.label(chart.facet).text(facet), loc="left")
    bar = drawn.colorbar(shade, ax=list(panes), aspect=24, pad=0.02)  # pyright: ignore[reportArgumentType]
    bar.set_label(notes.words.words(chart.value))
    bar.ax.tick_params(length=0)
    caption = f"{chart.caption} {notes.after(chart.values)}".strip()
    return [Panel(chart.name, chart.title, caption, drawn, frame.reset_index(drop=True))]


def _field(pane: Axes, chart: Field, rows: pd.DataFrame, low: float, high: float):
    """The shades of one pane."""
    there = rows[rows[chart.value].notna()]
    x, y, value = (there[name].to_numpy(float) for name in (chart.x, chart.y, chart.value))
    shade = pane.tripcolor(
        x, y, value, shading="gouraud", cmap=_COLOURS, vmin=low, vmax=max(high, low + 1e-6), rasterized=True
    )
    if np.ptp(value) > 0:
        pane.tricontour(x, y, value, levels=_LINES, colors="#ffffff", linewidths=0.5)
    marks = rows[rows[chart.mark].notna()] if chart.mark in rows else rows.iloc[:0]
    for mark in marks.to_dict("records"):
        pane.plot(
            mark[chart.x],
            mark[chart.y],
            "o",
            color="#ffffff",
            markeredgecolor="#000000",
            markersize=4,
            clip_on=False,
        )
        pane.annotate(
            str(mark[chart.mark]), (mark[chart.x], mark[chart.y]), xytext=(3, 3), textcoords="offset points",
            fontsize=6.5, color="#000000", bbox={"facecolor": "#ffffffb0", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    pane.set_aspect("equal")
    pane.grid(visible=False)
    if chart.bare:
        pane.set_axis_off()
    else:
        pane.set(xlabel="x", ylabel="y")
    return shade
