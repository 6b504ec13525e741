"""Stars: points of an arm that differ from the first arm's, seed by seed, by a paired t-test."""

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm

LEVEL = 0.05
_AGAINST_DENSE = "dense"
_SIZE = 34


def draw(axes: Axes, line: pd.DataFrame, arm: Arm, pairs: pd.DataFrame) -> pd.DataFrame:
    """Put stars on an arm's points: open where p is below .05, filled where it is so after correction.

    Args:
      axes: Where the line is drawn.
      line: Its points: columns `round`, `density`, `mean`.
      arm: Which line it is.
      pairs: Columns `round`, `against`, `p`, `p_corrected` and the arm's labels; may be empty.

    Returns:
      The line with `p` and `p_corrected` of its comparison with the first arm; NaN where there is none.
    """
    if pairs.empty or line.empty:
        return line.assign(p=float("nan"), p_corrected=float("nan"))
    own = arm.of(pairs[pairs["against"] != _AGAINST_DENSE])
    found = line.merge(own[["round", "p", "p_corrected"]], on="round", how="left")
    mark(axes, found.rename(columns={"density": "x", "mean": "y"}), arm.colour)
    return found


def mark(axes: Axes, points: pd.DataFrame, colour: str) -> None:
    """Stars on the points of a line that differ: open where p is below .05, filled where it is so corrected.

    Args:
      axes: Where the line is drawn.
      points: Columns `x`, `y`, `p`, `p_corrected`.
      colour: Of the line.
    """
    for column, face in (("p", style.PAPER), ("p_corrected", colour)):
        there = points[points[column] < LEVEL]
        axes.scatter(
            there["x"], there["y"], _SIZE, marker="*", facecolor=face, edgecolor=colour, linewidth=0.7,
            zorder=4,
        )  # fmt: skip


def meaning(points: pd.DataFrame) -> str:
    """What the stars of a curve mean; nothing where there are none."""
    if not (points["p"] < LEVEL).any():
        return ""
    return (
        f" Stars: differs from the first arm seed by seed, paired t-test with p < {LEVEL:g}; filled where "
        "that holds after correction for all comparisons made."
    )


def caption(numbers: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """What the stars of a figure mean; nothing where there are none.

    Args:
      numbers: What is drawn, with `p` where `draw` was asked.
      pairs: All comparisons made; their number is what is corrected for.
    """
    if "p" not in numbers or not (numbers["p"] < LEVEL).any():
        return ""
    first = next(name for name in pairs["against"] if name != _AGAINST_DENSE)
    return (
        f" Stars, at early stopping: differs from {first.replace('_', ' ')} seed by seed, paired t-test with "
        f"p < {LEVEL:g}; filled where that holds times all {len(pairs)} comparisons made."
    )
