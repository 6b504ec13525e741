"""Paired comparisons of arms, seed by seed: runs of one seed share initialisation and data order.

Differences of the test accuracy at early stopping, with Student's 95 % interval, the two-sided p of the
paired t-test, and p times the number of comparisons made (Bonferroni), at most 1. Runs that diverged have no
values, as in the means: their pairs are left out, and `n` says so.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, missing, once, single

METRIC = "best_test_accuracy"
DENSE = "dense"
_ROUNDING = 1e-6
"""Accuracies are stored in single precision: differences this much alike are equal, and no t-test holds."""


@dataclasses.dataclass(frozen=True)
class Pairs(Table):
    """Arms compared two by two, seed by seed.

    Attributes:
      metrics: The columns compared.
      arm: The column that tells arms apart.
      against: The arm that all others are compared with; None compares every two.
      within: Labels of whose every value arms are compared by themselves.
    """

    metrics: tuple[str, ...]
    arm: str
    against: Any = None
    within: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """As `between`; the correction counts the comparisons of one metric that are made."""
        from pandas import concat

        metrics = given.metrics(self.metrics)
        within = [name for name in self.within if name in given.rows]
        if not within or given.rows.empty:
            return between(given.rows, self.arm, metrics, self.against)
        parts = [
            between(rows, self.arm, metrics, self.against).assign(**dict(zip(within, key, strict=True)))
            for key, rows in groups(given.rows, within)
        ]
        found = concat(parts, ignore_index=True)
        made = found.groupby("metric")["p"].transform("size")
        return found.assign(p_corrected=np.minimum(found["p"] * made, 1.0))


@dataclasses.dataclass(frozen=True)
class RoundPairs(Table):
    """Arms of several rounds, each against the dense network and against the first arm, as `paired`.

    Attributes:
      arms: The labels that tell arms apart.
      metric: The column compared.
    """

    arms: tuple[str, ...]
    metric: str = METRIC

    def of(self, given: Given) -> Frame:
        """As `paired`."""
        return paired(given.rows, self.arms, self.metric)


@dataclasses.dataclass(frozen=True)
class Starred(Table):
    """Curves over rounds, with what says which of their means differ from the first arm's.

    Attributes:
      curves: Of the form of `Curves`, with a column `round`.
      arms: The labels that tell arms apart.
      metric: The one that is compared.
    """

    curves: Table
    arms: tuple[str, ...]
    metric: str = METRIC

    def of(self, given: Given) -> Frame:
        """The curves with `p`, `p_corrected`, `against` and `compared`, the number of comparisons made."""
        lines, pairs = given.of(self.curves), given.of(RoundPairs(self.arms, self.metric))
        if pairs.empty or lines.empty:
            return lines
        keys = [*(name for name in self.arms if name in pairs and name in lines), "round"]
        own = pairs.loc[pairs["against"] != DENSE, [*keys, "p", "p_corrected", "against"]]
        own = own.assign(metric=self.metric, statistic="mean", compared=len(pairs))
        return lines.merge(own, on=["metric", "statistic", *keys], how="left", validate="many_to_one")


@dataclasses.dataclass(frozen=True)
class NearestRounds(Table):
    """Of paired comparisons those of each arm's rounds that are nearest to some shares of weights left.

    Attributes:
      arms: The labels that tell arms apart.
      levels: The shares.
    """

    arms: tuple[str, ...]
    levels: tuple[float, ...] = (0.17, 0.07)

    def of(self, given: Given) -> Frame:
        """Lines of the table that is given as rows."""
        frame = given.rows
        arms = [label for label in self.arms if label in frame]
        if frame.empty or not arms:
            return frame
        kept = []
        for _, arm in groups(frame, arms, sort=False):
            nearest = {(arm["density"] - level).abs().idxmin() for level in self.levels}
            kept += list(arm.index[arm["round"].isin(arm.loc[list(nearest), "round"])])
        return frame.loc[kept]


def paired(table: Frame, arms: Sequence[str], metric: str = METRIC) -> Frame:
    """Every arm and round against the dense network and, round by round, against the first arm.

    The first arm is the one named first in the question, whatever became of its runs; rounds that it has no
    runs of are compared with the dense network only.

    Args:
      table: A row a run, with labels, `round`, `seed` and the metric.
      arms: The labels that tell arms apart.
      metric: The column compared.

    Returns:
      Columns: the arm's labels, `round`, `density`, `against`, `difference` with `difference_low` and
      `difference_high`, `p`, `p_corrected`, `n`.
    """
    from pandas import DataFrame

    labels = [name for name in arms if name in table]
    rows = finished(table)
    if not {metric, "criterion", "round", "density"} <= {*rows}:  # before the first run has finished
        rows = rows.iloc[:0].assign(**{metric: 0.0, "criterion": DENSE, "round": 0, "density": 0.0})
    dense = by_seed(rows[rows["criterion"] == DENSE], metric, "the dense networks")
    # In the order of the question, so that the first arm is the one that was named first.
    there = rows[(rows["criterion"] != DENSE) & rows[metric].notna()]
    parts = {_plain(key): (key, part) for key, part in groups(there, [*labels, "round"], sort=False)}
    each = {key: by_seed(part, metric, _said(key)) for key, (_, part) in parts.items()}
    asked = table.loc[table["criterion"] != DENSE, labels] if "criterion" in table else table.iloc[:0]
    first = _plain(asked.iloc[0]) if len(asked) else ()
    lines = []
    for key, (own, part) in parts.items():
        start = (*own, part["density"].mean())
        lines.append((*start, DENSE, *difference(each[key], dense)))
        reference = each.get((*first, key[-1]))
        if reference is not None and key[:-1] != first:
            lines.append((*start, _said(first), *difference(each[key], reference)))
    columns = ["difference", "difference_low", "difference_high", "p", "n"]
    found = DataFrame(lines, columns=[*labels, "round", "density", "against", *columns])
    return found.assign(p_corrected=np.minimum(found["p"] * max(len(found), 1), 1.0))


FEW = 2
"""Pairs of which a t-test says little: one degree of freedom."""


def caution(frame: Frame) -> str:
    """What to keep in mind of a table with p of few pairs; empty where there are none."""
    if not {"p", "n"} <= {*map(str, frame.columns)}:
        return ""
    few = int(((frame["n"] <= FEW) & frame["p"].notna()).sum())
    if not few:
        return ""
    return (
        f"Caution: {few} of {len(frame)} p-values rest on n = {FEW} pairs, one degree of freedom: intervals "
        "reach 12.7 standard errors to each side, and p says little; ask for more seeds."
    )


def _plain(key: Iterable[Any]) -> tuple[Any, ...]:
    """Labels that are equal where they are missing in both."""
    return tuple(None if missing(value) else value for value in key)


def _said(key: Iterable[Any]) -> str:
    return ", ".join(map(str, key))


def by_seed(rows: Frame, metric: str, what: str) -> Any:
    """The values of a metric by seed, of rows that have both.

    Raises:
      InputError: If several runs have one seed: which of them is the pair of another arm's is not known.
    """
    there = rows.dropna(subset=["seed", metric])
    return single(once(there, ["seed", metric]), ["seed"], f"{metric} of {what}").set_index("seed")[metric]


def difference(ours: Any, theirs: Any) -> tuple[float, float, float, float, int]:
    """Mean difference, the ends of its interval, p, and the number of pairs."""
    both = ours.index.intersection(theirs.index)
    apart = (ours.loc[both] - theirs.loc[both]).to_numpy(np.float64)
    n = len(apart)
    if n < 2 or np.ptp(apart) <= _ROUNDING:
        mean = float(apart.mean()) if n else float("nan")
        return mean, float("nan"), float("nan"), float("nan"), n
    from scipy import stats

    test: Any = stats.ttest_1samp(apart, 0.0)
    low, high = test.confidence_interval()
    return float(apart.mean()), float(low), float(high), float(test.pvalue), n


def between(table: Frame, arm: str, metrics: Sequence[str], against: Any = None) -> Frame:
    """Every two arms, or all against one, metric by metric.

    Args:
      table: A row a run, with `seed` and the metrics; a metric that an arm lacks is passed over.
      arm: The column that tells arms apart; of two, the later in its order is compared with the earlier.
      metrics: The columns compared.
      against: The arm that all others are compared with; None compares every two.

    Raises:
      InputError: If an arm has several runs of one seed.

    Returns:
      Columns `metric`, the arm, `against`, `difference` with its interval, `p`, `n` and `p_corrected`, which
      counts the comparisons of one metric.
    """
    from pandas import DataFrame

    rows = finished(table)
    lines = []
    for metric in metrics:
        there = rows.dropna(subset=[metric]) if {metric, arm, "seed"} <= {*rows} else rows.iloc[:0]
        arms = [(name, by_seed(part, metric, f"{arm} {name}")) for (name,), part in groups(there, [arm])]
        pairs = list(itertools.combinations(arms, 2))
        if against is not None:
            ours = [each for each in arms if not missing(each[0]) and each[0] == against]
            pairs = [(one, other) for one in ours for other in arms if other is not one]
        for (first, theirs), (second, ours) in pairs:
            apart = difference(ours, theirs)
            lines.append((metric, second, first, *apart, min(apart[3] * len(pairs), 1.0)))
    columns = ["difference", "difference_low", "difference_high", "p", "n", "p_corrected"]
    return DataFrame(lines, columns=["metric", arm, "against", *columns])
