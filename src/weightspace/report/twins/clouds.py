"""One number against another, to be read off: dots on logarithmic axes, with their intervals."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from weightspace.figures.arms import arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.marks import Relation, Scatter
from weightspace.figures.panel import Panel
from weightspace.report.tables import text
from weightspace.report.twins import base
from weightspace.report.twins.base import Pane, Row, Twin


def twin(chart: Scatter | Relation, panel: Panel, notes: Notes) -> Twin:
    """One pane, with the line of equality or the power law."""
    data = panel.data[(panel.data[chart.x] > 0) & (panel.data[chart.y] > 0)]
    arms = arms_of(data, chart.arms, notes.words)
    entries = [base.entry_of(arm) for arm in arms]
    words = (
        chart.axes if isinstance(chart, Scatter) else (notes.words.words(chart.x), notes.words.words(chart.y))
    )
    rows = [
        _row(chart, each, e, arm.name)
        for e, arm in enumerate(arms)
        for each in arm.of(data).to_dict("records")
    ]
    line, name = _line(chart, data)
    if line:
        entries.append(base.muted(name))
        rows += [{"x": x, "y": y, "e": len(arms), "k": "law", "tip": []} for x, y in line]
    dots = [row for row in rows if row["k"] == "dot"]
    axes = [
        base.axis(channel, field, title, [row[field] for row in dots], "log")
        for channel, field, title in ((alt.X, "x", words[0]), (alt.Y, "y", words[1]))
    ]
    whole = base.kept(alt.Chart()).encode(*axes)
    hued = base.colour(entries)
    points = whole.transform_filter(base.of_kind("dot"))
    shape = alt.Shape("e:N", scale=base.entries_scale(entries, "shape"), legend=None)
    layers: list[Any] = [
        whole.transform_filter(base.of_kind("law")).mark_line(clip=True, strokeWidth=1.2).encode(color=hued)
    ]
    if any("l" in row for row in dots):
        layers.append(points.mark_rule(opacity=0.6, clip=True).encode(y="l:Q", y2="h:Q", color=hued))
    if any("xl" in row for row in dots):
        layers.append(points.mark_rule(opacity=0.6, clip=True).encode(x="xl:Q", x2="xh:Q", color=hued))
    layers.append(points.mark_point(filled=True, size=30, opacity=0.7).encode(color=hued, shape=shape))
    drawn = alt.layer(*layers, base.nearest(whole, entries, "dot"))
    return Twin([Pane("", ("", *words, "exactly"), drawn, rows)], entries)


def _row(chart: Scatter | Relation, row: dict[Any, Any], e: int, name: str) -> Row:
    told = []
    found: Row = {"x": base.plain(row[chart.x]), "y": base.plain(row[chart.y]), "e": e, "k": "dot"}
    for column, low, high in ((chart.x, "xl", "xh"), (chart.y, "l", "h")):
        ends = [base.plain(row.get(f"{column}_{end}")) for end in ("low", "high")]
        told.append(text(float(row[column])) + (f" ({base.span(*ends)})" if base.span(*ends) else ""))
        if None not in ends and min(ends) > 0:
            found |= {low: ends[0], high: ends[1]}
    exact = f"{base.exactly(row[chart.x])}, {base.exactly(row[chart.y])}"
    return found | {"tip": [name, *told, exact]}


def _line(chart: Scatter | Relation, data: pd.DataFrame) -> tuple[list[tuple[float, float]], str]:
    """The line of equal numbers, or of the power law, and its name."""
    factor, power, name = (1.0, 1.0, "equal") if isinstance(chart, Scatter) else chart.law
    if not factor or data.empty:
        return [], ""
    x = np.geomspace(data[chart.x].min() / 1.2, data[chart.x].max() * 1.2, 20)
    return list(zip(x.tolist(), (factor * x**power).tolist(), strict=True)), name
