"""What captions have in common: of how many runs something is, and what of it the picture leaves out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from weightspace.tables.words import Label


def runs_text(n: pd.Series, what: str = "run") -> str:
    """How many there were.

    >>> runs_text(pd.Series([3, 5])), runs_text(pd.Series([1, 1]), "seed")
    ('n = 3 to 5 runs', 'n = 1 seed')
    """
    least, most = int(n.min()), int(n.max())
    count = f"{least}" if least == most else f"{least} to {most}"
    return f"n = {count} {what}{'' if most == 1 else 's'}"


def evenly(values: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the values, evenly apart, the first and last among them.

    >>> evenly([1, 2, 3, 4, 5, 6, 7], 4), evenly([1, 2], 4)
    ([1, 3, 5, 7], [1, 2])
    """
    places = np.linspace(0, len(values) - 1, min(len(values), most)).round().astype(int)
    return [values[place] for place in np.unique(places)]


def left_out_text(shown: Sequence[Any], every: Sequence[Any], label: Label) -> str:
    """Which values of a label have a pane, where not all have; what the page shows of the others.

    >>> left_out_text([1, 7], [1, 2, 7], Label("lr", "rates"))
    ' The picture shows 2 of the 3 rates: 1, 7; the numbers, and the chart on the page, have all.'
    """
    if len(shown) == len(every):
        return ""
    names = ", ".join(label.text(value) for value in shown)
    return (
        f" The picture shows {len(shown)} of the {len(every)} {label.words}: {names}; the numbers, and the "
        "chart on the page, have all."
    )
