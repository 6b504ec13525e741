"""Rank correlations over a set of runs, with intervals: does a measure order runs as the test loss does?

Spearman's ρ with a 90 % interval from a bootstrap over runs. Where the runs come in groups (the seeds of one
setting), whole groups are redrawn, because runs of a group are alike.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, labels_in, once

DRAWS = 500
INTERVAL = (5.0, 95.0)
MEASURES = (
    "train_loss_last10", "trajectory_last10", "trajectory_total_mean", "lipschitz_last10", "lipschitz_max",
    "lipschitz_inside", "bias_variance_last10", "bias_variance_normalised_last10", "bias_distance",
    "steadiness", "path_length", "tortuosity", "distance", "sharpness", "weight_norm", "flip_rate_last10",
)  # fmt: skip
"""Columns that are compared, where a table has them."""


@dataclasses.dataclass(frozen=True)
class Ordering(Table):
    """ρ of every measure with each swept number and with a target, over the runs that trained.

    Attributes:
      by: Labels; those that are numbers of several values count.
      target: A column.
    """

    by: tuple[str, ...]
    target: str = "test_loss"

    def of(self, given: Given) -> Frame:
        """As `ordering`."""
        return ordering(given.rows, self.by, self.target)


@dataclasses.dataclass(frozen=True)
class AgainstTestLoss(Table):
    """ρ of every measure with the test loss at moments of each run, whole settings redrawn.

    Attributes:
      moments: Names, each with the table that gives a row a run at that moment.
      by: Labels of a setting.
    """

    moments: tuple[tuple[str, Table], ...]
    by: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """Columns `matched` (the moment), `measure`, `spearman` with its interval, `n`, `n_asked`."""
        from pandas import concat

        labels = [name for name in self.by if name in given.rows]
        found = [
            against_test_loss(given.rows, given.of(at).drop(columns=labels, errors="ignore"), self.by)
            .assign(matched=name)
            for name, at in self.moments
        ]  # fmt: skip
        return concat(found, ignore_index=True).assign(n_asked=given.rows["run"].nunique())


@dataclasses.dataclass(frozen=True)
class Related(Table):
    """ρ of every measure with one column, over the runs that agree in some labels.

    Attributes:
      measures: Columns; those that the rows lack are passed over.
      against: The column.
      within: Labels; runs are compared where they agree in all of them.
      fixed: Columns that are held fixed: ρ is then that of what linear regression on their ranks leaves of
        both ranks, the partial rank correlation.
    """

    measures: tuple[str, ...]
    against: str
    within: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """The labels, `measure`, `against`, `fixed`, `spearman` with its 90 % interval, `n`.

        Lines without a ρ, of fewer than three runs or where nothing varies, are left out.
        """
        from pandas import DataFrame

        rows = finished(given.rows)
        within = labels_in(rows, self.within)
        names = ["measure", "against", "fixed", "spearman", "spearman_low", "spearman_high", "n"]
        needed, lines = (self.against, *self.fixed), []
        for key, part in groups(rows, within) if {*needed} <= {*rows} else ():
            for measure in given.metrics(self.measures):
                each = once(part, [measure, *needed])[[measure, *needed]].astype(float).dropna()
                a, b, *rest = (each[name].to_numpy(np.float64) for name in (measure, *needed))
                found = correlation(a, b, fixed=np.stack(rest, axis=1) if rest else None)
                if np.isfinite(found[0]):
                    lines.append((*key, measure, self.against, ", ".join(self.fixed), *found))
        table = DataFrame(lines, columns=[*within, *names])
        return table if self.fixed else table.drop(columns="fixed")


def spearman(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], fixed: Float[np.ndarray, "n k"] | None = None
) -> float:
    """Spearman's ρ; NaN where there are fewer than three pairs, or one side is constant.

    Args:
      a: One side.
      b: The other.
      fixed: What is held fixed: ρ is of what regression on its ranks leaves of both ranks, and NaN where it
        leaves nothing of one.
    """
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    from scipy import stats

    ranks = np.stack([stats.rankdata(a), stats.rankdata(b)], axis=1)
    if fixed is not None:
        own = np.concatenate([np.ones((len(a), 1)), stats.rankdata(fixed, axis=0)], axis=1)
        rest = ranks - own @ np.linalg.lstsq(own, ranks, rcond=None)[0]
        if (np.linalg.norm(rest, axis=0) < 1e-9 * np.linalg.norm(ranks, axis=0)).any():
            return float("nan")
        ranks = rest
    return float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])


def correlation(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    groups: np.ndarray | None = None,
    seed: int = 0,
    fixed: Float[np.ndarray, "n k"] | None = None,
) -> tuple[float, float, float, int]:
    """Spearman's ρ, the ends of its interval, and the number of pairs that have both values."""
    there = np.isfinite(a) & np.isfinite(b)
    a, b = a[there], b[there]
    fixed = None if fixed is None else fixed[there]
    labels = np.arange(len(a)) if groups is None else np.unique(groups[there], return_inverse=True)[1]
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    draw, found = np.random.default_rng(seed), []
    for _ in range(DRAWS if len(members) > 2 else 0):
        chosen = np.concatenate([members[i] for i in draw.integers(0, len(members), len(members))])
        value = spearman(a[chosen], b[chosen], None if fixed is None else fixed[chosen])
        if np.isfinite(value):
            found.append(value)
    low, high = np.percentile(found, INTERVAL) if found else (np.nan, np.nan)
    return spearman(a, b, fixed), float(low), float(high), len(a)


def ordering(table: Frame, by: Sequence[str], target: str = "test_loss") -> Frame:
    """ρ of every measure with each swept number and with the test loss, over the runs that trained.

    Returns:
      Columns `measure`, `against`, `spearman`, `spearman_low`, `spearman_high` (90 %), `n`.
    """
    from pandas import DataFrame
    from pandas.api.types import is_numeric_dtype

    rows = table[table["status"] == "ok"] if "status" in table else table
    swept = [
        name for name in by if name in rows and is_numeric_dtype(rows[name]) and rows[name].nunique() > 1
    ]
    lines = []
    for measure in (name for name in MEASURES if name in rows):
        for against in (*swept, target):
            if against not in rows:
                continue
            runs = once(rows, [measure, against])
            pair = (runs[name].to_numpy(np.float64) for name in (measure, against))
            lines.append((measure, against, *correlation(*pair)))
    return DataFrame(lines, columns=["measure", "against", "spearman", "spearman_low", "spearman_high", "n"])


READINGS = (
    "train_loss", "trajectory_mean", "trajectory_total_mean", "phi_max", "loss_derivative",
    "lipschitz_sampled", "lipschitz_mean", "lipschitz_max", "lipschitz_inside", "lipschitz_outside",
    "bias_variance", "bias_variance_normalised", "bias_distance", "path_length", "tortuosity", "distance",
    "sharpness", "weight_norm", "flip_rate", "alive",
)  # fmt: skip
"""Columns of the history that are compared, where it has them."""


def _alike(table: Frame, labels: list[str]) -> Any:
    """For each run the setting that it is of; settings that share a run are one."""
    pairs = table[["run"]].assign(setting=table[labels].astype(str).agg("|".join, axis=1))
    found = pairs["setting"]
    while True:
        least = found.groupby(pairs["run"]).transform("min").groupby(pairs["setting"]).transform("min")
        if (least == found).all():
            return found.groupby(pairs["run"]).min()
        found = least


def against_test_loss(table: Frame, readings: Frame, by: Sequence[str]) -> Frame:
    """ρ of every measure with the test loss, at one reading of each run.

    Args:
      table: A row a run, with its labels.
      readings: A row a run that has one, with columns `run`, `test_loss` and the measures.
      by: Labels of a setting; runs that share them are redrawn together.

    Returns:
      Columns `measure`, `spearman`, `spearman_low`, `spearman_high` (90 %), `n`.
    """
    from pandas import DataFrame

    labels = [name for name in by if name in table]
    rows = readings[readings["run"].isin(set(table["run"]))].drop_duplicates("run").reset_index(drop=True)
    groups = rows["run"].map(_alike(table, labels)).to_numpy() if labels and len(rows) else None
    lines = [
        (name, *correlation(rows[name].to_numpy(np.float64), rows["test_loss"].to_numpy(np.float64), groups))
        for name in READINGS
        if name in rows and rows[name].notna().any()
    ]
    return DataFrame(lines, columns=["measure", "spearman", "spearman_low", "spearman_high", "n"])
