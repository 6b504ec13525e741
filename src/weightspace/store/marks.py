"""Marks: which metrics and probes wrote a record's columns: those of one name may be of several.

A record carries texts such as `metric th: <digest of its code>` and `column test: <digest of the probe>`
(written by `sweeps.recorded`). Runs that agree in all else may have been measured by other code; here it is
said by which.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from weightspace.store.rows import Record

OWN = "of the loss"
"""What a column is that no metric of the user's wrote."""
_SHOWN = 12
_NAMES = {"metric ": "metric.", "column ": "probe.", "kind ": "probe."}


class Marks:
    """What measured the runs of a store.

    Args:
      record: Gives a run's record, None where it is not stored.
    """

    def __init__(self, record: Callable[[str], Record | None]):
        self.record = record
        self._read: dict[frozenset[str], dict[str, str]] = {}

    def differing(self, runs: Iterable[str], *, probes: bool = True) -> list[str]:
        """The names of what runs were measured by in several ways, as `metric.th` or `probe.test`.

        Args:
          runs: Their digests.
          probes: Whether probes count, or metrics alone.
        """
        marked = {run: self._of(run) for run in self._one_each(runs)}
        names = dict.fromkeys(name for each in marked.values() for name in sorted(each))
        wanted = [name for name in names if probes or name.startswith("metric.")]
        return [name for name in wanted if len({self.value(run, name) for run in marked} - {None}) > 1]

    def _one_each(self, runs: Iterable[str]) -> list[str]:
        """The first run of each set of marks and metrics: nothing else is told, and a folder has few sets."""
        found: dict[Any, str] = {}
        for run in runs:
            record = self.record(run)
            found.setdefault(None if record is None else (record.probes, record.metrics), run)
        return list(found.values())

    def value(self, run: str, name: str) -> str | None:
        """The beginning of a digest of what measured a run under a name; None where nothing did."""
        record = self.record(run)
        if record is None:
            return None
        own = self._of(run).get(name)
        if own is None and name.startswith("metric.") and _has(record.metrics, name.removeprefix("metric.")):
            return OWN
        return own

    def columns(self, runs: Iterable[str]) -> list[str]:
        """The columns that metrics of the user's wrote."""
        found: dict[str, None] = {}
        for run in self._one_each(runs):
            metrics = [name for name in self._of(run) if name.startswith("metric.")]
            record = self.record(run)
            for name in sorted(record.metrics) if record is not None and metrics else ():
                if any(name.endswith(f"_{metric.removeprefix('metric.')}") for metric in metrics):
                    found[name] = None
        return list(found)

    def _of(self, run: str) -> dict[str, str]:
        record = self.record(run)
        if record is None:
            return {}
        if record.probes not in self._read:
            self._read[record.probes] = self._marked(record.probes)
        return self._read[record.probes]

    @staticmethod
    def _marked(probes: frozenset[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for mark in sorted(probes):
            name, _, code = mark.partition(": ")
            for kind, shown in _NAMES.items():
                if code and name.startswith(kind):
                    found[shown + name.removeprefix(kind)] = code[:_SHOWN]
        return found


def _has(columns: Collection[str], metric: str) -> bool:
    return any(column.endswith(f"_{metric}") for column in columns)
