"""What a record says of how its columns came about, so that none is taken for another of its name.

What is recorded of a run is no part of its identity: one run may be evaluated with running or with batch
statistics, by one metric or by an edited one of the same name. A record therefore carries marks: the digests
of its probes, which of them wrote which columns, and which metrics were measured, the user's by the digest of
their code. What is asked is there if its marks are; new columns take the place of old ones, marks and all.
"""

from collections.abc import Collection, Iterable

from weightspace.code import Code
from weightspace.data.task import metric_name
from weightspace.errors import InputError
from weightspace.probes.base import Probe
from weightspace.recipes.metrics import Metric
from weightspace.run import Run
from weightspace.spec import digest_of, kind

_ALL = "metric *"


def marks(run: Run, probes: Iterable[Probe]) -> tuple[str, ...]:
    """The marks of a run that these probes watch."""
    probes = tuple(probes)
    columns = [f"column {name}: {probe.digest}" for probe in probes for name in probe.columns]
    others = [probe for probe in probes if probe.writes_columns and not probe.columns]
    kinds = [f"kind {kind(type(probe))}: {probe.digest}" for probe in others]
    metrics = [_metric(metric) for metric in run.task.metrics] or [_ALL]
    return tuple(
        sorted({*(probe.digest for probe in probes), *columns, *kinds, *(metrics if columns else ())})
    )


def covered(asked: Collection[str], recorded: Collection[str]) -> bool:
    """Whether a record holds what carries these marks.

    Records from before there were marks hold what their probes' digests say, and no metric of a user's.
    """
    if all(mark in recorded for mark in asked):
        return True
    marked = any(": " in mark for mark in recorded)
    return all(mark in recorded or _implied(mark, recorded, marked) for mark in asked)


def _implied(mark: str, recorded: Collection[str], marked: bool) -> bool:
    name, _, code = mark.partition(": ")
    if name.startswith("metric ") and not code:
        return _ALL in recorded or not marked
    return name.startswith(("column ", "kind ")) and not marked and code in recorded


def still_true(old: Iterable[str], new: Iterable[str], *, changed: bool) -> set[str]:
    """The old marks without those whose columns are now another probe's or metric's.

    Args:
      old: Marks of the earlier record.
      new: Marks of the one that takes its place.
      changed: Whether a column has another value in it: probes of one kind may or may not write the same.
    """
    old, new = set(old), set(new)
    if not any(": " in mark for mark in old):  # from before there were marks
        return old & new if changed else old
    writers = {name: code for name, _, code in (mark.partition(": ") for mark in new) if code}
    gone: set[str] = set()
    for mark in old:
        name, _, code = mark.partition(": ")
        if writers.get(name, code) != code and (changed or not name.startswith("kind ")):
            gone |= {mark, code}
    return old - gone


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


def _metric(metric: str | Code | Metric) -> str:
    if isinstance(metric, str):
        return f"metric {metric}"
    return f"metric {metric_name(metric)}: {digest_of(metric)}"
