"""Violins: the distribution of a value over the last readings of all runs, side by side for each arm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from weightspace.figures import style
from weightspace.figures.arms import Arm


def draw_violins(axes: Axes, data: pd.DataFrame, arms: Sequence[Arm], *, logarithmic: bool = False) -> None:
    """A violin an arm, its median as a line, and the single runs' means as dots.

    Args:
      axes: Where.
      data: Columns `arm`, `run`, `value`.
      arms: In the order from left to right.
      logarithmic: Whether the shapes are those of the logarithm.
    """
    for place, arm in enumerate(arms):
        rows = data[data["arm"] == arm.name]
        rows = rows[(rows["value"] > 0) | (not logarithmic)]
        if rows.empty:
            continue
        values = pd.Series(np.log10(rows["value"])) if logarithmic else rows["value"]
        if values.nunique() > 1:
            parts = axes.violinplot([values.to_numpy(float)], [place], showextrema=False, widths=0.8)
            for body in parts["bodies"]:  # pyright: ignore[reportGeneralTypeIssues]
                body.set(facecolor=arm.colour, alpha=0.35)
        axes.hlines(values.median(), place - 0.25, place + 0.25, color=arm.colour, linewidth=1.4)
        each = values.groupby(rows["run"]).mean()
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.6}
        axes.plot(np.full(len(each), place), each, color=style.MUTED, **dots)
    axes.set_xticks(range(len(arms)), [arm.name for arm in arms])
    if len(arms) > 4:
        axes.tick_params(axis="x", rotation=30)
    axes.grid(visible=False, axis="x")
    if logarithmic:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{value:g}}}$"))
