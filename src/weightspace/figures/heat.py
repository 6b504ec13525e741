"""Heat maps of a success probability over (dimension, level), one for each arm, with the curve of d*."""

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import dimension_axis, edges, loss_axis
from weightspace.tables.vocabulary import ARMS

_MOST_COLUMNS = 5
_CURVE = style.PALETTE[1]


def heat_map(data: pd.DataFrame, stars: pd.DataFrame, label: str, *, logarithmic: bool) -> Figure:
    """Black where no run reaches a level, white where all do.

    Args:
      data: Columns `dim`, `level`, `probability` and the arms' labels.
      stars: Columns `level`, `d_star` and the arms' labels: the curve over each map.
      label: Of the level's axis.
      logarithmic: Whether levels lie evenly in their logarithm.
    """
    cells = _cells(data)
    rows, columns = len(cells), len(cells[0])
    width = style.COLUMN if rows * columns == 1 else style.PAGE
    cell = min((width - 1.1) / columns * 0.95, 2.2)
    drawn = style.figure(min(width, columns * cell * 1.15 + 1.4), rows * (cell + 0.22) + 0.45)
    panes = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    mesh = None
    for pane, (title, side, arms) in zip(panes.flat, [cell for row in cells for cell in row], strict=True):
        mine, curve = data, stars
        for arm in arms:
            mine, curve = arm.of(mine), arm.of(curve)
        if not arms or mine.empty:
            pane.set_visible(False)
            continue
        mesh = _map(pane, mine, logarithmic=logarithmic)
        _curve(pane, curve)
        pane.set_title(title)
        pane.set_ylabel(side)
    _axes(panes, sorted(float(dim) for dim in data["dim"].unique()), columns, logarithmic=logarithmic)
    drawn.supxlabel("dimension d", fontsize=7.5)
    drawn.supylabel(label, fontsize=7.5)
    bar = drawn.colorbar(mesh, ax=panes, ticks=[0, 0.5, 1], aspect=28, pad=0.02)  # pyright: ignore[reportArgumentType]
    bar.set_label("success probability")
    bar.ax.tick_params(length=0)
    return drawn


Cell = tuple[str, str, tuple[Arm, ...]]
"""A map's title, the name of its row and the arms whose lines it shows; no arms, no map."""


def _cells(data: pd.DataFrame) -> list[list[Cell]]:
    """Maps in rows: where burn-in and something else differ a column for each burn-in, else as they fit."""
    steps, rest = (
        arms_of(data, ("burn_in",)),
        arms_of(data, tuple(name for name in ARMS if name != "burn_in")),
    )
    if 1 < len(steps) <= _MOST_COLUMNS and len(rest) > 1:
        return [
            [("" if row else step.name, "" if column else other.name, (other, step))
             for column, step in enumerate(steps)]
            for row, other in enumerate(rest)
        ]  # fmt: skip
    arms = arms_of(data, ARMS)
    rows = -(-len(arms) // _MOST_COLUMNS)
    columns = -(-len(arms) // rows)
    cells: list[Cell] = [(arm.name if len(arms) > 1 else "", "", (arm,)) for arm in arms]
    cells += [("", "", ())] * (rows * columns - len(arms))
    return [cells[row * columns : (row + 1) * columns] for row in range(rows)]


def _axes(panes: np.ndarray, dims: list[float], columns: int, *, logarithmic: bool) -> None:
    borders = edges(dims, logarithmic=True)
    for pane in panes.flat:
        dimension_axis(pane, dims, most=7 if columns == 1 else 4)
        pane.set_xlim(borders[0], borders[-1])
        if logarithmic:
            loss_axis(pane, "y")


def _map(pane: Axes, data: pd.DataFrame, *, logarithmic: bool) -> QuadMesh:
    wide = data.pivot_table(index="level", columns="dim", values="probability")
    x = edges(wide.columns.to_numpy(float), logarithmic=True)
    y = edges(wide.index.to_numpy(float), logarithmic=logarithmic)
    pane.grid(visible=False)
    # Cells as pixels: hundreds of vector cells for each map would swell the file and show seams.
    return pane.pcolormesh(x, y, wide.to_numpy(float), cmap="gray", vmin=0, vmax=1, rasterized=True)


def _curve(pane: Axes, stars: pd.DataFrame) -> None:
    found = stars[np.isfinite(stars["d_star"])].sort_values("level")
    (line,) = pane.plot(found["d_star"], found["level"], color=_CURVE, linewidth=1.4)
    line.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="#ffffff")])
