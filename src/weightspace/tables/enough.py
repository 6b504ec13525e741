"""Enough: how few degrees of freedom keep a share of the accuracy of training in the full space?"""

import dataclasses
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, labels_in, once

KEPT = "kept"


@dataclasses.dataclass(frozen=True)
class Enough(Table):
    """The least d asked from which on an arm's mean metric is at least a share of the reference's.

    From which on: a d that reaches it by chance below others that do not is not enough.

    Attributes:
      metric: A column of which more is better.
      arms: Labels that tell the arms apart.
      shares: Of the reference's mean that are to be kept.
      reference: A label and its value, the rows that are compared with; what they have of `over` is D.
      over: The label whose least value it is.
    """

    metric: str
    arms: tuple[str, ...]
    shares: tuple[float, ...]
    reference: tuple[str, Any] = ("method", "full")
    over: str = "dim"

    def of(self, given: Given) -> Frame:
        """The arms, `kept full_accuracy wanted_accuracy least_dims least_share n reason`.

        NaN with a reason where nothing asked reaches it; no table without a finished reference. `n` is the
        least number of runs behind a mean.
        """
        from pandas import DataFrame

        label, value = self.reference
        rows = finished(given.rows)
        if self.metric not in rows or label not in rows or self.over not in rows:
            return DataFrame()
        rows = rows.dropna(subset=[self.metric])
        reference, others = rows[rows[label] == value], rows[rows[label] != value]
        full = once(reference, [label, self.metric])[self.metric].mean()
        if not np.isfinite(full) or others.empty:
            return DataFrame()
        size = float(reference[self.over].iloc[0])
        arms, lines = labels_in(given.rows, self.arms), []
        for key, part in groups(others, arms):
            means = (
                once(part, [*arms, self.over, self.metric])
                .groupby(self.over)[self.metric]
                .agg(["mean", "size"])
            )
            for share in self.shares:
                least, reason = _least(means["mean"], share * full)
                lines.append(dict(zip(arms, key, strict=True)) | {
                    KEPT: share, "full_accuracy": full, "wanted_accuracy": share * full, "least_dims": least,
                    "least_share": least / size, "n": int(means["size"].min()), "reason": reason,
                })  # fmt: skip
        return DataFrame(lines)


def _least(means: Any, wanted: float) -> tuple[float, str]:
    """The least place from which on all means reach what is wanted, and why there is none."""
    enough = (means.sort_index() >= wanted)[::-1].cummin()[::-1]
    if not enough.any():
        return float("nan"), f"not reached by the largest asked, {means.index.max():g}"
    return float(enough.idxmax()), ""
