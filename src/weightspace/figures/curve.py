"""Curves as matplotlib draws them: bands, lines and dots of each arm, level lines of the baseline, stars."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from weightspace.figures import stars, style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import draw_level, legend_below, loss_axis, number, panes_of, scaled, top_axis
from weightspace.figures.captions import evenly, left_out_text, runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Curve
from weightspace.figures.panel import Panel
from weightspace.figures.traces import SMOOTHING, moving_average, thin
from weightspace.figures.weights_left import stretch

_MOST_PANES = 4
MOST_DOTS = 10_000
"""Dots of an arm that are elements of a vector format each; more of them are one image in it."""
_DASHED = (0, (4, 1.5))
_DOTTED = (0, (1.2, 1.2))
_SMOOTH = " Noisy curves are smoothed (exponential moving average, {:g}) over the raw means."


def draw(chart: Curve, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure, where there is a line or a baseline to draw."""
    metrics = metrics_of(chart, frame, notes)
    data = _smoothed(chart, frame[frame["metric"].isin(metrics)])
    lines, base = apart(chart, data)
    if data.empty:
        return []
    facets = evenly(facets_of(chart, lines), _MOST_PANES)
    keys = [(metric, facet) for metric in metrics for facet in facets]
    drawn, panes = panes_of(len(keys), 3.1, shared=alike(metrics))
    arms, references = arms_told(chart, lines, notes), arms_of(base, chart.arms, notes.words)
    for axes, (metric, facet) in zip(panes, keys, strict=True):
        mine, theirs = (pane_of(chart, rows, metric, facet) for rows in (lines, base))
        draw_level(axes, mine, chart.level, notes.words)
        for arm in references:
            _level(axes, arm.of(theirs), arm, chart.baseline_words[0], len(references))
        for value, name in chart.levels:
            axes.axhline(value, color=style.MUTED, linestyle=_DOTTED, linewidth=1, label=name)
        for arm in arms:
            _line(axes, chart, arm.of(mine), arm)
        _axes(axes, chart, mine, lines, notes)
        words = notes.words.metric(metric).axis if chart.logarithmic else notes.words.words(metric)
        if facet in (None, facets[0]):
            axes.set_ylabel(chart.y or (f"{words} (%)" if chart.percent else words))
        if facet is not None:
            axes.set_title(notes.words.label(chart.facet).text(facet), loc="left")
    if chart.levels:
        panes[0].set_ylim(bottom=min(0.0, *(axes.get_ylim()[0] for axes in panes)))
    ends = pd.concat([data["min"], data["max"]])
    stretched = chart.stretched and alike(metrics) and stretch(panes[0], ends)
    legend_below(drawn, panes[0])
    caption = _caption(chart, data, notes, stretched=stretched)
    caption += left_out_text(facets, facets_of(chart, lines), notes.words.label(chart.facet))
    return [Panel(chart.name, _title(chart, notes), caption, drawn, data)]


def metrics_of(chart: Curve, frame: pd.DataFrame, notes: Notes) -> list[str]:
    """The metrics that have panes."""
    there = notes.words.in_order(frame["metric"])
    return [name for name in chart.metrics or there if name in there]


def facets_of(chart: Curve, lines: pd.DataFrame) -> list[Any]:
    """The values that have a pane of each metric; one that is None where there is no such label."""
    return list(dict.fromkeys(lines[chart.facet])) if chart.facet and len(lines) else [None]


def arms_told(chart: Curve, lines: pd.DataFrame, notes: Notes) -> list[Arm]:
    """The lines, with the names and dashes that the chart says."""
    return [_as_told(chart, arm, lines, notes) for arm in arms_of(lines, chart.arms, notes.words)]


def _as_told(chart: Curve, arm: Arm, lines: pd.DataFrame, notes: Notes) -> Arm:
    """An arm with the name and the dash that the chart says."""
    if chart.naming:
        name = notes.words.label(chart.naming).text(arm.of(lines)[chart.naming].iloc[0])
        arm = dataclasses.replace(arm, name=name)
    elif chart.dots and not chart.arms:
        arm = dataclasses.replace(arm, name="mean over runs")
    label, values = chart.dotted
    return dataclasses.replace(arm, dash=_DOTTED) if arm.labels.get(label) in values else arm


def _smoothed(chart: Curve, data: pd.DataFrame) -> pd.DataFrame:
    """The lines with their moving averages as `smooth`, where any is drawn so; all points count."""
    means = data[(data["statistic"] == "mean") & data["metric"].isin(chart.smooth)].sort_values(chart.x)
    lines = means.groupby(
        ["metric", *(name for name in (*chart.arms, chart.facet) if name in data)], dropna=False
    )
    long = means[lines["value"].transform("size") > chart.smooth_beyond] if len(means) else means
    if long.empty:
        return data
    smooth = lines["value"].transform(lambda line: moving_average(line.to_numpy(float)))
    return data.assign(smooth=smooth.reindex(long.index))


def apart(chart: Curve, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of lines, and those of the baseline."""
    if chart.baseline is None or chart.baseline[0] not in data:
        return data, data.iloc[:0]
    base = (data[chart.baseline[0]] == chart.baseline[1]).fillna(False).astype(bool)
    return data[~base], data[base]


def pane_of(chart: Curve, rows: pd.DataFrame, metric: str, facet: Any) -> pd.DataFrame:
    """The rows of one pane."""
    rows = rows[rows["metric"] == metric]
    return rows if facet is None or chart.facet not in rows else rows[rows[chart.facet] == facet]


def alike(metrics: list[str]) -> bool:
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
    smooth = "smooth" in means and means["smooth"].notna().any()
    if smooth:
        axes.plot(means[chart.x], means["value"], color=arm.colour, alpha=0.25, linewidth=0.6)
        means = means.assign(value=means["smooth"])
    elif chart.spread != "lines":
        axes.fill_between(many[chart.x], low, high, color=arm.colour, alpha=0.16, linewidth=0)
    dots: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2.2,
        "markeredgewidth": 0,
        "alpha": 0.35,
    }
    dots["color"] = arm.colour
    if chart.dots:
        dots |= {"color": style.PALETTE[1], "markersize": 4, "alpha": 1, "label": chart.dots, "zorder": 3}
    if len(runs):
        axes.plot(runs[chart.x], runs["value"], rasterized=len(runs) > MOST_DOTS, **dots)
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
    if chart.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    losses = len(mine) and notes.words.metric(mine["metric"].iloc[0]).scale == "log"
    if chart.logarithmic and losses and (mine["value"].dropna() > 0).all():
        loss_axis(axes, "y")


def _caption(chart: Curve, data: pd.DataFrame, notes: Notes, *, stretched: bool) -> str:
    means = data[data["statistic"] == "mean"]
    lines, base = apart(chart, means)
    counts = runs_text(lines["n"], chart.counted) if len(lines) else "no runs"
    text = chart.told.format(n=counts) or _usual(chart, data, base, counts, notes)
    text += f" {chart.caption}" if chart.caption else ""
    text += " The axis is logistic: it stretches what lies near 1." if stretched else ""
    text += stars.meaning(means, notes.words) if "p" in means else ""
    return notes.after(text.removesuffix(".")) if chart.told else f"{text} {notes.after(chart.values)}"


def _usual(chart: Curve, data: pd.DataFrame, base: pd.DataFrame, counts: str, notes: Notes) -> str:
    """What is seen, in the words of the chart."""
    label = notes.words.label(chart.x)
    at = label.symbol or label.words
    bands = (
        "the range from the least to the greatest" if chart.spread == "range" else "one standard deviation"
    )
    dots = ", dots are single runs" if (data["statistic"] == "run").any() else ""
    text = f"Mean over seeds, {counts} at each {at}; bands are {bands}{dots}."
    if counts == "n = 1 run":
        text = f"One run at each {at} (n = 1), so no spread."
    if len(base):
        size = f"D = {number(notes.size)}, " if np.isfinite(notes.size) else ""
        text += f" Dashed grey: {chart.baseline_words[1]} ({size}{runs_text(base['n'])}), mean and range."
    text += _SMOOTH.format(SMOOTHING) if "smooth" in data else ""
    return text
