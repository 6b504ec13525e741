"""Violins: the distribution of a value over the last readings of all runs, side by side for each arm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Violins
from weightspace.figures.panel import Panel

_ABREAST = 40
"""Letters of names that fit side by side below a pane."""


def draw(chart: Violins, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, a pane for each metric that has values."""
    there = [(name, log) for name, log in chart.metrics if (frame["metric"] == name).any()]
    if not there:
        return []
    arms = arms_of(frame, chart.arms, notes.words)
    named = pd.concat([arm.of(frame).assign(arm=arm.name) for arm in arms])
    drawn = style.figure(style.PAGE if len(there) > 1 else 3.6, 2.6)
    panes = drawn.subplots(1, len(there), squeeze=False)[0]
    for axes, (name, logarithmic) in zip(panes, there, strict=True):
        _draw(axes, named[named["metric"] == name], arms, logarithmic=logarithmic)
        axes.set_title(notes.words.words(name), loc="left")
    numbers = named[named["metric"].isin([name for name, _ in there])]
    n = numbers.groupby("arm")["run"].nunique()
    readings = int(numbers.groupby(["metric", "run"]).size().max())
    caption = (
        f"Distribution over the last {readings} readings of {runs_text(n)} of each setting; lines are "
        f"medians, dots the runs' means. {chart.caption}"
    )
    time = "epoch" if "epoch" in numbers else "step"
    shown = numbers[["metric", "arm", "run", time, "value"]].reset_index(drop=True)
    return [Panel(chart.name, chart.title or "Distributions", caption.strip(), drawn, shown, over=numbers)]


def _draw(axes: Axes, data: pd.DataFrame, arms: Sequence[Arm], *, logarithmic: bool) -> None:
    """A violin an arm, its median as a line, and the single runs' means as dots; or of the logarithm."""
    for place, arm in enumerate(arms):
        rows = data[data["arm"] == arm.name]
        rows = rows[(rows["value"] > 0) | (not logarithmic)]
        if rows.empty:
            continue
        values = pd.Series(np.log10(rows["value"])) if logarithmic else rows["value"]
        if values.nunique() > 1:
            parts = axes.violinplot([values.to_numpy(float)], [place], showextrema=False, widths=0.8)
            for body in parts["bodies"]:  # pyright: ignore[reportGeneralTypeIssues]
                body.set(facecolor=arm.colour, alpha=0.35)
        axes.hlines(values.median(), place - 0.25, place + 0.25, color=arm.colour, linewidth=1.4)
        each = values.groupby(rows["run"]).mean()
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.6}
        axes.plot(np.full(len(each), place), each, color=style.MUTED, **dots)
    axes.set_xticks(range(len(arms)), [arm.name for arm in arms])
    if len(arms) > 4 or sum(len(arm.name) for arm in arms) > _ABREAST:
        axes.tick_params(axis="x", rotation=30)
    axes.grid(visible=False, axis="x")
    if logarithmic:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{value:g}}}$"))
