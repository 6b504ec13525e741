"""Thresholds as shares of a network's weights, for networks of several sizes on one scale."""

import dataclasses
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table
from weightspace.tables.groups import labels_in
from weightspace.tables.thresholds import Thresholds

METRIC = "d_star_share"


@dataclasses.dataclass(frozen=True)
class ThresholdShares(Table):
    """d*/D of every arm against the level to reach, in the form of `Curves`; attributes as of `Thresholds`.

    Levels that an arm does not reach, or reaches at its smallest dimension already, have no line.
    """

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    failure: float = 0.1
    reference: tuple[str, Any] = ("method", "full")

    def of(self, given: Given) -> Frame:
        """Columns `metric` (`d_star_share`), the arms, `level`, `statistic seed value sd min max n`.

        The ends of d*'s interval are `min` and `max`.
        """
        stars = given.of(Thresholds(self.metrics, self.arms, None, self.failure, self.reference))
        known = stars[stars["censored"] == ""]
        known = known.astype(dict.fromkeys(("d_star", "d_star_low", "d_star_high", "compression"), float))
        size = known["d_star"] * known["compression"]
        shares = known[[*labels_in(given.rows, self.arms), "level", "n"]].assign(
            metric=METRIC, statistic="mean", seed=np.nan, value=known["d_star"] / size, sd=np.nan
        )
        high = known["d_star_high"].where(np.isfinite(known["d_star_high"]))
        return shares.assign(min=known["d_star_low"] / size, max=high / size).reset_index(drop=True)
