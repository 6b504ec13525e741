"""Rank correlations with their intervals, measure by measure."""

import numpy as np
import pandas as pd

from weightspace.figures import style
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Panel

NAMES = {"epoch": "at the last epoch", "loss": "at matched training loss"}


def correlation_panel(data: pd.DataFrame, level: float) -> Panel:
    """Dots with intervals, a row a measure, ordered by the correlation at the last epoch.

    Args:
      data: Columns `matched`, `measure`, `spearman`, `spearman_low`, `spearman_high`, `n`, `n_asked`.
      level: The matched training loss.
    """
    first = data[data["matched"] == "epoch"].set_index("measure")["spearman"]
    order = list(first.sort_values().index)
    with style.style():
        drawn = style.figure(4.8, 0.22 * len(order) + 1.1)
        axes = drawn.subplots()
        for place, (matched, name) in enumerate(NAMES.items()):
            rows = data[(data["matched"] == matched) & data["measure"].isin(order)].dropna(
                subset=["spearman"]
            )
            y = np.array([order.index(measure) for measure in rows["measure"]]) + 0.14 * (0.5 - place)
            colour = style.PALETTE[place]
            axes.hlines(y, rows["spearman_low"], rows["spearman_high"], color=colour, linewidth=1.1)
            axes.plot(rows["spearman"], y, style.MARKERS[place], color=colour, label=name)
        axes.axvline(0, color=style.MUTED, linewidth=0.8)
        axes.set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
        axes.set(xlim=(-1.05, 1.05), xlabel="Spearman's ρ with the test loss")
        legend_below(drawn, axes)
    counts = [runs_text(data.loc[data["matched"] == matched, "n"]) for matched in NAMES]
    caption = (
        f"Rank correlation of each measure with the test loss at the same moment: at the last epoch "
        f"({counts[0]}) and where the training loss first falls to {level:g} ({counts[1]} of "
        f"{int(data['n_asked'].max())}). Bars are 90 % intervals from redrawing whole settings."
    )
    return Panel("correlations", "Measures against the test loss", caption, drawn, data)
