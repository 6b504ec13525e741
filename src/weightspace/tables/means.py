"""Means and spreads over seeds: the table that answers a question at a glance."""

import dataclasses
from typing import Any

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, labels_in, once


@dataclasses.dataclass(frozen=True)
class Means(Table):
    """Mean, standard deviation and number of runs of metrics, for each set of labels.

    Attributes:
      metrics: Columns to average.
      by: Labels that tell the lines apart.
      interval: Confidence of Student's interval of each mean, `<metric>_low` to `<metric>_high`, as 0.95;
        None gives none.
    """

    metrics: tuple[str, ...]
    by: tuple[str, ...]
    interval: float | None = None

    def of(self, given: Given) -> Frame:
        """Columns: labels, `n`, `<metric>`, `<metric>_sd`, as `over_seeds`; the ends of intervals last."""
        given.metrics(self.metrics)
        found = over_seeds(given.rows, list(self.by), list(self.metrics))
        return found if self.interval is None else _with_intervals(found, self.metrics, self.interval)


def _with_intervals(found: Frame, metrics: tuple[str, ...], share: float) -> Frame:
    from scipy import stats

    ends = {}
    for name in (name for name in metrics if name in found):
        n = found.get(f"{name}_n", found["n"])
        half = stats.t.ppf((1 + share) / 2, (n - 1).clip(lower=1)) * found[f"{name}_sd"] / n**0.5
        ends |= {f"{name}_low": found[name] - half, f"{name}_high": found[name] + half}
    return found.assign(**ends)


def over_seeds(table: Frame, by: list[str], metrics: list[str]) -> Frame:
    """Mean, standard deviation (n - 1) and number of runs of each metric, for each set of labels.

    A run that was asked for under several label sets counts once where they are one line.
    Runs that diverged are counted, but have no values; failed, blocked and waiting ones are not.

    Args:
      table: Rows with labels, metrics and, if there is one, a `status`.
      by: Labels that tell the lines apart; those that the table lacks are passed over.
      metrics: Columns to average; those that the table lacks are passed over.

    Returns:
      A line for each set of labels with a finished run: labels; `n`, the finished runs; `<metric>` and
      `<metric>_sd`. Where fewer runs have a value, as after divergence, there is a column `<metric>_n`.
    """
    from pandas import DataFrame

    by = labels_in(table, by)
    metrics = [name for name in metrics if name in table]
    lines = []
    for labels, rows in groups(once(finished(table), [*by, *metrics]), by):
        line: dict[str, Any] = {**dict(zip(by, labels, strict=True)), "n": len(rows)}
        for metric in metrics:
            values = rows[metric].dropna()
            line[metric] = values.mean() if len(values) else float("nan")
            line[f"{metric}_sd"] = values.std() if len(values) > 1 else float("nan")
            line[f"{metric}_n"] = len(values)
        lines.append(line)
    frame = DataFrame(lines).astype({name: table[name].dtype for name in by} if lines else {})
    return frame.drop(columns=[f"{m}_n" for m in metrics if lines and (frame[f"{m}_n"] == frame["n"]).all()])
