"""The plane of weights before and after training, and which part of it each criterion keeps.

Figures 1 and 2 of Zhou et al. (2019) show this as a cartoon; here the criteria themselves choose, of a cloud
of correlated Gaussian weights and of a network's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.panel import Panel
from weightspace.masks.counts import drop_count
from weightspace.masks.criteria import make_criterion
from weightspace.masks.prune import keep
from weightspace.masks.score import score
from weightspace.models.layout import Leaf
from weightspace.streams import Seeds, Stream, key

CLOUD = 6_000
CORRELATION = 0.7
REMOVED = 0.6
"""The share of weights that is pruned in the figures."""
_COLUMNS = 3
_REACH = 3.2
_KEPT_COLOURS = "viridis"
_STORED = 60_000

Cloud = Float[np.ndarray, "n 2"]


def cloud(points: int = CLOUD, correlation: float = CORRELATION, spread: float = 1.3) -> Cloud:
    """Weights (w_i, w_f), Gaussian and correlated, whose standard deviation grows; always the same.

    Args:
      points: How many.
      correlation: Of w_i and w_f.
      spread: Standard deviation of w_f over that of w_i.
    """
    draws = np.random.default_rng(0).standard_normal((points, 2))
    after = correlation * draws[:, 0] + np.sqrt(1 - correlation**2) * draws[:, 1]
    return np.stack([draws[:, 0], spread * after], axis=1)


def kept_by(name: str, weights: Cloud, removed: float = REMOVED) -> Bool[np.ndarray, " n"]:
    """Which of the weights a criterion keeps, pruned once."""
    before, after = weights.astype(np.float32).T
    by, salt = make_criterion(name), key(Seeds(0), Stream.MASK)
    cloud = Leaf("weights", before.shape, "kernel", "weights", 0)
    scores = score(by, {"before": before, "after": after}, cloud, salt)
    if by.fixed:
        return scores > 0
    count = len(weights) - drop_count(len(weights), removed)
    return keep(scores, np.ones(len(weights), bool), count, salt)


def in_plane(names: Sequence[str]) -> list[str]:
    """The criteria that look at w_i and w_f alone, wherever in a layer a weight lies."""
    known = [(name, make_criterion(name)) for name in names]
    return [name for name, by in known if not by.needs_gradient and not by.by_place]


def plane(names: Sequence[str]) -> Panel:
    """The cloud, a map a criterion: kept weights in colour, pruned ones in grey."""
    weights = cloud()
    shown = in_plane(names)
    kept = {name: kept_by(name, weights) for name in shown}
    with style.style():
        drawn, panes = _maps(len(shown), _COLUMNS)
        for axes, name in zip(panes, shown, strict=True):
            look: dict[str, Any] = {"s": 1.6, "linewidths": 0, "rasterized": True}
            gone, there = weights[~kept[name]], weights[kept[name]]
            axes.scatter(*gone.T, color=style.GRID, **look)
            axes.scatter(*there.T, color=style.PALETTE[0], **look)
            _plane_axes(axes, name, _REACH, _REACH * 1.3)
    data = pd.DataFrame({"before": weights[:, 0], "after": weights[:, 1], **kept})
    caption = (
        f"{len(weights):,} Gaussian weights before (w_i) and after (w_f) training, correlated by "
        f"{CORRELATION:g}; blue: the {100 * (1 - REMOVED):g} % that a criterion keeps."
    )
    return Panel("criteria", "What each criterion keeps", caption, drawn, data)


def layer_plane(before: Any, after: Any, what: str, names: Sequence[str]) -> Panel:
    """A layer's own weights: the share that each criterion keeps, hexagon by hexagon.

    Args:
      before: w_i of one kernel.
      after: w_f.
      what: Which layer of which run, for the caption.
      names: Criteria.
    """
    weights = np.stack([np.ravel(before), np.ravel(after)], axis=1).astype(np.float64)
    weights = weights[np.isfinite(weights).all(axis=1)]
    shown = in_plane(names)
    reach = [float(np.quantile(np.abs(weights[:, axis]), 0.999)) * 1.15 or 1.0 for axis in (0, 1)]
    kept = {name: kept_by(name, weights) for name in shown}
    with style.style():
        drawn, panes = _maps(len(shown), _COLUMNS)
        shade: Any = None
        for axes, name in zip(panes, shown, strict=True):
            extent = (-reach[0], reach[0], -reach[1], reach[1])
            shade = axes.hexbin(
                *weights.T, C=kept[name].astype(float), gridsize=(34, 20), extent=extent, mincnt=1,
                cmap=_KEPT_COLOURS, vmin=0, vmax=1, linewidths=0.1, rasterized=True,
            )  # fmt: skip
            _plane_axes(axes, name, *reach)
        bar = drawn.colorbar(shade, ax=panes, ticks=[0, 0.5, 1], aspect=28, pad=0.02)
        bar.set_label("share kept")
        bar.ax.tick_params(length=0)
    caption = (
        f"The {len(weights):,} weights of {what}, before (w_i) and after (w_f) training: of each hexagon the "
        f"share that a criterion keeps, with {100 * (1 - REMOVED):g} % kept in all."
    )
    chosen = np.unique(np.linspace(0, len(weights) - 1, min(len(weights), _STORED)).round().astype(int))
    columns = {"before": weights[:, 0], "after": weights[:, 1], **kept}
    data = pd.DataFrame({name: values[chosen] for name, values in columns.items()})
    return Panel("criteria-weights", "What each criterion keeps of a layer", caption, drawn, data)


def _maps(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
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
