"""Maps of a plane as matplotlib draws them: colours, the points on them, the numbers of their cells."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.marks import Maps
from weightspace.figures.panel import Panel

_COLOURS = {"signed": "RdBu_r", "numbers": "tab20", "positive": "viridis", "plain": "viridis"}
_ON = ["z1", "z2"]


def draw(chart: Maps, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """A figure for each set of labels."""
    arms = arms_of(frame, chart.arms, notes.words)
    return [_figure(chart, arm.of(frame), arm) for arm in arms]


def _figure(chart: Maps, frame: pd.DataFrame, arm: Arm) -> Panel:
    columns = [column for column, *_ in chart.maps]
    there = frame[columns].notna().any(axis=1)
    cells, points = frame.loc[there, [*_ON, *columns]], frame.loc[~there, _ON]
    maps = [each for each in chart.maps if cells[each[0]].notna().any()]
    drawn = style.figure(style.PAGE, 2.25)
    panes = list(drawn.subplots(1, len(maps), sharex=True, sharey=True, squeeze=False)[0])
    for axes, (column, colours, title, _) in zip(panes, maps, strict=True):
        _map(drawn, axes, cells, column, colours)
        axes.set_title(title.format(n=cells[column].nunique()), loc="left")
        axes.plot(points["z1"], points["z2"], ".", color=style.INK, markersize=1.2, markeredgewidth=0)
    words = "; ".join(words for *_, words in maps)
    caption = chart.caption.format(arm=arm.name, seed=int(frame["seed"].iloc[0]), maps=words)
    labels = [f"{name}{value}" for name, value in arm.labels.items() if value is not None]
    name, title = "-".join([chart.name, *labels]), f"{chart.title}, {arm.name}"
    return Panel(name, title, caption, drawn, cells.replace(np.inf, np.nan).reset_index(drop=True))


def _map(drawn: Figure, axes: Axes, cells: pd.DataFrame, column: str, colours: str) -> None:
    values = cells[column].to_numpy(float).reshape(cells["z2"].nunique(), cells["z1"].nunique())
    if colours == "numbers":
        # A fixed mixed order, so that neighbours have different colours.
        values = np.random.default_rng(0).permutation(int(values.max()) + 1)[values.astype(int)] % 20
    most = np.abs(values[np.isfinite(values)]).max(initial=0)
    low, high = {"signed": (-most, most), "positive": (0, most)}.get(colours, (None, None))
    (left, right), (bottom, top) = (_edges(cells[name]) for name in _ON)
    shown = axes.imshow(
        values, origin="lower", extent=(left, right, bottom, top), cmap=_COLOURS[colours], vmin=low,
        vmax=high, rasterized=True, interpolation="nearest",
    )  # fmt: skip
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=(left, (left + right) / 2, right))
    axes.set(yticks=(bottom, (bottom + top) / 2, top))
    axes.grid(visible=False)
    if colours != "numbers":
        drawn.colorbar(shown, ax=axes, shrink=0.75, aspect=18, pad=0.03).ax.tick_params(length=0)


def _edges(centres: pd.Series) -> tuple[float, float]:
    """The ends of a row of cells, from their centres."""
    low, high, count = centres.min(), centres.max(), centres.nunique()
    half = (high - low) / (count - 1) / 2
    return round(low - half, 9), round(high + half, 9)
