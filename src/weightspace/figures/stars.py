"""Stars: points of an arm that differ from the first arm's, seed by seed, by a paired t-test."""

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Vocabulary

LEVEL = 0.05
_SIZE = 34


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


def meaning(points: pd.DataFrame, words: Vocabulary = VOCABULARY) -> str:
    """What the stars of a curve mean; nothing where there are none.

    Args:
      points: Columns `metric`, `p`, and, where they are known, `against` (the first arm) and `compared` (the
        number of comparisons made).
      words: What metrics are called.
    """
    there = points[points["p"].notna()]
    if not (there["p"] < LEVEL).any():
        return ""
    named = list(dict.fromkeys(there["metric"]))
    which = f", {words.words(named[0])}" if len(named) == 1 < points["metric"].nunique() else ""
    first = str(there["against"].iloc[0]).replace("_", " ") if "against" in there else "the first arm"
    every = "after correction for all comparisons"
    if "compared" in there:
        every = f"times all {int(there['compared'].iloc[0])} comparisons"
    return (
        f" Stars{which}: differs from {first} seed by seed, paired t-test with p < {LEVEL:g}; filled where "
        f"that holds {every} made."
    )
