"""The threshold training dimension d*: how many degrees of freedom reach a level.

A run gives success for all levels at once. For each seed the metric is made monotone in d by isotonic
regression and its crossing of a level interpolated in log d; the success probability P_s(d) is the share of
seeds whose crossing lies at or below d, and d* = min{d : P_s(d) ≥ 1 - δ} (Larsen et al., 2022, section 2).
Of a seed that does not reach the level no more is known than that it does not up to its own largest d: the
share is that of Kaplan and Meier ("Nonparametric estimation from incomplete observations", 1958), which is
the plain share where all seeds were asked the same d. Since one seed's bases are nested in d, its results at
several d are correlated: intervals resample seeds.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from weightspace.frames import Frame


@dataclasses.dataclass(frozen=True)
class Threshold:
    """d* at one level.

    Attributes:
      d_star: The estimate; infinite where not enough seeds reach the level at any d.
      low: Lower end of the 90 % bootstrap interval over seeds.
      high: Upper end.
      n: Seeds.
      censored: `below` where it lies below the smallest d asked of a seed that it hangs on, `above` where the
        largest does not reach the level, else empty.
    """

    d_star: float
    low: float
    high: float
    n: int
    censored: str


def crossings(
    dims: Float[np.ndarray, " d"],
    values: Float[np.ndarray, "seed d"],
    level: float,
    *,
    rising: bool,
    asked: Bool[np.ndarray, "seed d"] | None = None,
) -> Float[np.ndarray, " seed"]:
    """For each seed the d at which its metric crosses a level; infinite where it never does.

    Args:
      dims: Dimensions swept, rising.
      values: The metric of each seed and dimension; NaN counts as never reached.
      level: What to reach.
      rising: Whether larger is better (accuracy) or smaller (loss).
      asked: At which d each seed was asked; at all where nothing is given. No other d says anything of it.
    """
    from scipy.optimize import isotonic_regression

    sign = 1.0 if rising else -1.0
    found = np.full(len(values), np.inf)
    there = np.ones(values.shape, bool) if asked is None else asked
    every = dims
    for seed, row in enumerate(values):
        dims, row = every[there[seed]], row[there[seed]]
        metric = np.where(np.isfinite(row), sign * row, -1e30)
        smooth = isotonic_regression(metric).x
        reached = np.flatnonzero(smooth >= sign * level)
        if not reached.size:
            continue
        j = int(reached[0])
        if j == 0 or smooth[j - 1] < -1e29:
            found[seed] = dims[j]
            continue
        share = (sign * level - smooth[j - 1]) / (smooth[j] - smooth[j - 1])
        found[seed] = np.exp(np.log(dims[j - 1]) + share * (np.log(dims[j]) - np.log(dims[j - 1])))
    return found


def threshold(
    dims: Float[np.ndarray, " d"],
    values: Float[np.ndarray, "seed d"],
    level: float,
    *,
    rising: bool,
    failure: float,
    asked: Bool[np.ndarray, "seed d"] | None = None,
    resamples: int = 1000,
) -> Threshold:
    """d* of a level, with a bootstrap interval over seeds.

    Args:
      dims: Dimensions swept, rising.
      values: The metric of each seed and dimension.
      level: What to reach.
      rising: Whether larger is better.
      failure: δ, the probability of failure that is allowed.
      asked: At which d each seed was asked, at one at least; all at all where nothing is given.
      resamples: Bootstrap resamples.
    """
    asked = np.ones(values.shape, bool) if asked is None else asked
    each = crossings(dims, values, level, rising=rising, asked=asked)
    reached = np.isfinite(each)
    first = dims[np.argmax(asked, axis=1)]
    last = dims[asked.shape[1] - 1 - np.argmax(asked[:, ::-1], axis=1)]
    each = np.where(reached, each, last)
    estimate = _quantile(each[None], reached[None], failure)[0]
    drawn = np.random.default_rng(0).integers(len(each), size=(resamples, len(each)))
    resampled = np.sort(_quantile(each[drawn], reached[drawn], failure))
    low, high = (resampled[int(q * (resamples - 1))] for q in (0.05, 0.95))
    below = (reached & (each <= first) & (each == estimate)).any()
    censored = "below" if below else "above" if not np.isfinite(estimate) else ""
    return Threshold(float(estimate), float(low), float(high), len(each), censored)


def _quantile(
    each: Float[np.ndarray, "resample seed"], reached: Bool[np.ndarray, "resample seed"], failure: float
) -> Float[np.ndarray, " resample"]:
    """The smallest d that a share of at least 1 - failure of the seeds reach; infinite where none is known.

    Args:
      each: Where a seed reaches the level, or up to where it does not.
      reached: Which of the two.
      failure: δ.
    """
    # What is lost at some d was still there for those who reach the level at that very d.
    order = np.lexsort((~reached, each))
    each, reached = (np.take_along_axis(array, order, 1) for array in (each, reached))
    there = each.shape[1] - np.arange(each.shape[1])
    failing = np.cumprod(np.where(reached, 1 - 1 / there, 1.0), axis=1)
    enough = (failing <= failure + 1e-9) & reached
    return np.where(enough.any(axis=1), each[np.arange(len(each)), np.argmax(enough, axis=1)], np.inf)


def success(values: Float[np.ndarray, "seed d"], level: float, *, rising: bool) -> Float[np.ndarray, " d"]:
    """Share of seeds at each d whose metric reaches the level: the measured P_s(d)."""
    reached: Bool[np.ndarray, "seed d"] = values >= level if rising else values <= level
    return reached.mean(0)


def matrix(table: Frame, metric: str, over: str = "dim") -> tuple[np.ndarray, np.ndarray]:
    """Dimensions and the metric by seed and dimension, from rows labelled `over` and `seed`, one for both."""
    wide = table.pivot(index="seed", columns=over, values=metric).sort_index(axis=0).sort_index(axis=1)
    return wide.columns.to_numpy(float), wide.to_numpy(float)
