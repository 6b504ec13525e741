"""Thresholds d* to be read off: with their intervals, and triangles where they leave the dimensions swept."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Threshold
from weightspace.figures.panel import Panel
from weightspace.figures.thresholds import ends_of, line_of
from weightspace.report.tables import text, with_interval
from weightspace.report.twins import base
from weightspace.report.twins.base import Entry, Pane, Row, Twin

_SHAPES = {"above": "triangle-up", "below": "triangle-down"}


def twin(chart: Threshold, panel: Panel, notes: Notes) -> Twin:
    """A pane for each metric against the level; for each metric and arm against a label."""
    data = panel.data
    # As the picture's: those of all metrics of the table; what is drawn may be fewer.
    dims = notes.swept(chart.over, set(data["metric"]), chart.reference)
    metrics = notes.words.in_order(data["metric"])
    if chart.x == "level":
        arms = arms_of(data, chart.arms, notes.words)
        entries = [base.entry_of(arm) for arm in arms]
        panes = [
            _pane(chart, data[data["metric"] == name], arms, name, "", dims, entries, notes)
            for name in metrics
        ]
        return Twin([pane for pane in panes if pane.rows], entries)
    others = arms_of(data, tuple(label for label in chart.arms if label != chart.x), notes.words)
    levels = sorted(data["level"].unique())
    looks = [
        Arm({"level": level}, f"{level:g} to reach", colour, style.MARKERS[i % len(style.MARKERS)], "-")
        for i, (level, colour) in enumerate(zip(levels, style.ordered(len(levels)), strict=True))
    ]
    entries = [base.entry_of(look) for look in looks]
    panes = [
        _pane(
            chart, other.of(data[data["metric"] == name]), looks, name,
            f"{notes.words.words(name)}, {other.name}" if len(others) > 1 else notes.words.words(name),
            dims, entries, notes,
        )
        for other in others
        for name in metrics
    ]  # fmt: skip
    return Twin([pane for pane in panes if pane.rows], entries)


def _pane(
    chart: Threshold, rows: pd.DataFrame, arms: Sequence[Arm], metric: str, title: str, dims: list[float],
    entries: list[Entry], notes: Notes,
) -> Pane:  # fmt: skip
    words, label = notes.words.metric(metric), notes.words.label(chart.x)
    levels = chart.x == "level"
    rising = notes.words.rising(metric) if levels else None
    along = f"{words.words} to reach" if levels else label.words
    found = [
        row for e, arm in enumerate(arms)
        for row in _rows(chart, arm.of(rows).sort_values(chart.x), e, arm.name, dims, notes, rising)
    ]  # fmt: skip
    # Losses to reach fall to the right, as in the picture.
    scale = ("percent" if words.scale == "log" else "linear") if levels else label.scale
    unit = f" ({words.unit})" if levels and words.scale == "log" else ""
    x = sorted({row["x"] for row in found})
    ticks = () if levels or label.scale not in ("log2", "symlog") else x
    plain = {"labelExpr": base.NUMBER} if levels else {}
    axes = (
        base.axis(alt.X, "x", f"{along}{unit}", x, scale, ticks, **plain),
        base.axis(
            alt.Y, "y", notes.words.words("d_star"), [*dims, *(row["y"] for row in found)], "log2", dims
        ),
    )
    keys = ("", along, "d*", "D − d*", "seeds", "exactly")
    return Pane(title, keys, _chart(axes, entries, found, bars=not levels), found)


def _rows(
    chart: Threshold, rows: pd.DataFrame, e: int, name: str, dims: list[float], notes: Notes,
    rising: bool | None,
) -> Iterator[Row]:  # fmt: skip
    """The line with its intervals, then the triangles."""
    line, below, above = line_of(rows, chart.x, rising=rising)
    known, low, high = ends_of(rows, dims)
    ends = {place: (low[place], high[place]) for place in known.index}

    def row(place: Any, each: pd.Series, y: float, kind: str) -> Row:
        value, size = float(each["d_star"]), notes.size
        cell = with_interval(
            value, float(each["d_star_low"]), float(each["d_star_high"]), str(each["censored"])
        )
        there = np.isfinite(value) and each["censored"] != "above"
        angular = text(size - value) if there and np.isfinite(size) else ""
        tip = [name, text(base.plain(each[chart.x])), cell, angular, f"{each['n']:.0f}",
               base.exactly(value) if there else ""]  # fmt: skip
        found: Row = {"x": base.plain(each[chart.x]), "y": y, "e": e, "k": kind, "tip": tip}
        if place in ends and kind == "line":
            found |= dict(zip(("l", "h"), map(base.plain, ends[place]), strict=True))
        return found

    for place, each in line.iterrows():
        if np.isfinite(each["d_star"]) and base.plain(each[chart.x]) is not None:
            yield row(place, each, float(each["d_star"]), "line")
        elif each["censored"] == "above" and rising is None:
            yield {"x": base.plain(each[chart.x]), "y": None, "e": e, "k": "line", "tip": []}
    for kind, outside, y in (("above", above, max(dims)), ("below", below, min(dims))):
        for place, each in outside.iterrows():
            yield row(place, each, y, kind)


def _chart(axes: tuple[Any, Any], entries: list[Entry], rows: list[Row], *, bars: bool) -> Any:
    hued = base.colour(entries)
    dash = alt.StrokeDash("e:N", scale=base.entries_scale(entries, "dash"), legend=None)
    whole = base.kept(alt.Chart()).encode(*axes)
    line = whole.transform_filter(base.of_kind("line"))
    layers: list[Any] = []
    if any("l" in row for row in rows):
        spread = line.transform_filter("isValid(datum.l)").encode(y="l:Q", y2="h:Q", color=hued)
        layers.append(spread.mark_rule(opacity=0.7) if bars else spread.mark_area(opacity=base.THIN))
    if any(row["y"] is not None for row in rows if row["k"] == "line"):
        points = {"filled": True, "size": 25} if bars else False
        layers.append(line.mark_line(strokeWidth=2, point=points).encode(color=hued, strokeDash=dash))
    for kind, shape in _SHAPES.items():
        if any(row["k"] == kind for row in rows):
            outside = whole.transform_filter(base.of_kind(kind))
            look = {"shape": shape, "size": 60, "fill": "var(--paper)", "opacity": 1}
            layers.append(outside.mark_point(**look).encode(stroke=hued))
    there = whole.transform_filter("isValid(datum.y)")
    return alt.layer(*layers, base.nearest(there, entries, "line", *_SHAPES))
