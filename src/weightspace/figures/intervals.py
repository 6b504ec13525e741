"""Intervals as matplotlib draws them: dots with bars, a line a row."""

import numpy as np
import pandas as pd

from weightspace.figures import style
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.marks import Intervals
from weightspace.figures.panel import Panel


def draw(chart: Intervals, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a line."""
    if frame.empty:
        return []
    parts = {name: frame[frame[chart.series] == name] for name, _ in chart.named}
    order = list(parts[chart.named[0][0]].sort_values(chart.value)[chart.rows])
    drawn = style.figure(4.8, 0.22 * len(order) + 1.1)
    axes = drawn.subplots()
    for place, (name, words) in enumerate(chart.named):
        rows = parts[name][parts[name][chart.rows].isin(order)].dropna(subset=[chart.value])
        y = np.array([order.index(row) for row in rows[chart.rows]]) + 0.14 * (0.5 - place)
        colour, marker = style.PALETTE[place], style.MARKERS[place]
        axes.hlines(y, rows[f"{chart.value}_low"], rows[f"{chart.value}_high"], color=colour, linewidth=1.1)
        axes.plot(rows[chart.value], y, marker, color=colour, label=words)
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    axes.set_yticks(range(len(order)), [notes.words.words(name) for name in order])
    axes.set(xlim=chart.limits, xlabel=chart.x)
    legend_below(drawn, axes)
    counts = {name: runs_text(rows["n"]) if len(rows) else "n = 0 runs" for name, rows in parts.items()}
    asked = {"n_asked": int(frame["n_asked"].max())} if "n_asked" in frame else {}
    return [Panel(chart.name, chart.title, chart.caption.format(**counts, **asked), drawn, frame)]
