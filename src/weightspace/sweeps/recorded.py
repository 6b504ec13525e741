"""What a record says of how its columns came about, so that none is taken for another of its name.

What is recorded of a run is no part of its identity: one run may be evaluated with running or with batch
statistics, by one metric or by an edited one of the same name. A record therefore carries marks: the digests
of its probes, which of them wrote which columns, and which metrics were measured, the user's by the digest of
their code. What is asked is there if its marks are; new columns take the place of old ones, marks and all.
"""

from collections.abc import Collection, Iterable

from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.node import Run
from weightspace.probes.base import Probe
from weightspace.spec import digest_of

_ALL = "metric *"


def marks(run: Run, probes: Iterable[Probe]) -> tuple[str, ...]:
    """The marks of a run that these probes watch."""
    probes = tuple(probes)
    columns = [f"column {name}: {probe.digest}" for probe in probes for name in probe.columns]
    metrics = [_metric(metric) for metric in run.task.metrics] or [_ALL]
    return tuple(sorted({*(probe.digest for probe in probes), *columns, *(metrics if columns else ())}))


def covered(asked: Iterable[str], recorded: Collection[str]) -> bool:
    """Whether a record holds what carries these marks.

    Records from before there were marks hold what their probes' digests say, and no metric of a user's.
    """
    marked = any(mark.startswith("column ") for mark in recorded)
    return all(mark in recorded or _implied(mark, recorded, marked) for mark in asked)


def _implied(mark: str, recorded: Collection[str], marked: bool) -> bool:
    name, _, code = mark.partition(": ")
    if name.startswith("metric ") and not code:
        return _ALL in recorded or not marked
    return name.startswith("column ") and not marked and code in recorded


def still_true(old: Iterable[str], new: Iterable[str]) -> set[str]:
    """The old marks without those whose columns are now another probe's or metric's."""
    writers = {name: code for name, _, code in (mark.partition(": ") for mark in new) if code}
    replaced = {
        mark for mark in old if _writer(mark)[0] in writers and writers[_writer(mark)[0]] != _writer(mark)[1]
    }
    gone = {_writer(mark)[1] for mark in replaced}
    return {mark for mark in old if mark not in replaced and mark not in gone}


def _writer(mark: str) -> tuple[str, str]:
    name, _, code = mark.partition(": ")
    return name, code


def check_apart(run: Run, probes: Iterable[Probe], others: Iterable[Run]) -> None:
    """Raise where two columns of one run would have one name.

    Args:
      run: The run.
      probes: All that is to be recorded of it.
      others: The same run, where it was asked with other metrics.

    Raises:
      InputError: If two probes, or two metrics, would write the same columns.
    """
    writers: dict[str, Probe] = {}
    for probe in probes:
        for name in probe.columns:
            first = writers.setdefault(name, probe)
            if first.digest != probe.digest:
                raise InputError(
                    f"one run is watched by {first.key} and {probe.key}, which both write columns that begin "
                    f"with '{name}_'; use folders of their own, or other points or splits"
                )
    for other in others:
        if [_metric(m) for m in other.task.metrics] != [_metric(m) for m in run.task.metrics]:
            raise InputError(
                "one run is asked for with two lists of metrics; give both rows one task that has all of them"
            )


def _metric(metric: str | Code) -> str:
    if isinstance(metric, str):
        return f"metric {metric}"
    name = metric.identity["code"].rpartition(":")[2].rpartition(".")[2]
    return f"metric {name}: {digest_of(metric)}"
