"""What figures of sparse networks share: the axis of weights left, and that of accuracies."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspace.figures.axes import thinned

WIDE = (0.9, 0.96)
"""Accuracies from below the first to above the second are drawn on a logistic axis."""
TICKS = (0.02, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)


def stretch(axes: Axes, accuracies: pd.Series) -> bool:
    """A logistic axis where failing arms would press the good ones into one line.

    Args:
      axes: Where; axes that share theirs follow.
      accuracies: What is drawn; steps, which are above 1, leave the axis as it is.

    Returns:
      Whether it is logistic now.
    """
    low, high = (float(accuracies.min()), float(accuracies.max())) if len(accuracies) else (0.0, 0.0)
    if not (0 < low < WIDE[0] and WIDE[1] < high < 1):
        return False
    axes.set_yscale("logit")
    axes.set_ylim(low / 1.15, 1 - (1 - high) / 1.3)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low / 1.15 < tick]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    return True


def percent_axis(axes: Axes, densities: Sequence[float]) -> None:
    """A logarithmic axis of the share of weights left, in per cent, falling to the right.

    Args:
      axes: Where.
      densities: Shares that are drawn.
    """
    shown = [d for d in densities if d > 0]
    axes.set_xscale("log")
    axes.set_xlim(max(shown) * 1.08, min(shown) / 1.08)
    axes.xaxis.set_major_locator(FixedLocator(thinned(shown, 7)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
    axes.set_xlabel("weights left (%)")
