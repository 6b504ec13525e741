"""One number against another as matplotlib draws it, with intervals both ways and a power law."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from weightspace.figures import style
from weightspace.figures.against import bars_of
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.marks import Relation
from weightspace.figures.panel import Panel


def draw(chart: Relation, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where a line has both numbers."""
    if frame.empty:
        return []
    asked = frame[frame["metric"].isin(chart.metrics)] if chart.metrics else frame
    data = asked[(asked[chart.x] > 0) & (asked[chart.y] > 0)]
    if data.empty:
        return []
    drawn = style.figure(4.8, 3.3)
    axes = drawn.subplots()
    for arm in arms_of(data, chart.arms, notes.words):
        rows = arm.of(data)
        bars = {f"{way}err": bars_of(rows, column) for way, column in (("x", chart.x), ("y", chart.y))}
        look: dict[str, Any] = {"fmt": arm.marker, "color": arm.colour, "label": arm.name, "elinewidth": 0.7}
        axes.errorbar(rows[chart.x], rows[chart.y], **bars, **look)
    axes.set(xscale="log", yscale="log")
    _law(axes, chart, data)
    for axis in (axes.xaxis, axes.yaxis):
        least, most = axis.get_view_interval()
        axis.set_major_locator(MaxNLocator(5) if most < 10 * least else LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel=notes.words.words(chart.x), ylabel=notes.words.words(chart.y))
    legend_below(drawn, axes)
    left_out = f" Not determined: {len(asked) - len(data)} of {len(asked)}." if len(asked) > len(data) else ""
    caption = f"{chart.caption.format(n=runs_text(data['n'], 'seed'))}{left_out}"
    return [Panel(chart.name, chart.title, caption, drawn, data)]


def _law(axes: Axes, chart: Relation, data: pd.DataFrame) -> None:
    factor, power, name = chart.law
    if factor:
        x = np.geomspace(data[chart.x].min() / 1.2, data[chart.x].max() * 1.2, 50)
        axes.plot(x, factor * x**power, color=style.MUTED, linestyle=(0, (4, 1.5)), linewidth=1, label=name)
