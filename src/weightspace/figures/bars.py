"""Bars: means with ranges side by side at each place, a pane for each value of another column."""

import pandas as pd

from weightspace.figures import style
from weightspace.figures.axes import legend_below, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Bars
from weightspace.figures.panel import Panel


def draw(chart: Bars, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a line."""
    if frame.empty:
        return []
    facets = [value for value in chart.facets if (frame[chart.facet] == value).any()]
    places = sorted(dict.fromkeys(frame[chart.x]), key=lambda name: name != chart.first)
    arms = list(dict.fromkeys(frame[chart.arm]))
    drawn, panes = panes_of(len(facets), 2.9)
    width = 0.8 / len(arms)
    colours = style.PALETTE if len(arms) <= len(style.PALETTE) else style.ordered(len(arms))
    for axes, facet in zip(panes, facets, strict=True):
        for number, arm in enumerate(arms):
            own = frame[(frame[chart.facet] == facet) & (frame[chart.arm] == arm)]
            x = own[chart.x].map(places.index).to_numpy(float) + (number + 0.5) * width - 0.4
            name = notes.words.label(chart.arm).text(arm)
            axes.bar(x, own["mean"], 0.85 * width, color=colours[number], alpha=0.75, label=name)
            axes.vlines(x, own["least"], own["greatest"], color=style.INK, linewidth=0.8)
        axes.set_xticks(range(len(places)), places)
        if len(places) > 4:
            axes.tick_params(axis="x", rotation=45)
        axes.set_title(str(facet), loc="left")
        axes.grid(visible=False, axis="x")
    panes[0].set_ylabel(chart.y)
    legend_below(drawn, panes[0])
    caption = chart.caption.format(n=runs_text(frame["n"]))
    return [Panel(chart.name, chart.title or chart.y, caption, drawn, frame)]
