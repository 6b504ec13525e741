"""Heat maps of a success probability over (dimension, level), one for each arm, with the threshold's curve."""

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, grid
from weightspace.figures.axes import dimension_axis, edges

_MOST_COLUMNS = 5
_CURVE = style.PALETTE[1]


def heat_map(
    arms: list[Arm], data: pd.DataFrame, stars: pd.DataFrame, label: str, *, logarithmic: bool
) -> Figure:
    """Black where no run reaches a level, white where all do.

    Args:
      arms: What has a map each.
      data: Columns `dim`, `level`, `probability` and the arms' labels.
      stars: Columns `level`, `d_star` and the arms' labels: the curve over each map.
      label: Of the level's axis.
      logarithmic: Whether levels lie evenly in their logarithm.
    """
    rows = grid(arms, _MOST_COLUMNS)
    columns = len(rows[0])
    width = style.COLUMN if len(arms) == 1 else style.PAGE
    cell = min((width - 1.1) / columns * 0.95, 2.2)
    drawn = style.figure(min(width, columns * cell * 1.15 + 1.4), len(rows) * (cell + 0.22) + 0.45)
    panes = drawn.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    mesh = None
    for pane, arm in zip(panes.flat, [arm for row in rows for arm in row], strict=True):
        if arm is None:
            pane.set_visible(False)
            continue
        mesh = _map(pane, arm.of(data), logarithmic=logarithmic)
        _curve(pane, arm.of(stars))
        pane.set_title(arm.name if len(arms) > 1 else "")
    for pane in panes.flat:
        dimension_axis(pane, sorted(data["dim"].unique()), most=7 if columns == 1 else 4)
        borders = edges(sorted(data["dim"].unique()), logarithmic=True)
        pane.set_xlim(borders[0], borders[-1])
    drawn.supxlabel("dimension d", fontsize=7.5)
    drawn.supylabel(label, fontsize=7.5)
    bar = drawn.colorbar(mesh, ax=panes, ticks=[0, 0.5, 1], aspect=28, pad=0.02)  # pyright: ignore[reportArgumentType]
    bar.set_label("success probability")
    bar.ax.tick_params(length=0)
    return drawn


def _map(pane: Axes, data: pd.DataFrame, *, logarithmic: bool):  # noqa: ANN202
    wide = data.pivot_table(index="level", columns="dim", values="probability")
    x = edges(wide.columns.to_numpy(float), logarithmic=True)
    y = edges(wide.index.to_numpy(float), logarithmic=logarithmic)
    if logarithmic:
        pane.set_yscale("log")
    pane.grid(visible=False)
    # Cells as pixels: hundreds of vector cells for each map would swell the file and show seams.
    return pane.pcolormesh(x, y, wide.to_numpy(float), cmap="gray", vmin=0, vmax=1, rasterized=True)


def _curve(pane: Axes, stars: pd.DataFrame) -> None:
    found = stars[np.isfinite(stars["d_star"])].sort_values("level")
    (line,) = pane.plot(found["d_star"], found["level"], color=_CURVE, linewidth=1.4)
    line.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="#ffffff")])
