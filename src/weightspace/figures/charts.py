"""The kinds of charts. Each says which columns of its table go where; a file of its own draws it."""

import dataclasses
from typing import Any, ClassVar

from weightspace.figures.chart import AT_THE_END, Chart
from weightspace.figures.marks import Against, Intervals, Maps, Scatter
from weightspace.figures.panes import Bars, Pictures

__all__ = [
    "Against", "Bars", "Curve", "Dots", "Field", "Heat", "Intervals", "Maps", "Matrix", "Pictures", "Plane",
    "Scatter", "Threshold", "Violins",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Curve(Chart):
    """Means with bands and single runs against a label or time, a line an arm, a pane a metric.

    Takes a table of the form of `Curves` and `Traces`. Where it has columns `p` and `p_corrected`, points
    that differ become stars.

    Attributes:
      x: The column on the horizontal axis; its label says the scale.
      arms: Labels that tell the lines apart.
      name: Of its files.
      title: Above it.
      metrics: Those that are drawn, a pane each, in this order; none draws all.
      facet: A label that has a pane for each value.
      baseline: A label and its value whose rows are drawn as level lines.
      baseline_words: What they are, for the legend and the caption.
      top: A column with another scale of the horizontal axis.
      spread: What bands are: `range`, `sd` for one standard deviation, or `lines` for the range as a vertical
        line at each point, which an arm of a single point has anyhow.
      level: A column whose mean is a level line in each pane, as the accuracy of guessing.
      y: The text of the vertical axis; none takes the metric's words.
      smooth: Metrics that are drawn smoothed, over their faint means; the numbers have both.
      smooth_beyond: Only lines of more points than this are.
      logarithmic: Whether losses have a logarithmic axis.
      values: The sentence that says which values are meant.
      caption: More sentences, before that one.
      told: The whole caption instead, with `{n}`; what is particular to the numbers drawn is added to it.
      counted: What `n` counts.
      naming: A column whose text names a line, where its labels alone would not do.
      dotted: A label, and the values of it whose lines are dotted.
      dots: What the dots of single runs are, for the legend; they are large then.
      levels: Values with a dotted level line, each with its name.
      percent: Whether the values are shown in per cent.
      stretched: Whether accuracies have a logistic axis, where failing arms would press good ones together.
    """

    draws: ClassVar[str] = "curve"
    x: str
    arms: tuple[str, ...] = ()
    name: str = "curve"
    title: str = ""
    metrics: tuple[str, ...] = ()
    facet: str = ""
    baseline: tuple[str, Any] | None = None
    baseline_words: tuple[str, str] = ("baseline", "the baseline")
    top: str = ""
    spread: str = "range"
    level: str = ""
    y: str = ""
    smooth: tuple[str, ...] = ()
    smooth_beyond: int = 0
    logarithmic: bool = False
    values: str = AT_THE_END
    caption: str = ""
    told: str = ""
    counted: str = "run"
    naming: str = ""
    dotted: tuple[str, tuple[Any, ...]] = ("", ())
    dots: str = ""
    levels: tuple[tuple[float, str], ...] = ()
    percent: bool = False
    stretched: bool = False


@dataclasses.dataclass(frozen=True)
class Heat(Chart):
    """A map of a share over two columns, black (none) to white (all), a figure a metric, a curve over it.

    Attributes:
      x: The column on the horizontal axis.
      y: On the vertical one.
      value: The share in each cell.
      curve: A column on the scale of `x`, drawn against `y`; empty draws none. It is left out of the numbers.
      arms: Labels that have a map each.
      columns: The label whose values stand side by side where another differs too.
      name: Of its files, before the metric.
      title: Above it, before the metric.
      caption: What is seen, with `{metric}`, `{n}`.
      values: The sentence that says which values are meant.
    """

    draws: ClassVar[str] = "heat"
    x: str
    y: str
    value: str
    curve: str = ""
    arms: tuple[str, ...] = ()
    columns: str = ""
    name: str = "map"
    title: str = ""
    caption: str = ""
    values: str = AT_THE_END


@dataclasses.dataclass(frozen=True)
class Threshold(Chart):
    """A threshold with its interval, against the level to reach or against a label, a line an arm or a level.

    Takes a table of the form of `Thresholds`.

    Attributes:
      x: `level`, or a label.
      arms: Labels that tell the lines (or, against a label, the rows of panes) apart.
      name: Of its files.
      title: Above it.
      metrics: Those that are drawn, a pane each.
      over: The label whose threshold it is.
      reference: A label and the value of rows that are no part of it.
      failure: δ, the probability of failure that it allows.
      values: The sentence that says which values are meant.
    """

    draws: ClassVar[str] = "thresholds"
    x: str
    arms: tuple[str, ...] = ()
    name: str = "threshold"
    title: str = ""
    metrics: tuple[str, ...] = ()
    over: str = "dim"
    reference: tuple[str, Any] = ("method", "full")
    failure: float = 0.1
    values: str = AT_THE_END

    @property
    def threshold(self) -> str:
        """What d* is."""
        return threshold_words(self.failure)


def threshold_words(failure: float) -> str:
    """What d* is, with its probability of failure."""
    return f"d*, the smallest d at which at least {100 * (1 - failure):g} % of the seeds reach the level"


@dataclasses.dataclass(frozen=True)
class Dots(Chart):
    """Runs of each setting side by side, with their mean and range; one metric beside the other.

    Takes a table of the form of `Curves`.

    Attributes:
      x: The label whose values stand side by side.
      metrics: Those that are drawn, each with its name in the legend.
      by: A label whose values stand beside each other at each place, in the place of metrics.
      name: Of its files.
      title: Above it.
      y: The text of the vertical axis.
      order: Values of the label from left to right; none takes the table's order.
      falling: Whether the greatest mean of all runs stands first instead.
      wrap: Letters of a line of their names, which then stand level; 0 keeps names whole.
      level: A column whose mean is a level line, as the accuracy of guessing.
      caption: What is seen, with `{n}`.
      values: The sentence that says which values are meant.
    """

    draws: ClassVar[str] = "dots"
    x: str
    metrics: tuple[tuple[str, str], ...]
    name: str = "dots"
    title: str = ""
    by: str = ""
    y: str = ""
    order: tuple[Any, ...] = ()
    falling: bool = False
    wrap: int = 0
    level: str = ""
    caption: str = "Dots are runs, bars means, lines ranges ({n})."
    values: str = AT_THE_END


@dataclasses.dataclass(frozen=True)
class Violins(Chart):
    """The distribution of values over the last readings of all runs, side by side for each arm.

    Takes a table of the form of `LastReadings`.

    Attributes:
      arms: Labels that tell the arms apart.
      metrics: Those that are drawn, a pane each, and whether by their logarithm.
      name: Of its files.
      title: Above it.
      caption: More sentences.
    """

    draws: ClassVar[str] = "violins"
    arms: tuple[str, ...]
    metrics: tuple[tuple[str, bool], ...]
    name: str = "distribution"
    title: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Matrix(Chart):
    """Shades of a value for every two labels, the numbers in them.

    Attributes:
      rows: The column whose values are rows.
      columns: Whose values are columns.
      value: The shade, from 0 to 1.
      name: Of its files.
      title: Above it.
      facet: A column that has a map for each value; at most three, evenly apart.
      chance: A column with the value by chance, for the titles of the maps, or of columns without a facet.
      symmetric: Whether each pair stands for both orders, with ones on the diagonal.
      order: Values of rows (and columns, where symmetric) from the top.
      words: The name of the shade.
      caption: What is seen, with `{n}`.
      counted: What `n` counts.
    """

    draws: ClassVar[str] = "matrix"
    rows: str
    columns: str
    value: str
    name: str = "matrix"
    title: str = ""
    facet: str = ""
    chance: str = ""
    symmetric: bool = False
    order: tuple[Any, ...] = ()
    words: str = ""
    caption: str = ""
    counted: str = "run"


@dataclasses.dataclass(frozen=True)
class Plane(Chart):
    """Weights before and after training, a map for each criterion: which of them it keeps.

    Takes a table with columns `before`, `after`, and one of truth values for each criterion; `of`, the same
    on every line, says whose weights they are.

    Attributes:
      shares: Whether hexagons show the share kept; else each weight is a dot.
      name: Of its files.
      title: Above it.
      caption: What is seen, with `{count}` (of weights) and `{of}`.
    """

    draws: ClassVar[str] = "plane"
    shares: bool = False
    name: str = "plane"
    title: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Field(Chart):
    """A value over places in a plane, as shades with lines of equal value, a pane for each value of a label.

    Attributes:
      x: The column of the first coordinate.
      y: Of the second.
      value: The shade.
      facet: The label; empty has one pane.
      mark: A column whose text names points; their value is NaN.
      bare: Whether there are no axes, as of a triangle.
      name: Of its files.
      title: Above it.
      caption: What is seen.
      values: The sentence that says which values are meant.
    """

    draws: ClassVar[str] = "field"
    x: str
    y: str
    value: str
    facet: str = ""
    mark: str = "mark"
    bare: bool = False
    name: str = "field"
    title: str = ""
    caption: str = ""
    values: str = AT_THE_END
