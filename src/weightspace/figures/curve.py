"""Curves as matplotlib draws them: bands, lines and dots of each arm, level lines of the baseline, stars."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import stars, style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import draw_level, legend_below, loss_axis, number, panes_of, scaled, top_axis
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Curve
from weightspace.figures.panel import Panel
from weightspace.figures.traces import moving_average, thin

_MOST_PANES = 4
_DASHED = (0, (4, 1.5))


def draw(chart: Curve, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a line to draw."""
    there = notes.words.in_order(frame["metric"])
    metrics = [name for name in there if not chart.metrics or name in chart.metrics]
    data = frame[frame["metric"].isin(metrics)]
    lines, base = _apart(chart, data)
    if lines.empty:
        return []
    facets = list(dict.fromkeys(lines[chart.facet]))[:_MOST_PANES] if chart.facet else [None]
    keys = [(metric, facet) for metric in metrics for facet in facets]
    drawn, panes = panes_of(len(keys), 3.1, shared=_alike(metrics))
    arms, references = (arms_of(rows, chart.arms, notes.words) for rows in (lines, base))
    for axes, (metric, facet) in zip(panes, keys, strict=True):
        mine, theirs = (_pane(chart, rows, metric, facet) for rows in (lines, base))
        draw_level(axes, mine, chart.level, notes.words)
        for arm in references:
            _level(axes, arm.of(theirs), arm, chart.baseline_words[0], len(references))
        for arm in arms:
            _line(axes, chart, arm.of(mine), arm)
        _axes(axes, chart, mine, lines, notes)
        words = notes.words.metric(metric).axis if chart.logarithmic else notes.words.words(metric)
        axes.set_ylabel(chart.y or words)
        if facet is not None:
            axes.set_title(notes.words.label(chart.facet).text(facet), loc="left")
    legend_below(drawn, panes[0])
    return [Panel(chart.name, _title(chart, notes), _caption(chart, data, notes), drawn, data)]


def _apart(chart: Curve, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of lines, and those of the baseline."""
    if chart.baseline is None or chart.baseline[0] not in data:
        return data, data.iloc[:0]
    base = (data[chart.baseline[0]] == chart.baseline[1]).fillna(False).astype(bool)
    return data[~base], data[base]


def _pane(chart: Curve, rows: pd.DataFrame, metric: str, facet: Any) -> pd.DataFrame:
    rows = rows[rows["metric"] == metric]
    return rows if facet is None or chart.facet not in rows else rows[rows[chart.facet] == facet]


def _alike(metrics: list[str]) -> bool:
    """Whether panes share their axis: metrics of one kind."""
    return len({name.rpartition("_")[2] for name in metrics}) == 1


def _title(chart: Curve, notes: Notes) -> str:
    return chart.title or f"Against {notes.words.label(chart.x).words}"


def _line(axes: Axes, chart: Curve, rows: pd.DataFrame, arm: Arm) -> None:
    means = thin(rows[rows["statistic"] == "mean"].sort_values(chart.x))
    runs = rows[rows["statistic"] == "run"]
    many = means[means["n"] > 1]
    low, high = many["min"], many["max"]
    if chart.spread == "sd":
        low, high = many["value"] - many["sd"], many["value"] + many["sd"]
    if chart.spread == "lines" or len(means) == 1:
        axes.vlines(many[chart.x], low, high, color=arm.colour, linewidth=0.9)
    smooth = len(means) and means["metric"].iloc[0] in chart.smooth
    if smooth:
        axes.plot(means[chart.x], means["value"], color=arm.colour, alpha=0.25, linewidth=0.6)
        means = means.assign(value=moving_average(means["value"].to_numpy(float)))
    elif chart.spread != "lines":
        axes.fill_between(many[chart.x], low, high, color=arm.colour, alpha=0.16, linewidth=0)
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.35}
    axes.plot(runs[chart.x], runs["value"], color=arm.colour, **dots)
    look: dict[str, Any] = {"color": arm.colour, "linestyle": arm.dash}
    look |= {} if len(means) > 30 else {"marker": arm.marker}
    axes.plot(means[chart.x], means["value"], label=arm.name, **look)
    if "p" in means:
        stars.mark(axes, means.rename(columns={chart.x: "x", "value": "y"}), arm.colour)


def _level(axes: Axes, rows: pd.DataFrame, arm: Arm, name: str, count: int) -> None:
    means = rows[rows["statistic"] == "mean"]
    for mean, low, high in zip(means["value"], means["min"], means["max"], strict=True):
        whole = name if count == 1 else f"{name}, {arm.name}"
        dash = arm.dash if count > 1 else _DASHED
        axes.axhspan(low, high, color=style.MUTED, alpha=0.16, linewidth=0)
        axes.axhline(mean, color=style.MUTED, linestyle=dash, linewidth=1, label=whole)


def _axes(axes: Axes, chart: Curve, mine: pd.DataFrame, lines: pd.DataFrame, notes: Notes) -> None:
    label = notes.words.label(chart.x)
    ticks = scaled(axes, sorted(lines[chart.x].dropna().unique().tolist()), label.scale)
    if chart.top:
        places: Any = lines.drop_duplicates(chart.x).set_index(chart.x)[chart.top].to_dict()
        top_axis(axes, ticks, places, notes.words.label(chart.top).words)
    axes.set_xlabel(label.words)
    losses = len(mine) and notes.words.metric(mine["metric"].iloc[0]).scale == "log"
    if chart.logarithmic and losses and (mine["value"].dropna() > 0).all():
        loss_axis(axes, "y")


def _caption(chart: Curve, data: pd.DataFrame, notes: Notes) -> str:
    means = data[data["statistic"] == "mean"]
    lines, base = _apart(chart, means)
    label = notes.words.label(chart.x)
    at = label.symbol or label.words
    bands = (
        "the range from the least to the greatest" if chart.spread == "range" else "one standard deviation"
    )
    dots = ", dots are single runs" if (data["statistic"] == "run").any() else ""
    if chart.said:
        return f"{chart.said.format(n=runs_text(lines['n']))} {notes.after(chart.values)}"
    text = f"Mean over seeds, {runs_text(lines['n'])} at each {at}; bands are {bands}{dots}."
    if lines["n"].max() == 1:
        text = f"One run at each {at} (n = 1), so no spread."
    if len(base):
        size = f"D = {number(notes.size)}, " if np.isfinite(notes.size) else ""
        text += f" Dashed grey: {chart.baseline_words[1]} ({size}{runs_text(base['n'])}), mean and range."
    text += f" {chart.caption}" if chart.caption else ""
    text += stars.meaning(means) if "p" in means else ""
    return f"{text} {notes.after(chart.values)}"
