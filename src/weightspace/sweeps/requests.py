"""What every node must leave behind: the union of what its rows watch and what other nodes take from it.

Nobody lists what a run has to keep. A row's watch names probes and readings, and each `Output` that
points at a run names the probe that makes it.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from weightspace.errors import InputError
from weightspace.models.base import output_shape_of
from weightspace.node import Node, Output, outputs_in
from weightspace.probes.base import Probe
from weightspace.recipes.length import Length
from weightspace.run import Row, Run, Watch
from weightspace.store.rows import Record
from weightspace.sweeps.keep import of_row
from weightspace.sweeps.known import Known, growing
from weightspace.sweeps.known import batch_sizes as batch_sizes
from weightspace.sweeps.recorded import check_apart, covered, marks

DONE = ("ok", "diverged")
"""Statuses of nodes that need not be computed again; failed and blocked ones are tried by the next sweep."""


DEFAULT_WATCH = Watch()
"""What is recorded of a row that does not say."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A node and what is asked of it.

    Attributes:
      node: The node.
      probes: For runs: what is recorded, each probe once.
      readings: For runs: readings, in steps.
      outputs: Keys of the outputs that other nodes take.
    """

    node: Node
    probes: tuple[Probe, ...] = ()
    readings: tuple[int, ...] = ()
    outputs: frozenset[str] = frozenset()

    @property
    def marks(self) -> tuple[str, ...]:
        """What a record that holds all of it says of itself."""
        return marks(self.node, self.probes) if isinstance(self.node, Run) else ()

    @property
    def measures(self) -> bool:
        """Whether metrics are asked for."""
        return any(probe.columns for probe in self.probes)

    def also(self, probes: Iterable[Probe]) -> "Request":
        """The request with what more is kept, each probe once."""
        probes = tuple(probes)
        return dataclasses.replace(self, probes=_with(self.probes, probes)) if probes else self

    def joined(self, other: "Request") -> "Request":
        """Both requests of one node as one."""
        probes = {probe.key: probe for probe in (*self.probes, *other.probes)}
        # Metrics are no part of a run's digest: the run that is measured says which they are.
        measured = [request.node for request in (self, other) if request.measures]
        node = measured[0] if measured else self.node
        if isinstance(node, Run):
            check_apart(node, probes.values(), [run for run in measured if isinstance(run, Run)])
        return Request(
            node,
            tuple(probes[key] for key in sorted(probes)),
            tuple(sorted({*self.readings, *other.readings})),
            self.outputs | other.outputs,
        )


@functools.lru_cache(maxsize=256)
def _with(probes: tuple[Probe, ...], more: tuple[Probe, ...]) -> tuple[Probe, ...]:
    known = {probe.key for probe in probes}
    return (*probes, *(probe for probe in more if probe.key not in known))


def request_of(row: Row, known: Known | None = None) -> Request:
    """What a row asks of its node.

    Args:
      row: The row.
      known: What was found of others of the question.
    """
    run, known = row.node, known or Known()
    if not isinstance(run, Run):
        return Request(run)
    # First of all: how many examples there are to train on may make no sense.
    known.check_data(run.task.data)
    watch = row.watch or DEFAULT_WATCH

    def find(run: Run) -> tuple[tuple[Probe, ...], tuple[int, ...]]:
        steps = known.steps(run)
        readings = known.once(("readings", watch.steps, *steps), lambda: readings_within(*steps, watch))
        return _with(tuple(watch.probes), of_row(row)), readings

    asked = ("request", watch.steps, row.keep, *map(known.said, watch.probes))
    return Request(run, *known.kin(run).once(asked, find))


def check_labels_apart(rows: Sequence[Row]) -> None:
    """Refuse labels that are called like a metric of a run that is asked for, before anything is trained.

    Raises:
      InputError: If a table would have two columns of one name.
    """
    labels = dict.fromkeys(name for row in rows for name in row.labels)
    seen: set[Any] = set()
    for row in rows:
        if not isinstance(row.node, Run):
            continue
        task, watch = row.node.task, row.watch or DEFAULT_WATCH
        if (key := (id(task), id(watch), row.keep)) in seen:
            continue
        seen.add(key)
        prefixes = [f"{name}_" for probe in (*watch.probes, *of_row(row)) for name in probe.columns]
        alike = [name for name in labels for prefix in prefixes if str(name).startswith(prefix)]
        if not alike:
            continue
        dtype = task.data.input_dtype(row.node.precision.storage)
        metrics = task.recorded(output_shape_of(row.node.model, tuple(task.data.shape), dtype))
        columns = {prefix + metric for prefix in prefixes for metric in metrics}
        if clash := [name for name in alike if name in columns]:
            raise InputError(
                f"a label cannot be called '{clash[0]}': the table has a column of that name, a metric of "
                f"the runs asked for; call it '{clash[0]}_label', say"
            )


def request_for(outputs: Iterable[Output]) -> dict[str, Request]:
    """What taking outputs asks of the nodes that make them, by digest."""
    found: dict[str, Request] = {}
    for output in outputs:
        probes = (output.probe,) if isinstance(output.probe, Probe) else ()
        asked = Request(output.of, probes, (), frozenset({output.key}))
        join(found, asked)
    return found


def join(requests: dict[str, Request], asked: Request) -> None:
    """Add a request to those already there."""
    digest = asked.node.digest
    requests[digest] = requests[digest].joined(asked) if digest in requests else asked


@growing()
def missing(
    rows: Iterable[Row], satisfied: Callable[[Request], bool], known: Known | None = None
) -> dict[str, Request]:
    """All nodes that must be computed for the rows to be answered, parents included, by digest.

    Args:
      rows: The rows.
      satisfied: Whether all that is asked of a node is there.
      known: What was found of others of the question.
    """
    requests: dict[str, Request] = {}
    known = known or Known()
    stack = [request_of(row, known) for row in rows]
    while stack:
        asked = stack.pop()
        digest = asked.node.digest
        before = requests.get(digest)
        joined = asked if before is None else before.joined(asked)
        if before is not None and joined == before:
            continue
        if satisfied(joined):
            continue
        requests[digest] = joined
        stack.extend(request_for(outputs_in(asked.node)).values())
    return requests


def ready(requests: Mapping[str, Request], done: Callable[[Request], bool]) -> list[Request]:
    """The requests whose inputs all exist: the next wave, in a fixed order."""

    def inputs_exist(request: Request) -> bool:
        needed = request_for(outputs_in(request.node))
        return all(done(need) for need in needed.values())

    return [requests[digest] for digest in sorted(requests) if inputs_exist(requests[digest])]


def satisfied(request: Request, record: Record | None, known: Known | None = None) -> bool:
    """Whether a stored record holds all that is asked of its node.

    Args:
      request: The node and what is asked of it.
      record: What is stored of it.
      known: What was found of others of the question.
    """
    if record is None or record.status not in DONE or not request.outputs <= record.outputs:
        return False
    asked, there = request.readings, record.readings
    return (asked == there or set(asked) <= set(there)) and covered(_marks(request, known), record.probes)


def _marks(request: Request, known: Known | None) -> tuple[str, ...]:
    run = request.node
    if known is None or not isinstance(run, Run):
        return request.marks
    parts = (*request.probes, None, *run.task.metrics)
    return known.once(("marks", *map(known.held, parts)), lambda: request.marks)


def total_steps(run: Run) -> tuple[int, int]:
    """Steps of a run, and steps of its epoch."""
    return Known().steps(run)


def readings_of(run: Run, watch: Watch) -> tuple[int, ...]:
    """The steps at which a watch reads a run."""
    return readings_within(*total_steps(run), watch)


def readings_within(total: int, per_epoch: int, watch: Watch) -> tuple[int, ...]:
    """The steps at which a watch reads; the start and the end are always among them.

    Args:
      total: Steps of the run.
      per_epoch: Steps of its epoch.
      watch: What is recorded, and when.

    Raises:
      InputError: If it asks for a step beyond the end.
    """
    if isinstance(watch.steps, str):
        return Length.parse(watch.steps).multiples(per_epoch, total)
    late = [step for step in watch.steps if step > total]
    if late:
        raise InputError(
            f"Watch.steps asks for step {late[0]} of a run of {total} steps; leave out what is above {total}"
        )
    return tuple(sorted({0, total, *watch.steps}))


def check_run(request: Request, known: Known | None = None) -> None:
    """Raise what can be said against a run before anything is traced.

    Args:
      request: The run and what is asked of it.
      known: What was found of others of the question.
    """
    run, known = request.node, known or Known()
    assert isinstance(run, Run)
    known.once(
        ("apart", *map(known.held, request.probes), *map(known.held, run.task.metrics)),
        lambda: check_apart(run, request.probes, ()),
    )
    known.check_parts(run)
    layout = known.layout(run)
    for edit in run.edits:
        edit.check(run, layout)
    for probe in request.probes:
        probe.check(run, layout)
