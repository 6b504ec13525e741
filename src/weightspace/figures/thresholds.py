"""Figures of the threshold dimension d*: against the level to reach, and against the burn-in."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import angular_axis, dimension_axis, legend_below, loss_axis, panes_of
from weightspace.figures.captions import TITLES, Notes, metrics_in, runs_text
from weightspace.figures.panel import Panel
from weightspace.tables.vocabulary import ARMS


def against_level(lines: pd.DataFrame, dims: list[float], kind: str, notes: Notes) -> Panel:
    """d* against the level, with its interval.

    Args:
      lines: Thresholds of one kind of metric.
      dims: Dimensions swept.
      kind: `accuracy` or `loss`.
      notes: What captions say of the whole.
    """
    metrics = metrics_in(lines)
    drawn, panes = panes_of(len(metrics), 3.0)
    ticks = [dimension_axis(axes, dims, "y") for axes in panes]
    for axes, metric in zip(panes, metrics, strict=True):
        for arm in arms_of(lines, ARMS):
            rows = arm.of(lines[lines["metric"] == metric]).sort_values("level")
            _line(axes, rows, "level", arm, dims)
            _band(axes, rows, "level", arm.colour, dims)
        if kind == "loss":
            loss_axis(axes, "x")
            axes.invert_xaxis()
        axes.set_xlabel(f"{TITLES[metric]} to reach{' (nats)' if kind == 'loss' else ''}")
    panes[0].set_ylabel("threshold dimension d*")
    angular_axis(panes[-1], ticks[-1], notes.size)
    legend_below(drawn, panes[0])
    caption = _caption(lines, notes, "bands")
    return Panel(f"threshold-{kind}", f"Threshold dimension against {kind}", caption, drawn, lines)


def against_burn_in(levels: pd.DataFrame, dims: list[float], notes: Notes) -> Panel:
    """d* against the steps of burn-in, a line for each level; arguments as for `against_level`."""
    metrics = metrics_in(levels)
    others = arms_of(levels, tuple(label for label in ARMS if label != "burn_in"))
    drawn = style.figure(style.PAGE, 2.4 * len(others) + 0.6)
    panes = drawn.subplots(len(others), len(metrics), squeeze=False, sharey=True, sharex=True)
    wanted = sorted(levels["level"].unique())
    for row, other in zip(panes, others, strict=True):
        ticks = [dimension_axis(axes, dims, "y") for axes in row]
        for axes, metric in zip(row, metrics, strict=True):
            for i, colour in enumerate(style.ordered(len(wanted))):
                mine = (levels["metric"] == metric) & (levels["level"] == wanted[i])
                rows = other.of(levels[mine]).sort_values("burn_in")
                look = Arm({}, f"{wanted[i]:g}", colour, style.MARKERS[i % len(style.MARKERS)], "-")
                _line(axes, rows, "burn_in", look, dims, marked=True)
                _bars(axes, rows, "burn_in", colour, dims)
            _steps_axis(axes, sorted(float(t) for t in levels["burn_in"].dropna().unique()))
            axes.set_title(f"{TITLES[metric]}{', ' + other.name if len(others) > 1 else ''}")
        row[0].set_ylabel("threshold dimension d*")
        angular_axis(row[-1], ticks[-1], notes.size)
    for axes in panes[-1]:
        axes.set_xlabel("burn-in t (steps)")
    legend_below(drawn, panes[0][0], title="accuracy to reach")
    caption = f"A line for each accuracy to reach. {_caption(levels, notes, 'bars')}"
    return Panel("threshold-burn-in", "Threshold dimension against burn-in", caption, drawn, levels)


def _line(
    axes: Axes, rows: pd.DataFrame, x: str, arm: Arm, dims: list[float], *, marked: bool = False
) -> None:
    """d* where it lies within the dimensions swept, and triangles where it leaves them.

    Args:
      axes: Where.
      rows: Thresholds of one line, by the values on its axis.
      x: The column on the horizontal axis.
      arm: How it looks.
      dims: Dimensions swept.
      marked: Whether every point is marked, rather than only where the line leaves the dimensions swept.
    """
    below, above = rows[rows["censored"] == "below"], rows[rows["censored"] == "above"]
    if marked:
        # A gap where d* is not reached, so that no line leads through it.
        line = rows.assign(d_star=rows["d_star"].where(rows["censored"] != "above"))
    else:
        below, above = _hardest(below), _hardest(above, easiest=True)
        line = pd.concat([rows[rows["censored"] == ""], below]).sort_values(x)
    inside = (line["censored"] == "").to_numpy()
    dots = inside.tolist() if marked or inside.sum() == 1 else []
    axes.plot(
        line[x], line["d_star"], color=arm.colour, linestyle=arm.dash, label=arm.name,
        marker=arm.marker if dots else None, markevery=dots or None,
    )  # fmt: skip
    for outside, place, shape in ((above, max(dims), "^"), (below, min(dims), "v")):
        axes.plot(
            outside[x], np.full(len(outside), place), linestyle="none", marker=shape, markersize=4.5,
            markerfacecolor=style.PAPER, markeredgecolor=arm.colour, markeredgewidth=0.9,
        )  # fmt: skip


def _hardest(rows: pd.DataFrame, *, easiest: bool = False) -> pd.DataFrame:
    """The line of the level that is hardest to reach, or easiest."""
    if rows.empty:
        return rows
    highest = rows["metric"].iloc[0].endswith("accuracy") != easiest
    return rows.loc[[rows["level"].idxmax() if highest else rows["level"].idxmin()]]


def _ends(rows: pd.DataFrame, dims: list[float]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """The lines with an interval, and its ends, cut off at the largest dimension swept."""
    known = rows[(rows["censored"] == "") & (rows["n"] > 1)]
    return known, known["d_star_low"], known["d_star_high"].clip(upper=max(dims))


def _band(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dims: list[float]) -> None:
    known, low, high = _ends(rows, dims)
    axes.fill_between(known[x], low, high, color=colour, alpha=0.16, linewidth=0)


def _bars(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dims: list[float]) -> None:
    known, low, high = _ends(rows, dims)
    axes.vlines(known[x], low, high, color=colour, linewidth=0.9, alpha=0.6)


def _steps_axis(axes: Axes, steps: list[float]) -> None:
    """Steps of burn-in, t = 0 included, evenly in their logarithm."""
    axes.set_xscale("symlog", linthresh=min(step for step in steps if step > 0), base=2, linscale=0.7)
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.set_xticks([], minor=True)


def _caption(lines: pd.DataFrame, notes: Notes, spread: str) -> str:
    seeds = runs_text(lines["n"], "seed")
    interval = f"{spread} are 90 % bootstrap intervals over seeds ({seeds}), cut off at the largest d swept"
    if lines["n"].max() == 1:
        interval = "one seed (n = 1), so no interval"
    return (
        f"Lines: {notes.threshold}; {interval}. Open triangles mark where d* leaves the dimensions swept: "
        "pointing up, the largest d does not reach the level; pointing down, the smallest already does. "
        f"{notes.values}"
    )
