"""What all twins share: rows with what a reader is told of them, axes by the words' scales, the legend.

A row is a dictionary: `x`, `y`, with `l` and `h` the ends of an interval, `e` the number of its entry in the
legend, `k` its kind (`mean`, `run`, …) and `tip`, what is told of it, a text for each key of its pane.
Numbers that are not finite are None, so that rows are JSON.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from weightspace.figures import style
from weightspace.figures.arms import Arm
from weightspace.report.tables import text, with_spread
from weightspace.tables.words import Label

ROWS = "rows"
"""What the rows of a pane are called within its chart."""
OFF = "off"
"""The signal that holds the numbers of the entries that are switched off."""
HEIGHT = 250
"""Of a pane, in pixels; its width is that of the page."""
THIN = 0.16
"""Opacity of bands, as in the pictures."""
_PLAIN = "abs({0}) < 1e5 ? format({0}, ',.6~g') : format({0}, '.3~s')"
NUMBER, PERCENT = (
    f"datum.label === '' ? '' : {_PLAIN.format(value)}" for value in ("datum.value", "100 * datum.value")
)
"""Numbers of an axis, and those in per cent; Vega leaves some of a logarithmic one without."""
STAR = "M0,-1L.22,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.22,-.31Z"
_SHAPES: dict[str, str] = dict(zip(style.MARKERS, (
    "circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "stroke",
), strict=True))  # fmt: skip
PAGE = {
    style.INK: "var(--ink)", style.MUTED: "var(--muted)", style.GRID: "var(--grid)",
    style.PAPER: "var(--paper)",
}  # fmt: skip
"""Colours that are the page's own."""

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the legend, which switches off what it stands for.

    Attributes:
      name: What it is.
      colour: As CSS.
      dash: Lengths of dashes and gaps in pixels; none is a whole line.
      shape: Of its points, as Vega calls it.
    """

    name: str
    colour: str
    dash: tuple[float, ...] = ()
    shape: str = "circle"


@dataclasses.dataclass(frozen=True)
class Pane:
    """A chart and its rows.

    Attributes:
      title: Above it; empty where the figure has one pane alone.
      keys: What the texts of `tip` are, the heading first.
      chart: Vega-Lite, without its rows.
      rows: In the order in which they are read.
    """

    title: str
    keys: tuple[str, ...]
    chart: Any
    rows: list[Row]


@dataclasses.dataclass(frozen=True)
class Twin:
    """A figure that can be read off.

    Attributes:
      panes: From left to right.
      entries: Of the legend.
    """

    panes: list[Pane]
    entries: list[Entry]

    def as_json(self, title: str) -> dict[str, Any]:
        """What the page's script is given.

        Args:
          title: Of the figure.
        """
        panes = [
            {
                "title": pane.title,
                "keys": pane.keys,
                "rows": pane.rows,
                "spec": finished(pane.chart, f"{title}: {pane.title}" if pane.title else title),
            }
            for pane in self.panes
        ]
        return {"entries": [dataclasses.asdict(entry) for entry in self.entries], "panes": panes}


def finished(chart: Any, description: str) -> dict[str, Any]:
    """A pane's chart as Vega-Lite; its rows come from elsewhere. Tests check charts against the schema."""
    chart.data = alt.NamedData(ROWS)
    with debug_mode(False):
        spec = chart.to_dict(validate=False)
    return spec | {
        "width": "container", "height": HEIGHT, "description": description,
        "background": "transparent", "config": _LOOK,
        "params": [*spec.get("params", []), {"name": OFF, "value": []}],
    }  # fmt: skip


_FONT = "system-ui, sans-serif"
_LOOK: dict[str, Any] = {
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)", "titleColor": "var(--ink)", "gridColor": "var(--grid)",
        "domainColor": "var(--muted)", "tickColor": "var(--muted)", "labelFontSize": 11, "titleFontSize": 12,
        "titleFontWeight": "normal", "labelLimit": 160, "tickSize": 4,
    },
    "legend": {
        "labelColor": "var(--ink)", "titleColor": "var(--ink)", "titleFontWeight": "normal",
        "titleLimit": 260, "gradientLength": 140, "gradientThickness": 10,
    },
}  # fmt: skip


def entry_of(arm: Arm) -> Entry:
    """The legend's line of an arm, with its colour, dash and marker."""
    dash = () if arm.dash == "-" else tuple(float(part) * 1.5 for part in arm.dash[1])
    return Entry(arm.name, PAGE.get(arm.colour, arm.colour), dash, _SHAPES.get(arm.marker, "circle"))


def muted(name: str, dash: tuple[float, ...] = (6, 3)) -> Entry:
    """The legend's line of what is grey: a baseline, or a level."""
    return Entry(name, PAGE[style.MUTED], dash)


def plain(value: Any) -> Any:
    """A value as JSON has it: a number that is finite, else None; text as it is."""
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, int | float | np.number):
        return float(value) if math.isfinite(value) else None
    return None if value is None or value != value else str(value)


def told(label: Label, value: Any) -> str:
    """A value of a label: a number with its digits, a name in words."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_):
        number = float(value)
        return f"{text(100 * number)} %" if label.scale == "percent" else _digits(number)
    return label.text(value)


def _digits(value: float) -> str:
    """A number: whole ones with thousands set apart, others with four digits."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else text(value)


def mean(value: Any, sd: Any, unit: str = "") -> str:
    """A mean with its spread as the page's tables have it, with its unit."""
    number = with_spread(float(value), float("nan") if sd is None else float(sd))
    return f"{number} {unit}".strip()


def span(low: Any, high: Any) -> str:
    """The ends of a range; nothing where there is none."""
    return "" if plain(low) is None or plain(high) is None else f"{text(float(low))} to {text(float(high))}"


def exactly(value: Any) -> str:
    """A number with all its digits."""
    return "" if plain(value) is None else repr(float(value))


def entries_scale(entries: Sequence[Entry], channel: str) -> alt.Scale:
    """The colours, dashes or shapes of the legend's entries, by their numbers.

    Args:
      entries: Of the legend.
      channel: `colour`, `dash` or `shape`.
    """
    values: list[Any] = [getattr(entry, channel) for entry in entries]
    if channel == "dash":
        values = [list(dash) or [1, 0] for dash in values]
    return alt.Scale(domain=list(range(len(entries))), range=values)


def colour(entries: Sequence[Entry]) -> alt.Color:
    """The colour of each row by its entry; the legend is the page's."""
    return alt.Color("e:N", scale=entries_scale(entries, "colour"), legend=None)


def kept(chart: Any) -> Any:
    """A chart without the rows of entries that are switched off."""
    return chart.transform_filter(f"indexof({OFF}, datum.e) < 0")


def of_kind(*kinds: str) -> str:
    """The filter of rows of some kinds."""
    return f"indexof({json.dumps(kinds)}, datum.k) >= 0"


def nearest(chart: Any, entries: Sequence[Entry], *kinds: str) -> Any:
    """Points that show themselves, and what is told of them, where they are nearest to the pointer.

    Args:
      chart: With its axes.
      entries: Of the legend.
      kinds: Of the rows that can be read off.
    """
    near = alt.selection_point(name="near", on="pointerover", nearest=True, empty=False, clear="pointerout")
    return (
        chart.transform_filter(of_kind(*kinds))
        .mark_point(size=70, filled=False, strokeWidth=2, tooltip=".", cursor="crosshair")
        .encode(color=colour(entries), opacity=alt.condition(near, alt.value(1), alt.value(0)))
        .add_params(near)
    )


def axis(
    channel: Any,
    field: str,
    title: str,
    values: Sequence[Any],
    scale: str,
    ticks: Iterable[Any] = (),
    **more: Any,
) -> Any:
    """An axis by the scale of its words; names where values are no numbers.

    Args:
      channel: `alt.X` or `alt.Y`.
      field: The field of rows on it.
      title: Its text.
      values: Those that are drawn.
      scale: linear, log2, log, symlog, percent, as of `Label`; one that the values do not have is linear.
      ticks: Where it is labelled; none leaves that to Vega.
      more: Of `alt.Axis`.
    """
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        names = list(dict.fromkeys(map(str, values)))
        return channel(f"{field}:N", title=title, sort=names, axis=alt.Axis(labelAngle=_angle(names), **more))
    look: dict[str, Any] = {"labelFlush": False, "labelExpr": NUMBER, "labelOverlap": True}
    if scale == "percent":
        look["labelExpr"] = PERCENT
    look |= ({"values": list(ticks)} if ticks else {}) | more
    return channel(
        f"{field}:Q", title=title, scale=_scale(numbers, scale, along=channel is alt.X), axis=alt.Axis(**look)
    )


def _scale(numbers: Sequence[float], scale: str, *, along: bool) -> alt.Scale:
    least = min(numbers, default=0)
    if scale == "log2" and least > 0:
        return alt.Scale(type="log", base=2, nice=False, padding=12)
    if scale in ("log", "percent") and least > 0:
        return alt.Scale(type="log", nice=False, padding=12, reverse=scale == "percent")
    if scale == "symlog" and max(numbers, default=0) > 0:
        return alt.Scale(type="symlog", constant=min(number for number in numbers if number > 0), padding=12)
    # Values along the page have a margin beside them; those upwards end at round numbers.
    return alt.Scale(zero=False, nice=False, padding=12) if along else alt.Scale(zero=False)


def _angle(names: Sequence[str]) -> int:
    return 0 if len(names) <= 4 and sum(map(len, names)) < 40 else -35
