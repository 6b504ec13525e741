"""Figures of a threshold d*: against the level to reach, and against a label, such as a burn-in."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import (
    angular_axis,
    dimension_axis,
    legend_below,
    loss_axis,
    panes_of,
    steps_axis,
)
from weightspace.figures.captions import runs_text
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Threshold
from weightspace.figures.panel import Panel


def draw(chart: Threshold, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """One figure: against the level where there is a line, against a label where it differs."""
    lines = frame[frame["metric"].isin(chart.metrics)] if chart.metrics else frame
    if lines.empty:
        return []
    dims = notes.swept(chart.over, set(frame["metric"]), chart.reference)
    if chart.x == "level":
        return [_against_level(chart, lines, dims, notes)]
    reached = (lines["censored"] != "above").any()
    several = chart.x in lines and lines[chart.x].nunique() > 1
    return [_against_label(chart, lines, dims, notes)] if reached and several else []


def _against_level(chart: Threshold, lines: pd.DataFrame, dims: list[float], notes: Notes) -> Panel:
    """d* against the level, with its interval."""
    metrics = notes.words.in_order(lines["metric"])
    drawn, panes = panes_of(len(metrics), 3.0)
    ticks = [dimension_axis(axes, dims, "y") for axes in panes]
    for axes, name in zip(panes, metrics, strict=True):
        metric = notes.words.metric(name)
        for arm in arms_of(lines, chart.arms, notes.words):
            rows = arm.of(lines[lines["metric"] == name]).sort_values("level")
            _line(axes, rows, "level", arm, dims, rising=notes.words.rising(name))
            _band(axes, rows, "level", arm.colour, dims)
        if metric.scale == "log":
            loss_axis(axes, "x")
            axes.invert_xaxis()
        unit = f" ({metric.unit})" if metric.scale == "log" else ""
        axes.set_xlabel(f"{metric.words} to reach{unit}")
    panes[0].set_ylabel(notes.words.words("d_star"))
    angular_axis(panes[-1], ticks[-1], notes.size)
    legend_below(drawn, panes[0])
    return Panel(chart.name, chart.title, _caption(chart, lines, notes, "bands"), drawn, lines)


def _against_label(chart: Threshold, levels: pd.DataFrame, dims: list[float], notes: Notes) -> Panel:
    """d* against a label, a line for each level, a row of panes for each arm."""
    metrics = notes.words.in_order(levels["metric"])
    others = arms_of(levels, tuple(label for label in chart.arms if label != chart.x), notes.words)
    drawn = style.figure(style.PAGE, 2.4 * len(others) + 0.6)
    panes = drawn.subplots(len(others), len(metrics), squeeze=False, sharey=True, sharex=True)
    wanted = sorted(levels["level"].unique())
    for row, other in zip(panes, others, strict=True):
        ticks = [dimension_axis(axes, dims, "y") for axes in row]
        for axes, metric in zip(row, metrics, strict=True):
            for i, colour in enumerate(style.ordered(len(wanted))):
                mine = (levels["metric"] == metric) & (levels["level"] == wanted[i])
                rows = other.of(levels[mine]).sort_values(chart.x)
                look = Arm({}, f"{wanted[i]:g}", colour, style.MARKERS[i % len(style.MARKERS)], "-")
                _line(axes, rows, chart.x, look, dims)
                _bars(axes, rows, chart.x, colour, dims)
            steps_axis(axes, sorted(float(t) for t in levels[chart.x].dropna().unique()))
            words = notes.words.words(metric)
            axes.set_title(f"{words}{', ' + other.name if len(others) > 1 else ''}")
        row[0].set_ylabel(notes.words.words("d_star"))
        angular_axis(row[-1], ticks[-1], notes.size)
    for axes in panes[-1]:
        axes.set_xlabel(notes.words.label(chart.x).words)
    kind = kind_of(metrics, notes)
    legend_below(drawn, panes[0][0], title=f"{kind} to reach")
    caption = f"A line for each {kind} to reach. {_caption(chart, levels, notes, 'bars')}"
    return Panel(chart.name, chart.title, caption, drawn, levels)


def kind_of(metrics: list[str], notes: Notes) -> str:
    """What is to be reached: an accuracy, a loss, or the metric in words."""
    for end in ("loss", "accuracy"):
        if all(name.endswith(end) for name in metrics):
            return end
    return " or ".join(notes.words.words(name) for name in metrics)


def _line(
    axes: Axes, rows: pd.DataFrame, x: str, arm: Arm, dims: list[float], *, rising: bool | None = None
) -> None:
    """d* where it lies within the dimensions swept, and triangles where it leaves them.

    Args:
      axes: Where.
      rows: Thresholds of one line, by the values on its axis.
      x: The column on the horizontal axis.
      arm: How it looks.
      dims: Dimensions swept.
      rising: Of a line over levels, whether higher ones are harder, so that only the ends within the
        dimensions swept are marked; None marks every point.
    """
    line, below, above = line_of(rows, x, rising=rising)
    inside = (line["censored"] == "").to_numpy()
    dots = inside.tolist() if rising is None or inside.sum() == 1 else []
    axes.plot(
        line[x], line["d_star"], color=arm.colour, linestyle=arm.dash, label=arm.name,
        marker=arm.marker if dots else None, markevery=dots or None,
    )  # fmt: skip
    for outside, place, shape in ((above, max(dims), "^"), (below, min(dims), "v")):
        axes.plot(
            outside[x], np.full(len(outside), place), linestyle="none", marker=shape, markersize=4.5,
            markerfacecolor=style.PAPER, markeredgecolor=arm.colour, markeredgewidth=0.9,
        )  # fmt: skip


def line_of(
    rows: pd.DataFrame, x: str, *, rising: bool | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The rows of a line, and those below and above the dimensions swept; arguments as of `_line`."""
    below, above = rows[rows["censored"] == "below"], rows[rows["censored"] == "above"]
    if rising is None:
        # A gap where d* is not reached, so that no line leads through it.
        return rows.assign(d_star=rows["d_star"].where(rows["censored"] != "above")), below, above
    below, above = _extreme(below, highest=rising), _extreme(above, highest=not rising)
    return pd.concat([rows[rows["censored"] == ""], below]).sort_values(x), below, above


def _extreme(rows: pd.DataFrame, *, highest: bool) -> pd.DataFrame:
    """The line of the highest level, or of the lowest."""
    if rows.empty:
        return rows
    return rows.loc[[rows["level"].idxmax() if highest else rows["level"].idxmin()]]


def ends_of(rows: pd.DataFrame, dims: list[float]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """The lines with an interval, and its ends, cut off at the largest dimension swept."""
    known = rows[(rows["censored"] == "") & (rows["n"] > 1)]
    return known, known["d_star_low"], known["d_star_high"].clip(upper=max(dims))


def _band(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dims: list[float]) -> None:
    known, low, high = ends_of(rows, dims)
    axes.fill_between(known[x], low, high, color=colour, alpha=0.16, linewidth=0)


def _bars(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dims: list[float]) -> None:
    known, low, high = ends_of(rows, dims)
    axes.vlines(known[x], low, high, color=colour, linewidth=0.9, alpha=0.6)


def _caption(chart: Threshold, lines: pd.DataFrame, notes: Notes, spread: str) -> str:
    seeds = runs_text(lines["n"], "seed")
    interval = f"{spread} are 90 % bootstrap intervals over seeds ({seeds}), cut off at the largest d swept"
    if lines["n"].max() == 1:
        interval = "one seed (n = 1), so no interval"
    return (
        f"Lines: {chart.threshold}; {interval}. Open triangles mark where d* leaves the dimensions swept: "
        "pointing up, the largest d does not reach the level; pointing down, the smallest already does. "
        f"{notes.after(chart.values)}"
    )
