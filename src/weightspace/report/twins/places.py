"""Values side by side at places with names, to be read off: dots, bars, intervals and distributions."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import pandas as pd

from weightspace.figures import style
from weightspace.figures.arms import arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Bars, Dots, Violins
from weightspace.figures.dots import columns_of, in_order
from weightspace.figures.marks import Intervals
from weightspace.figures.panel import Panel
from weightspace.figures.traces import thin
from weightspace.report.twins import base
from weightspace.report.twins.base import Entry, Pane, Row, Twin

_READINGS = 150
"""Readings of an arm that are drawn, evenly apart: the picture has their distribution."""


def twin(chart: Any, panel: Panel, notes: Notes) -> Twin:
    """The panes of one of the kinds."""
    ways: dict[type, Any] = {Dots: _dots, Bars: _bars, Intervals: _intervals, Violins: _violins}
    return ways[type(chart)](chart, panel.data if panel.over is None else panel.over, notes)


def _dots(chart: Dots, data: pd.DataFrame, notes: Notes) -> Twin:
    columns = [(name, rows) for name, rows in columns_of(chart, data, notes) if len(rows)]
    entries = [_entry(number, name, len(columns)) for number, (name, _) in enumerate(columns)]
    label = notes.words.label(chart.x)
    places = [label.text(value) for value in in_order(chart, data)]
    found: list[Row] = []
    for e, (name, rows) in enumerate(columns):
        means = rows[rows["statistic"] == "mean"].rename(
            columns={"value": "mean", "min": "least", "max": "greatest"}
        )
        found += _means(means, e, name, [label.text(value) for value in means[chart.x]])
        runs = rows[rows["statistic"] == "run"]
        found += [
            _run(e, f"{name}, one run", label.text(place), value)
            for place, value in zip(runs[chart.x], runs["value"], strict=True)
        ]
    words = chart.y or notes.words.words(data["metric"].iloc[0])
    drawn = _chart(found, places, label.words, words, entries, level=_level(chart, data))
    return Twin([Pane("", _keys(label.words, words), drawn, found)], entries)


def _level(chart: Dots, data: pd.DataFrame) -> float | None:
    """The mean of the column that is a level line."""
    return (
        float(data[chart.level].mean()) if chart.level in data and data[chart.level].notna().any() else None
    )


def _bars(chart: Bars, data: pd.DataFrame, notes: Notes) -> Twin:
    label, arm = notes.words.label(chart.x), notes.words.label(chart.arm)
    arms = list(dict.fromkeys(data[chart.arm]))
    entries = [_entry(number, arm.text(value), len(arms)) for number, value in enumerate(arms)]
    places = [
        label.text(value) for value in sorted(dict.fromkeys(data[chart.x]), key=lambda v: v != chart.first)
    ]
    panes = []
    for facet in [value for value in chart.facets if (data[chart.facet] == value).any()]:
        found: list[Row] = []
        for e, value in enumerate(arms):
            rows = data[(data[chart.facet] == facet) & (data[chart.arm] == value)]
            found += _means(rows, e, entries[e].name, [label.text(place) for place in rows[chart.x]])
        drawn = _chart(found, places, label.words, chart.y, entries, bars=True)
        panes.append(Pane(str(facet), _keys(label.words, chart.y), drawn, found))
    return Twin(panes, entries)


def _intervals(chart: Intervals, data: pd.DataFrame, notes: Notes) -> Twin:
    parts = {name: data[data[chart.series] == name] for name, _ in chart.named}
    order = parts[chart.named[0][0]].sort_values(chart.value, ascending=False)[chart.rows]
    entries = [_entry(number, name, len(chart.named)) for number, (_, name) in enumerate(chart.named)]
    found: list[Row] = []
    for e, (name, _) in enumerate(chart.named):
        rows = parts[name][parts[name][chart.rows].isin(list(order))].dropna(subset=[chart.value])
        ends = {"least": f"{chart.value}_low", "greatest": f"{chart.value}_high", "mean": chart.value}
        means = pd.DataFrame({new: rows[old] for new, old in ends.items()} | {"n": rows["n"]})
        found += _means(means, e, entries[e].name, [notes.words.words(each) for each in rows[chart.rows]])
    places = [notes.words.words(each) for each in order]
    drawn = _chart(found, places, "", chart.x, entries, lying=True)
    keys = _keys(notes.words.words(chart.rows), chart.x, "interval")
    return Twin([Pane("", keys, drawn, found)], entries)


def _violins(chart: Violins, data: pd.DataFrame, notes: Notes) -> Twin:
    arms = arms_of(data, chart.arms, notes.words)
    entries = [Entry(arm.name, arm.colour) for arm in arms]
    names = [arm.name for arm in arms]
    panes = []
    for metric, logarithmic in chart.metrics:
        mine = data[(data["metric"] == metric) & ((data["value"] > 0) | (not logarithmic))]
        found = [
            row for e, name in enumerate(names) for row in _distribution(mine[mine["arm"] == name], e, name)
        ]
        if found:
            words = notes.words.words(metric)
            drawn = _chart(found, names, "", words, entries, scale="log" if logarithmic else "linear")
            panes.append(Pane(words, _keys("", words), drawn, found))
    return Twin(panes, entries)


def _distribution(rows: pd.DataFrame, e: int, name: str) -> Iterator[Row]:
    """The median, the runs' means and the readings."""
    if rows.empty:
        return
    median, low, high = (float(rows["value"].quantile(share)) for share in (0.5, 0.0, 1.0))
    runs = rows.groupby("run")["value"].mean()
    tip = [
        f"{name}, median",
        "",
        base.mean(median, None),
        base.span(low, high),
        f"{len(runs)}",
        base.exactly(median),
    ]
    yield {
        "p": name,
        "y": median,
        "l": base.plain(low),
        "h": base.plain(high),
        "e": e,
        "k": "mean",
        "tip": tip,
    }
    for value in runs:
        yield _run(e, f"{name}, mean of one run", name, value)
    for value in thin(rows.sort_values("value"), _READINGS)["value"]:
        yield _run(e, f"{name}, one reading", name, value) | {"k": "reading"}


def _keys(place: str, value: str, interval: str = "range") -> tuple[str, ...]:
    return ("", place, value, interval, "runs", "exactly")


def _entry(number: int, name: str, count: int) -> Entry:
    colours = style.PALETTE if count <= len(style.PALETTE) else style.ordered(count)
    return Entry(name, colours[number])


def _means(rows: pd.DataFrame, e: int, name: str, places: Sequence[str]) -> Iterator[Row]:
    """A row for each mean, with its range."""
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        tip = [name, place, base.mean(row["mean"], row.get("sd")), base.span(row["least"], row["greatest"]),
               f"{row['n']:.0f}", base.exactly(row["mean"])]  # fmt: skip
        ends = {"l": base.plain(row["least"]), "h": base.plain(row["greatest"])}
        yield {"p": place, "y": base.plain(row["mean"]), **ends, "e": e, "k": "mean", "tip": tip}


def _run(e: int, name: str, place: str, value: float) -> Row:
    tip = [name, place, base.mean(value, None), "", "", base.exactly(value)]
    return {"p": place, "y": base.plain(value), "e": e, "k": "run", "tip": tip}


def _chart(
    rows: Sequence[Row],
    places: Sequence[str],
    place: str,
    value: str,
    entries: list[Entry],
    *,
    bars: bool = False,
    lying: bool = False,
    scale: str = "linear",
    level: float | None = None,
) -> Any:
    """Means as ticks or bars with their ranges, single values as dots; lying, the places are rows."""
    numbers = [row[name] for row in rows for name in ("y", "l", "h") if row.get(name) is not None]
    across, length = (alt.Y, alt.X) if lying else (alt.X, alt.Y)
    names = {"x": "l:Q", "x2": "h:Q"} if lying else {"y": "l:Q", "y2": "h:Q"}
    axes = (
        base.axis(across, "p", place, list(places) or [""], ""),
        base.axis(length, "y", value, numbers, scale),
    )
    offset: dict[str, Any] = {}
    if not _alone(rows):
        order = alt.Scale(domain=list(range(len(entries))))
        channel, name = (alt.YOffset, "yOffset") if lying else (alt.XOffset, "xOffset")
        offset = {name: channel("e:N", scale=order)}
    hued = base.colour(entries)
    whole = base.kept(alt.Chart()).encode(*axes, **offset)
    means = whole.transform_filter(base.of_kind("mean"))
    layers: list[Any] = []
    if level is not None:
        line = alt.Chart().mark_rule(color="var(--muted)", strokeDash=[2, 2])
        layers.append(line.encode(y=alt.datum(level)))
    layers += [means.mark_bar(opacity=0.75).encode(color=hued)] if bars else []
    ranges = means.transform_filter("isValid(datum.l)").mark_rule(opacity=0.7)
    layers.append(ranges.encode(**names, color=alt.value("var(--ink)") if bars else hued))
    for kind, size, opacity in (("reading", 10, 0.15), ("run", 20, 0.65)):
        if any(row["k"] == kind for row in rows):
            dots = whole.transform_filter(base.of_kind(kind))
            layers.append(dots.mark_point(filled=True, size=size, opacity=opacity).encode(color=hued))
    if lying:
        layers.append(means.mark_point(filled=True, size=45, opacity=1).encode(color=hued))
    elif not bars:
        layers.append(means.mark_tick(thickness=2.5, size=18, opacity=1).encode(color=hued))
    return alt.layer(*layers, base.nearest(whole, entries, "mean", "run", "reading"))


def _alone(rows: Sequence[Row]) -> bool:
    """Whether each place has one entry alone, so that nothing need stand beside another."""
    return len({(row["p"], row["e"]) for row in rows}) == len({row["p"] for row in rows})
