"""Shades to be read off: maps of a share over two columns, and matrices of a value for every two labels."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from weightspace.figures import style
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import edges, thinned
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Heat, Matrix
from weightspace.figures.matrix import COLOURS, matrix_of, names_of
from weightspace.figures.panel import Panel
from weightspace.report.tables import text
from weightspace.report.twins import base
from weightspace.report.twins.base import Entry, Pane, Row, Twin

_SHARES = [0, 0.5, 1]


def twin(chart: Heat | Matrix, panel: Panel, notes: Notes) -> Twin:
    """The panes of one of the kinds."""
    return _heat(chart, panel, notes) if isinstance(chart, Heat) else _matrix(chart, panel.data, notes)


def _heat(chart: Heat, panel: Panel, notes: Notes) -> Twin:
    """A map for each arm, with the curve over it."""
    data = panel.data if panel.over is None else panel.over
    name = data["metric"].iloc[0]
    metric = notes.words.metric(name)
    words = (notes.words.words(chart.x), metric.words, notes.words.words(chart.value))
    arms = arms_of(data, chart.arms, notes.words)
    entries = [Entry(notes.words.words(chart.curve), style.PALETTE[1])] if chart.curve else []
    panes = []
    for arm in arms:
        mine = arm.of(data)
        rows = _tiles(chart, mine, logarithmic=metric.scale == "log")
        if chart.curve:
            line = mine.drop_duplicates(chart.y).sort_values(chart.y)
            line = line[np.isfinite(line[chart.curve])]
            rows += [_point(x, y) for x, y in zip(line[chart.curve], line[chart.y], strict=True)]
        title = arm.name if len(arms) > 1 else ""
        drawn = _map(chart, mine, words, entries, logarithmic=metric.scale == "log")
        panes.append(Pane(title, ("", *words, "runs", "exactly"), drawn, rows))
    return Twin(panes, entries)


def _point(x: float, y: float) -> Row:
    return {"x": float(x), "y": float(y), "e": 0, "k": "line", "tip": []}


def _tiles(chart: Heat, data: pd.DataFrame, *, logarithmic: bool) -> list[Row]:
    """The cells of a map with their borders, those of the picture."""
    wide = data.pivot_table(index=chart.y, columns=chart.x, values=chart.value)
    across, down = wide.columns.to_numpy(float), wide.index.to_numpy(float)
    counts = None
    if "n" in data:
        counts = data.pivot_table(index=chart.y, columns=chart.x, values="n").to_numpy(float)
    x = edges(across, logarithmic=True)
    y = edges(down, logarithmic=logarithmic)
    found = []
    for (row, column), value in np.ndenumerate(wide.to_numpy(float)):
        at, up = float(across[column]), float(down[row])
        n = "" if counts is None or np.isnan(counts[row, column]) else f"{counts[row, column]:.0f}"
        tip = ["", text(at), text(up), text(float(value)), n, base.exactly(value)]
        borders = (x[column], x[column + 1], y[row], y[row + 1])
        names = ("x", "x2", "y", "y2")
        found.append(
            dict(zip(names, map(float, borders), strict=True))
            | {"v": base.plain(value), "e": -1, "k": "cell", "tip": tip}
        )
    return found


def _map(
    chart: Heat, data: pd.DataFrame, words: tuple[str, str, str], entries: list[Entry], *, logarithmic: bool
) -> Any:
    dims = sorted(float(value) for value in data[chart.x].unique())
    up = alt.Scale(type="log", nice=False) if logarithmic else alt.Scale(zero=False, nice=False)
    x = alt.X("x:Q", title=words[0], scale=alt.Scale(type="log", base=2, nice=False),
              axis=alt.Axis(values=thinned(dims, 8), labelExpr=base.NUMBER, grid=False))  # fmt: skip
    y = alt.Y(
        "y:Q", title=words[1], scale=up, axis=alt.Axis(labelExpr=base.NUMBER, labelOverlap=True, grid=False)
    )
    shade = alt.Color("v:Q", title=words[2], scale=alt.Scale(domain=[0, 1], range=["#000000", "#ffffff"]),
                      legend=alt.Legend(values=_SHARES, orient="top", direction="horizontal"))  # fmt: skip
    whole = base.kept(alt.Chart())
    cells = whole.transform_filter(base.of_kind("cell")).mark_rect(tooltip=".", stroke=None)
    layers = [cells.encode(x, y, alt.X2("x2"), alt.Y2("y2"), color=shade)]
    if entries:
        line = whole.transform_filter(base.of_kind("line")).encode(x, y, order="y:Q")
        layers += [
            line.mark_line(strokeWidth=4, stroke="#ffffff"),
            line.mark_line(strokeWidth=2, stroke=entries[0].colour),
        ]
    return alt.layer(*layers)


def _matrix(chart: Matrix, data: pd.DataFrame, notes: Notes) -> Twin:
    """A matrix for each value of the facet, also those for which the picture has no room."""
    levels: list[Any] = sorted(data[chart.facet].unique()) if chart.facet else [None]
    rows, columns = names_of(chart, data)
    labels = notes.words.label(chart.rows), notes.words.label(chart.columns)
    words = chart.words or notes.words.words(chart.value)
    panes = []
    for level in levels:
        mine = data if level is None else data[data[chart.facet] == level]
        title = "" if level is None else notes.words.label(chart.facet).text(level)
        if chart.chance and chart.facet:
            title += f" ({notes.words.words(chart.chance)} {mine[chart.chance].mean():.2f})"
        found: list[Row] = []
        for (row, column), value in np.ndenumerate(matrix_of(chart, mine, rows, columns)):
            down, across = (label.text(name).replace("_", " ") for label, name in
                            zip(labels, (rows[row], columns[column]), strict=True))  # fmt: skip
            if np.isfinite(value):
                tip = ["", down, across, text(float(value)), base.exactly(value)]
                found.append({"x": across, "y": down, "v": float(value), "e": -1, "k": "cell", "tip": tip})
        keys = ("", labels[0].words, labels[1].words, words, "exactly")
        panes.append(Pane(title.strip(), keys, _shades(rows, columns, labels, words), found))
    return Twin(panes, [])


def _shades(rows: list[Any], columns: list[Any], labels: Any, words: str) -> Any:
    down, across = ([label.text(name).replace("_", " ") for name in names]
                    for label, names in zip(labels, (rows, columns), strict=True))  # fmt: skip
    shade = alt.Color("v:Q", title=words, scale=alt.Scale(domain=[0, 1], scheme=COLOURS),
                      legend=alt.Legend(values=_SHARES, orient="top", direction="horizontal"))  # fmt: skip
    whole = base.kept(alt.Chart()).encode(
        alt.X("x:N", title=None, sort=across, axis=alt.Axis(labelAngle=-45)),
        alt.Y("y:N", title=None, sort=down),
    )
    layers = [whole.mark_rect(tooltip=".").encode(color=shade)]
    if max(len(rows), len(columns)) <= 12:
        ink = alt.condition("datum.v > 0.6", alt.value(style.INK), alt.value(style.PAPER))
        numbers = whole.mark_text(fontSize=10)
        layers.append(numbers.encode(text=alt.Text("v:Q", format=".2f"), color=ink))
    return alt.layer(*layers)
