"""Axes of dimensions: d in powers of two, with D/d or D - d on the other side; panes, legends and cells."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from weightspace.figures import style
from weightspace.tables.words import Vocabulary

_ABREAST = 4
"""Panes that fit side by side."""


def panes_of(count: int, height: float, *, shared: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure with so many panes side by side, which share the vertical axis if they are to."""
    lines = 1 if shared else -(-count // _ABREAST)
    columns = -(-count // lines)
    drawn = style.figure(style.PAGE if count > 1 else 4.2, height * lines)
    panes = list(drawn.subplots(lines, columns, squeeze=False, sharey=shared).ravel())
    for axes in panes[count:]:
        axes.set_axis_off()
    return drawn, panes[:count]


def draw_level(axes: Axes, rows: Any, column: str, words: Vocabulary, *, named: bool = True) -> None:
    """The mean of a column as a dotted grey line, as the accuracy of guessing; nothing where it has no value.

    Args:
      axes: Where.
      rows: A table.
      column: Of it; "" is none.
      words: What it is called.
      named: Whether the legend has it.
    """
    values = rows[column].dropna() if column in rows else None
    if values is not None and len(values):
        name = words.words(column) if named else None
        look: dict[str, Any] = {"linestyle": (0, (1.2, 1.2)), "linewidth": 1, "color": style.MUTED}
        axes.axhline(float(values.mean()), label=name, **look)


def scaled(axes: Axes, values: Sequence[float], scale: str, which: str = "x") -> list[float]:
    """An axis by the scale of its label, with the values that are drawn; gives the labelled ones.

    Args:
      axes: Where.
      values: In rising order.
      scale: linear, log2, log, symlog or percent; a scale that the values do not have is linear.
      which: x or y.
    """
    if not values or not all(isinstance(value, int | float | np.number) for value in values):
        return list(values)
    if scale == "log2" and min(values) > 0:
        return dimension_axis(axes, values, which)
    if scale == "symlog" and max(values) > 0:
        steps_axis(axes, [float(value) for value in values])
    elif scale == "log" and min(values) > 0:
        loss_axis(axes, which)
    elif scale == "percent":
        from weightspace.figures.weights_left import percent_axis

        percent_axis(axes, [1.0, *values])
    return list(values)


def steps_axis(axes: Axes, steps: Sequence[float]) -> None:
    """Steps, t = 0 included, evenly in their logarithm."""
    axes.set_xscale("symlog", linthresh=min(step for step in steps if step > 0), base=2, linscale=0.7)
    axes.set_xticks(list(steps), [f"{step:g}" for step in steps])
    axes.set_xticks([], minor=True)


def top_axis(axes: Axes, ticks: Sequence[float], places: Mapping[float, float], label: str) -> None:
    """Another scale along the top, at the labelled places; not where it is not known."""
    if all(math.isfinite(places.get(tick, math.nan)) for tick in ticks):
        second = axes.secondary_xaxis("top")
        _label(second, second.xaxis, ticks, [f"{number(places[tick])}×" for tick in ticks])
        second.set_xlabel(label)


def legend_below(drawn: Figure, axes: Axes, title: str | None = None) -> None:
    """One legend, no wider than the figure, where there is more than one line to tell apart."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) < 2:
        return
    for columns in range(min(len(names), 4 if max(map(len, names)) > 16 else 6), 0, -1):
        legend = drawn.legend(
            handles, names, loc="outside lower center", ncols=columns, handlelength=2.6, title=title
        )
        for text in legend.get_texts():
            text.set_parse_math(False)  # names are names, dollars included
        if columns == 1 or legend.get_window_extent().width <= drawn.bbox.width:
            return
        legend.remove()


def thinned(values: Iterable[float], most: int) -> list[float]:
    """Some of the values, evenly apart in their logarithm, at most about so many.

    >>> thinned([1, 2, 4, 8, 16, 32, 64], 4)
    [1, 4, 16, 64]
    """
    found = sorted(set(values))
    if len(found) <= most:
        return found
    logs = np.log(found)
    apart = (logs[-1] - logs[0]) / (most - 1) * 0.999
    kept = [found[0]]
    for value in found[1:]:
        if math.log(value / kept[-1]) >= apart:
            kept.append(value)
    return kept


def number(value: float) -> str:
    """A whole number with thousands set apart, a small one with two digits.

    >>> number(20490.0), number(5.004)
    ('20,490', '5.0')
    """
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def dimension_axis(axes: Axes, dims: Sequence[float], which: str = "x", most: int = 8) -> list[float]:
    """A logarithmic axis of d, labelled at dimensions that were swept; gives those."""
    ticks = thinned(dims, most)
    axis = axes.xaxis if which == "x" else axes.yaxis
    scale = axes.set_xscale if which == "x" else axes.set_yscale
    limits = axes.set_xlim if which == "x" else axes.set_ylim
    scale("log", base=2)
    margin = max((max(dims) / min(dims)) ** 0.04, 1.15)
    limits(min(dims) / margin, max(dims) * margin)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels([number(tick) for tick in ticks])
    return ticks


def loss_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis of losses, with plain numbers."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_data_interval())
    decades = math.log10(high / low) if 0 < low < high else 0
    subs = (1,) if decades > 2.5 else (1, 2, 5) if decades > 1 else (1, 1.5, 2, 3, 5, 7)
    axis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def angular_axis(axes: Axes, ticks: Sequence[float], size: float) -> None:
    """D - d along the right, at the labelled dimensions; not where D is not known."""
    if math.isfinite(size):
        second = axes.secondary_yaxis("right")
        _label(second, second.yaxis, ticks, [number(size - tick) for tick in ticks])
        second.set_ylabel("local angular dimension D − d*")


def _label(second: Any, axis: Any, ticks: Sequence[float], labels: list[str]) -> None:
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels(labels)
    axis.set_tick_params(length=0, pad=2)
    second.spines[:].set_visible(False)


def edges(centres: Sequence[float] | np.ndarray, *, logarithmic: bool) -> Float[np.ndarray, " edge"]:
    """Borders of the cells around points: halfway between neighbours, and as far beyond the ends.

    >>> edges([1.0, 2.0, 4.0], logarithmic=False).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    points = np.log(centres) if logarithmic else np.asarray(centres, float)
    half = np.diff(points) / 2 if len(points) > 1 else np.full(1, np.log(2) / 2)
    inner = points[:-1] + np.diff(points) / 2
    borders = np.concatenate([points[:1] - half[0], inner, points[-1:] + half[-1]])
    return np.exp(borders) if logarithmic else borders
