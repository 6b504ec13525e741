"""Collapse: transitions of several arms upon each other, each from its own dimension of even odds."""

import dataclasses
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table
from weightspace.tables.groups import labels_in, single
from weightspace.tables.thresholds import Levels, Swept, counted
from weightspace.tables.transition import Transitions

X, SHARE = "dims_from_half", "success_share"
GEOMETRY = "geometry alone, at its widest"
"""What the curve of conic geometry is called among the arms."""
_INTERVAL = 0.9


@dataclasses.dataclass(frozen=True)
class Collapsed(Table):
    """Shares of runs that succeed against (d - d½) / √d½, in the form of `Curves`.

    d½ is that of the fitted transition (`Transitions`); arms and levels without one have no lines. Beside
    them the curve Φ(x / √2), of a Gaussian of standard deviation √(2 d½), the widest transition that conic
    geometry allows (Amelunxen, Lotz, McCoy and Tropp, 2014).

    Attributes:
      metrics: What may be reached.
      arms: Labels that tell the arms apart; the first has the curve of geometry as one more value, which has
        the others where they are the same in all lines.
      levels: What to reach, by metric.
      within: The farthest that dimensions may be; beyond there is nothing to see.
      reference: A label and the value of rows that are no part of it.
    """

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    levels: Levels
    within: float = 8.0
    reference: tuple[str, Any] = ("method", "full")

    def of(self, given: Given) -> Frame:
        """Columns `metric`, the arms, `level dims_from_half dim d_half`, then those of `Curves`.

        These are the share as `value`, the ends of Jeffreys' 90 % interval as `min` and `max`, and `n` runs.
        """
        from pandas import DataFrame

        middles = given.of(Transitions(self.metrics, self.arms, self.levels, reference=self.reference))
        arms = labels_in(given.rows, self.arms)
        nothing = DataFrame(columns=[*arms, "level", *_line(0, 0, 0, 0, 0), "dim", "d_half"])
        if middles.empty:
            return nothing
        known = middles[np.isfinite(middles["d_half"])].set_index([*arms, "metric", "level"])["d_half"]
        lines: list[dict[str, Any]] = []
        for arm, part in Swept(self.arms, self.reference, words=given.words).groups(given.rows):
            for metric, levels in self.levels:
                for level in levels if metric in part else ():
                    key = (*arm, metric, float(level))
                    if key in known.index:
                        shares = _shares(part, metric, level, given.words.rising(metric), known[key])
                        labels = dict(zip(arms, arm, strict=True)) | {"level": float(level)}
                        lines += [labels | line for line in shares if abs(line[X]) <= self.within]
        if not lines:
            return nothing
        return DataFrame(lines + _geometry(lines, self.arms))


def _shares(part: Frame, metric: str, level: float, rising: bool, half: float) -> list[dict[str, Any]]:
    """A line a dimension."""
    from scipy.stats import beta

    runs = single(counted(part, metric, "dim"), ["seed", "dim"], "a transition")
    values = runs[metric].astype(float)
    won = (
        (values >= level if rising else values <= level)
        .groupby(runs["dim"].astype(float))
        .agg(["sum", "size"])
    )
    lines = []
    for dim, wins, trials in won.itertuples():
        low, high = beta.interval(_INTERVAL, wins + 0.5, trials - wins + 0.5)
        # By Jeffreys' rule an interval holds what was seen where all succeed, or none.
        low, high = low if wins else 0.0, high if wins < trials else 1.0
        lines.append(
            _line((dim - half) / half**0.5, wins / trials, low, high, trials) | {"dim": dim, "d_half": half}
        )
    return lines


def _geometry(lines: list[dict[str, Any]], arms: tuple[str, ...]) -> list[dict[str, Any]]:
    """The curve of geometry over the distances that are there."""
    from scipy.stats import norm

    ends = [min(line[X] for line in lines), max(line[X] for line in lines)]
    shares = [(float(x), float(norm.cdf(x / 2**0.5))) for x in np.linspace(ends[0], ends[1], 60)]
    same = {arm: lines[0].get(arm) for arm in arms[1:] if len({line.get(arm) for line in lines}) == 1}
    labels = {arm: value for arm, value in same.items() if value is not None} | {arms[0]: GEOMETRY}
    return [_line(x, share, share, share, np.nan) | labels for x, share in shares]


def _line(x: float, value: float, low: float, high: float, n: float) -> dict[str, Any]:
    return {
        "metric": SHARE, X: x, "statistic": "mean", "seed": np.nan, "value": value, "sd": np.nan,
        "min": low, "max": high, "n": n,
    }  # fmt: skip
