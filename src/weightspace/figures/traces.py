"""Long curves: smoothed where they are noisy, thinned where there are more points than can be seen."""

import numpy as np
import pandas as pd
from jaxtyping import Float

SMOOTHING = 0.95
LONGEST = 400
"""Points of a curve that are drawn, evenly apart."""


def moving_average(values: Float[np.ndarray, " n"], weight: float = SMOOTHING) -> Float[np.ndarray, " n"]:
    """The exponential moving average a_t = w a_{t-1} + (1 - w) v_t, begun at the first value."""
    smooth, last = np.empty(len(values)), np.nan
    for place, value in enumerate(values):
        last = value if np.isnan(last) else weight * last + (1 - weight) * value
        smooth[place] = last
    return smooth


def thin(rows: pd.DataFrame, most: int = LONGEST) -> pd.DataFrame:
    """At most so many of the rows, evenly apart, the first and last among them."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
