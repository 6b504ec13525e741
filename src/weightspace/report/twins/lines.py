"""Curves to be read off: a pane for each metric and facet, also those for which a picture has no room."""

import math
from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from weightspace.figures import stars
from weightspace.figures.arms import arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Curve
from weightspace.figures.curve import alike, apart, arms_told, facets_of, metrics_of, pane_of
from weightspace.figures.panel import Panel
from weightspace.figures.traces import thin
from weightspace.figures.weights_left import TICKS, WIDE
from weightspace.report.twins import base
from weightspace.report.twins.base import Entry, Pane, Row, Twin

_LOGISTIC = "format(1 / (1 + exp(-datum.value)), '.4~g')"


def twin(chart: Curve, panel: Panel, notes: Notes) -> Twin:
    """All panes of a curve."""
    data = panel.data
    lines, baseline = apart(chart, data)
    arms = arms_told(chart, lines, notes)
    references = arms_of(baseline, chart.arms, notes.words)
    metrics = metrics_of(chart, data, notes)
    name = chart.baseline_words[0]
    entries = [base.entry_of(arm) for arm in arms]
    grey = [base.muted(name if len(references) == 1 else f"{name}, {arm.name}") for arm in references]
    grey += [base.muted(words, (2, 2)) for _, words in chart.levels]
    has_level = bool(chart.level) and chart.level in lines and bool(lines[chart.level].notna().any())
    grey += [base.muted(notes.words.words(chart.level), (2, 2))] if has_level else []
    logistic = chart.stretched and alike(metrics) and _stretched(data)
    panes = []
    for metric in metrics:
        for facet in facets_of(chart, lines):
            mine, theirs = (pane_of(chart, rows, metric, facet) for rows in (lines, baseline))
            rows = [
                row for e, arm in enumerate(arms) for row in _line(chart, arm.of(mine), e, arm.name, notes)
            ]
            levels = [row for e, arm in enumerate(references, len(arms))
                      for row in _baseline(arm.of(theirs), e, entries=[*entries, *grey])]  # fmt: skip
            levels += _levels(chart, mine, len(arms) + len(references), [*entries, *grey])
            if not rows and not levels:
                continue
            if logistic:
                rows, levels = ([_logit(row) for row in each] for each in (rows, levels))
            if _logarithmic(chart, metric, notes):
                rows, levels = ([_on_log(row) for row in each] for each in (rows, levels))
            words = notes.words.metric(metric).axis if chart.logarithmic else notes.words.words(metric)
            title = "" if facet is None else notes.words.label(chart.facet).text(facet)
            several = len(metrics) > 1 and (facet is not None or not chart.y)
            panes.append(Pane(
                ", ".join(part for part in (words if several and title else "", title) if part),
                ("", notes.words.label(chart.x).words, words, "range", "runs", "p, corrected", "exactly"),
                _chart(chart, rows + levels, metric, [*entries, *grey], notes, logistic=logistic),
                rows + levels,
            ))  # fmt: skip
    return Twin(panes, [*entries, *grey])


def _line(chart: Curve, rows: pd.DataFrame, e: int, name: str, notes: Notes) -> Iterator[Row]:
    """The means of a line and its single runs."""
    label = notes.words.label(chart.x)
    means = thin(rows[rows["statistic"] == "mean"].sort_values(chart.x))
    smooth = "smooth" in means and means["smooth"].notna().any()
    for row in means.to_dict("records"):
        several = row["n"] > 1
        low, high = row["min"], row["max"]
        if several and chart.spread == "sd":
            low, high = row["value"] - row["sd"], row["value"] + row["sd"]
        x, y = base.plain(row[chart.x]), base.plain(row["smooth"] if smooth else row["value"])
        if x is None:
            continue
        if y is None:  # The line is broken there.
            yield {"x": x, "y": None, "e": e, "k": "mean", "tip": []}
            continue
        p = base.plain(row.get("p_corrected"))
        spread, ends = (row.get("sd"), base.span(row["min"], row["max"])) if several else (None, "")
        tip = [name, base.told(label, row[chart.x]), base.mean(row["value"], spread), ends, f"{row['n']:.0f}",
               "" if p is None else f"{p:.2g}", base.exactly(row["value"])]  # fmt: skip
        found: Row = {"x": x, "y": y, "e": e, "k": "mean", "tip": tip}
        if several:
            found |= {"l": base.plain(low), "h": base.plain(high)}
        if smooth:
            found["raw"] = base.plain(row["value"])
        if _below(base.plain(row.get("p"))):
            found["star"] = 2 if _below(p) else 1
        yield found
    for x, y in rows.loc[rows["statistic"] == "run", [chart.x, "value"]].itertuples(index=False):
        if base.plain(x) is not None and base.plain(y) is not None:
            tip = [f"{name}, one run", base.told(label, x), base.mean(y, None), "", "", "", base.exactly(y)]
            yield {"x": base.plain(x), "y": base.plain(y), "e": e, "k": "run", "tip": tip}


def _below(p: float | None) -> bool:
    """Whether a p is that of a star; equal differences have p = 0."""
    return p is not None and p < stars.LEVEL


def _baseline(rows: pd.DataFrame, e: int, entries: list[Entry]) -> Iterator[Row]:
    """The level lines of the baseline, with their ranges."""
    for row in rows[rows["statistic"] == "mean"].to_dict("records"):
        tip = [entries[e].name, "", base.mean(row["value"], row.get("sd")), base.span(row["min"], row["max"]),
               f"{row['n']:.0f}", "", base.exactly(row["value"])]  # fmt: skip
        ends = {"l": base.plain(row["min"]), "h": base.plain(row["max"])}
        yield {"y": base.plain(row["value"]), **ends, "e": e, "k": "level", "tip": tip}


def _levels(chart: Curve, rows: pd.DataFrame, first: int, entries: list[Entry]) -> Iterator[Row]:
    """The level lines of values that the chart names, and of the mean of a column."""
    values = [value for value, _ in chart.levels]
    if chart.level and chart.level in rows and rows[chart.level].notna().any():
        values.append(float(rows[chart.level].mean()))
    for e, value in enumerate(values, first):
        if e < len(entries):
            tip = [entries[e].name, "", base.mean(value, None), "", "", "", base.exactly(value)]
            yield {"y": base.plain(value), "e": e, "k": "level", "tip": tip}


def _stretched(data: pd.DataFrame) -> bool:
    """Whether the picture's axis is logistic."""
    low, high = float(data["min"].min()), float(data["max"].max())
    return 0 < low < WIDE[0] and WIDE[1] < high < 1


def _logit(row: Row) -> Row:
    """A row on the logistic axis."""
    found = dict(row)
    for name in {"y", "l", "h", "raw"} & set(row):
        value = row[name]
        found[name] = math.log(value / (1 - value)) if value is not None and 0 < value < 1 else None
    return found


def _logarithmic(chart: Curve, metric: str, notes: Notes) -> bool:
    return chart.logarithmic and notes.words.metric(metric).scale == "log"


def _on_log(row: Row) -> Row:
    """A row on a logarithmic axis: a number that has no logarithm would take the whole axis with it."""
    return {k: None if k in ("y", "l", "h", "raw") and (v is None or v <= 0) else v for k, v in row.items()}


def _chart(
    chart: Curve, rows: list[Row], metric: str, entries: list[Entry], notes: Notes, *, logistic: bool
) -> Any:
    label, words = notes.words.label(chart.x), notes.words.metric(metric)
    x = sorted({row["x"] for row in rows if "x" in row}, key=lambda value: (isinstance(value, str), value))
    y = [row["y"] for row in rows if row["y"] is not None]
    expression = _LOGISTIC if logistic else base.PERCENT if chart.percent else base.NUMBER
    title = chart.y or (words.axis if chart.logarithmic else words.words)
    title = f"{title} (%)" if chart.percent else title
    log = _logarithmic(chart, metric, notes)
    discrete = label.scale in ("log2", "symlog") and len(x) <= 12
    along = base.axis(alt.X, "x", label.words, x, label.scale, x if discrete else ())
    ticks = [float(np.log(tick / (1 - tick))) for tick in TICKS] if logistic else ()
    up = base.axis(alt.Y, "y", title, y, "log" if log else "linear", ticks, labelExpr=expression)
    hued = base.colour(entries)
    dash = alt.StrokeDash("e:N", scale=base.entries_scale(entries, "dash"), legend=None)
    whole = base.kept(alt.Chart()).encode(along, up)
    grey = base.kept(alt.Chart()).transform_filter(base.of_kind("level")).encode(y=up, color=hued)
    means = whole.transform_filter(base.of_kind("mean"))
    shape = alt.Shape("e:N", scale=base.entries_scale(entries, "shape"), legend=None)
    layers: list[Any] = []
    if any(row["k"] == "level" for row in rows):
        layers += [
            grey.transform_filter("isValid(datum.l)").mark_rect(opacity=base.THIN).encode(y="l:Q", y2="h:Q"),
            grey.mark_rule(strokeWidth=1.5, tooltip=".").encode(strokeDash=dash),
        ]
    if any(row["k"] == "mean" for row in rows):
        layers += _spread(chart, means, hued, rows)
        layers.append(means.mark_line(strokeWidth=2).encode(color=hued, strokeDash=dash))
    if x and len(x) <= 30:
        layers.append(means.mark_point(filled=True, size=30, opacity=1).encode(color=hued, shape=shape))
    if any(row.get("k") == "run" for row in rows):
        runs = whole.transform_filter(base.of_kind("run"))
        layers.append(runs.mark_point(filled=True, size=14, opacity=0.45).encode(color=hued))
    for kind, filled in ((1, False), (2, True)):
        if any(row.get("star") == kind for row in rows):
            there = means.transform_filter(f"datum.star === {kind}")
            layers.append(
                there.mark_point(shape=base.STAR, size=150, filled=filled, opacity=1).encode(color=hued)
            )
    there = whole.transform_filter("isValid(datum.y)")
    return alt.layer(*layers, *([base.nearest(there, entries, "mean", "run")] if x else []))


def _spread(chart: Curve, means: Any, hued: Any, rows: list[Row]) -> list[Any]:
    """Bands, or vertical lines, or the faint means beneath a smooth line."""
    if any("raw" in row for row in rows):
        return [means.mark_line(strokeWidth=0.8, opacity=0.3).encode(y="raw:Q", color=hued)]
    there = means.transform_filter("isValid(datum.l)")
    if not any("l" in row for row in rows if row["k"] == "mean"):
        return []
    if chart.spread == "lines" or len({row.get("x") for row in rows if row["k"] == "mean"}) == 1:
        return [there.mark_rule(opacity=0.7).encode(y="l:Q", y2="h:Q", color=hued)]
    return [there.mark_area(opacity=base.THIN).encode(y="l:Q", y2="h:Q", color=hued)]
