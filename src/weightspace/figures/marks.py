"""Kinds of charts of single values: intervals, clouds of points, maps of a plane; `charts` names them all."""

import dataclasses
from typing import ClassVar

from weightspace.figures.chart import Chart


@dataclasses.dataclass(frozen=True)
class Intervals(Chart):
    """Values with their intervals, a line a row, in the order of the first series' values.

    Attributes:
      rows: The column whose values are lines.
      value: The column of the dots; `<value>_low` and `<value>_high` are the ends of bars.
      series: The column whose values lie beside each other.
      named: Its values, each with its name in the legend.
      name: Of its files.
      title: Above it.
      x: The text of the axis.
      limits: Of the axis.
      caption: What is seen, with `{<value of series>}` for how many runs it is of, and `{n_asked}`.
    """

    draws: ClassVar[str] = "intervals"
    rows: str
    value: str
    series: str
    named: tuple[tuple[str, str], ...]
    name: str = "intervals"
    title: str = ""
    x: str = ""
    limits: tuple[float, float] | None = None
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Scatter(Chart):
    """One number against another on logarithmic axes, a dot a line, with the line on which they are equal.

    Attributes:
      x: The column along the horizontal axis.
      y: Along the vertical one.
      arms: Labels that tell colours apart.
      name: Of its files.
      title: Above it.
      axes: The texts of both axes.
      caption: What is seen, with `{count}` dots of `{runs}` runs.
    """

    draws: ClassVar[str] = "scatter"
    x: str
    y: str
    arms: tuple[str, ...] = ()
    name: str = "scatter"
    title: str = ""
    axes: tuple[str, str] = ("", "")
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Maps(Chart):
    """Maps of a plane side by side, with points on them; a figure for each set of labels.

    Takes lines of cells, in a regular grid of `z1` and `z2` (upwards), row by row. Lines that no map has a
    value of are points. A map without a value is not drawn; where it is infinite it is white.

    Attributes:
      arms: Labels that have a figure each; the name of its files ends in them.
      maps: Columns, each with its colours, title (with `{n}` different values) and words for the caption.
        Colours are `signed` (about zero), `positive` (from zero), `plain`, or `numbers`, which only tell
        neighbours apart.
      name: Of its files, before the labels.
      title: Above it, before the labels.
      caption: What is seen, with `{arm}`, `{seed}` and `{maps}`.
    """

    draws: ClassVar[str] = "maps"
    arms: tuple[str, ...]
    maps: tuple[tuple[str, str, str, str], ...]
    name: str = "maps"
    title: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Relation(Chart):
    """One number against another on logarithmic axes, a dot a line with its intervals, beside a power law.

    Ends of intervals are the columns `<column>_low` and `<column>_high`, where the table has them. Lines
    without both numbers are left out, and the caption says how many.

    Attributes:
      x: The column along the horizontal axis.
      y: Along the vertical one.
      arms: Labels that tell colours apart.
      law: Factor, power and name of y = factor · x^power; a factor of 0 draws none.
      metrics: Those whose lines are drawn; none draws all.
      name: Of its files.
      title: Above it.
      caption: What is seen, with `{n}`.
    """

    draws: ClassVar[str] = "relation"
    x: str
    y: str
    arms: tuple[str, ...] = ()
    law: tuple[float, float, str] = (0.0, 1.0, "")
    metrics: tuple[str, ...] = ()
    name: str = "relation"
    title: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Against(Chart):
    """Means against a mean or a label, with intervals both ways, a pane a metric, a line an arm.

    Takes a table of the form of `Means` with an `interval`: `<column>`, `<column>_low`, `<column>_high`, `n`.
    Points of an arm are joined in the order of the table's lines; what lacks a number is left out.

    Attributes:
      x: The column along the horizontal axis.
      metrics: Columns that have a pane each, where the table has them.
      arms: Labels that tell the lines apart.
      name: Of its files.
      title: Above it.
      share: Of the intervals.
      caption: More sentences.
    """

    draws: ClassVar[str] = "against"
    x: str
    metrics: tuple[str, ...]
    arms: tuple[str, ...] = ()
    name: str = "against"
    title: str = ""
    share: float = 0.95
    caption: str = ""
