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
import functools

import numpy as np
from jaxtyping import Bool, Float, Int

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
    return monotone(dims, values, rising=rising, asked=asked).crossings(level)


@dataclasses.dataclass(frozen=True)
class Monotone:
    """The metric of each seed made monotone in d, of which levels read their crossings.

    Attributes:
      dims: By seed the d that it was asked at, rising; then zeros.
      smooth: The metric there, more is better; then -∞.
      sign: -1 where less of the metric is better, else 1.
    """

    dims: Float[np.ndarray, "seed d"]
    smooth: Float[np.ndarray, "seed d"]
    sign: float

    def crossings(self, level: float) -> Float[np.ndarray, " seed"]:
        """For each seed the d at which its metric crosses a level; infinite where it never does."""
        reached = self.smooth >= self.sign * level
        found = np.full(len(reached), np.inf)
        seeds = np.flatnonzero(reached.any(axis=1))
        after = np.argmax(reached[seeds], axis=1)
        found[seeds] = self.dims[seeds, after]
        between = (after > 0) & (self.smooth[seeds, np.maximum(after - 1, 0)] >= -1e29)
        seeds, after = seeds[between], after[between]
        before, lower = after - 1, self.smooth[seeds, after - 1]
        share = (self.sign * level - lower) / (self.smooth[seeds, after] - lower)
        start = np.log(self.dims[seeds, before])
        found[seeds] = np.exp(start + share * (np.log(self.dims[seeds, after]) - start))
        return found


def monotone(
    dims: Float[np.ndarray, " d"],
    values: Float[np.ndarray, "seed d"],
    *,
    rising: bool,
    asked: Bool[np.ndarray, "seed d"] | None = None,
) -> Monotone:
    """By isotonic regression, the metric of each seed; arguments as of `crossings`."""
    from scipy.optimize import isotonic_regression

    sign = 1.0 if rising else -1.0
    there = np.ones(values.shape, bool) if asked is None else asked
    smooth, own = np.full(values.shape, -np.inf), np.zeros(values.shape)
    metric = np.where(np.isfinite(values), sign * values, -1e30)
    for seed, (row, mine) in enumerate(zip(metric, there, strict=True)):
        count = int(mine.sum())
        own[seed, :count] = dims[mine]
        smooth[seed, :count] = isotonic_regression(row[mine]).x
    return Monotone(own, smooth, sign)


def threshold(
    dims: Float[np.ndarray, " d"],
    values: Float[np.ndarray, "seed d"],
    level: float,
    *,
    rising: bool,
    failure: float,
    asked: Bool[np.ndarray, "seed d"] | None = None,
    resamples: int = 1000,
    smooth: Monotone | None = None,
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
      smooth: What `monotone` gives of all that, where it is at hand.
    """
    asked = np.ones(values.shape, bool) if asked is None else asked
    each = (smooth or monotone(dims, values, rising=rising, asked=asked)).crossings(level)
    reached = np.isfinite(each)
    first = dims[np.argmax(asked, axis=1)]
    last = dims[asked.shape[1] - 1 - np.argmax(asked[:, ::-1], axis=1)]
    each = np.where(reached, each, last)
    estimate = _quantile(each[None], reached[None], failure)[0]
    resampled = np.sort(resampled_quantiles(each, reached, failure, resamples))
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


def resampled_quantiles(
    each: Float[np.ndarray, " seed"], reached: Bool[np.ndarray, " seed"], failure: float, resamples: int
) -> Float[np.ndarray, " resample"]:
    """What `_quantile` gives of resamples of the seeds, told from how often each seed was drawn.

    Seeds are sorted once. Those of a resample that reach the level after s others and as often as m times
    leave a share of 1 - m/(n - s) of what was there. Where nobody is lost before the last success, that is
    the plain share, and the quantile the element of a fixed place.
    """
    order = np.lexsort((~reached, each))
    each, reached, n = each[order], reached[order], len(each)
    times = drawn_times(n, resamples)
    if (reached[1:] & ~reached[:-1]).any():
        count = times[order].astype(float)
        before = np.cumsum(count, axis=0) - count
        left = 1 - count / np.maximum(n - before, 1)
        failing = np.cumprod(np.where(reached[:, None], left, 1.0), axis=0)
        enough = (failing <= failure + 1e-9) & reached[:, None] & (count > 0)
        first = np.argmax(enough, axis=0)
        return np.where(enough.any(axis=0), each[first], np.inf)
    place = int(np.argmax((n - np.arange(n) - 1) / n <= failure + 1e-9))
    from_top = n - place
    width = min(n, from_top + int(8 * n**0.5) + 8)
    above = np.cumsum(times[order[n - width :][::-1]], axis=0, dtype=np.int64)
    if (above[-1] < from_top).any():
        width, above = n, np.cumsum(times[order[::-1]], axis=0, dtype=np.int64)
    rank = n - 1 - np.argmax(above >= from_top, axis=0)
    return np.where(reached[rank], each[rank], np.inf)


@functools.lru_cache(maxsize=4)
def drawn_times(seeds: int, resamples: int) -> Int[np.ndarray, "seed resample"]:
    """How often each resample has each seed; the draws are those of a generator of seed 0."""
    drawn = np.random.default_rng(0).integers(seeds, size=(resamples, seeds))
    flat = (drawn + seeds * np.arange(resamples)[:, None]).ravel()
    times = np.bincount(flat, minlength=seeds * resamples).reshape(resamples, seeds)
    return np.ascontiguousarray(times.T.astype(np.int16 if seeds < 2**15 else np.int32))


def success(values: Float[np.ndarray, "seed d"], level: float, *, rising: bool) -> Float[np.ndarray, " d"]:
    """Share of seeds at each d whose metric reaches the level: the measured P_s(d)."""
    reached: Bool[np.ndarray, "seed d"] = values >= level if rising else values <= level
    return reached.mean(0)


def matrix(table: Frame, metric: str, over: str = "dim") -> tuple[np.ndarray, np.ndarray]:
    """Dimensions and the metric by seed and dimension, from rows labelled `over` and `seed`, one for both."""
    wide = table.pivot(index="seed", columns=over, values=metric).sort_index(axis=0).sort_index(axis=1)
    return wide.columns.to_numpy(float), wide.to_numpy(float)
