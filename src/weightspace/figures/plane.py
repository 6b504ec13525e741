"""Planes of weights before and after training: kept ones in colour, or the share kept hexagon by hexagon."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Plane
from weightspace.figures.panel import Panel
from weightspace.tables.planes import criteria_of

_COLUMNS = 3
_REACH = 3.2
_COLOURS = "viridis"
_STORED = 60_000
"""Weights that are kept as the numbers of a figure, evenly apart."""


def draw(chart: Plane, frame: pd.DataFrame, _: Notes) -> list[Panel]:
    """One figure, where there are weights and a criterion that chooses by them alone."""
    names = criteria_of(frame)
    if frame.empty or not names:
        return []
    drawn, panes = _maps(len(names))
    (_hexagons if chart.shares else _dots)(drawn, panes, frame, names)
    caption = chart.caption.format(count=f"{len(frame):,}", of=frame["of"].iloc[0])
    places = np.linspace(0, len(frame) - 1, min(len(frame), _STORED)).round().astype(int)
    data = frame.drop(columns="of").iloc[np.unique(places)].reset_index(drop=True)
    return [Panel(chart.name, chart.title, caption, drawn, data)]


def _dots(_: Figure, panes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str]) -> None:
    look: dict[str, Any] = {"s": 1.6, "linewidths": 0, "rasterized": True}
    for axes, name in zip(panes, names, strict=True):
        for kept, colour in ((False, style.GRID), (True, style.PALETTE[0])):
            there = frame[frame[name] == kept]
            axes.scatter(there["before"], there["after"], color=colour, **look)
        _plane_axes(axes, name, _REACH, _REACH * 1.3)


def _hexagons(drawn: Figure, panes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str]) -> None:
    x, y = (float(frame[name].abs().quantile(0.999)) * 1.15 or 1.0 for name in ("before", "after"))
    shade: Any = None
    for axes, name in zip(panes, names, strict=True):
        shade = axes.hexbin(
            frame["before"], frame["after"], C=frame[name].astype(float), gridsize=(34, 20),
            extent=(-x, x, -y, y), mincnt=1, cmap=_COLOURS, vmin=0, vmax=1, linewidths=0.1, rasterized=True,
        )  # fmt: skip
        _plane_axes(axes, name, x, y)
    bar = drawn.colorbar(shade, ax=list(panes), ticks=[0, 0.5, 1], aspect=28, pad=0.02)
    bar.set_label("share kept")
    bar.ax.tick_params(length=0)


def _maps(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    drawn = style.figure(2.0 * columns + 0.6, 1.9 * rows + 0.3)
    panes = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panes.flat[count:]:
        axes.set_visible(False)
    for axes in panes[:, 0]:
        axes.set_ylabel("w_f")
    for place in range(columns):
        # The lowest map of a column that is there; sharing hides the numbers of all but the last row.
        lowest = panes[rows - 1 if (rows - 1) * columns + place < count else rows - 2, place]
        lowest.set_xlabel("w_i")
        lowest.tick_params(labelbottom=True)
    return drawn, list(panes.flat[:count])


def _plane_axes(axes: Axes, name: str, x: float, y: float) -> None:
    axes.axhline(0, color=style.MUTED, linewidth=0.5)
    axes.axvline(0, color=style.MUTED, linewidth=0.5)
    axes.set(xlim=(-x, x), ylim=(-y, y))
    axes.set_title(name.replace("_", " "), loc="left")
    axes.grid(visible=False)
