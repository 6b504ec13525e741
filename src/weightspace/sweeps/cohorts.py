"""Cohorts: runs of one signature, worked through block by block.

The signature is the compiled program's key and the values all runs have in common. A cohort is the unit of
planning, of work and of files; its name is the digest of its members, so that two processes that plan the
same sweep give the same cohorts the same names.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from weightspace.code import check_unchanged
from weightspace.node import Output, outputs_in
from weightspace.run import Run
from weightspace.sweeps.known import growing
from weightspace.sweeps.prepared import Preparations, probe_groups
from weightspace.sweeps.prepared import prepare as prepare
from weightspace.sweeps.requests import Request, total_steps
from weightspace.training.block import BlockKey
from weightspace.training.lanes import Cost, lanes_for
from weightspace.training.step import layout_of_run

LARGEST = 256
"""Runs of a cohort at the most: its files appear at its end."""


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that one program trains, and how.

    Attributes:
      name: Digest of members, probes and points.
      requests: One a run.
      readings: Readings that all of them share.
      lanes: Runs a device works on at once.
      steps: Steps of each run.
      prepared: Its runs resolved, and others; left behind where a cohort goes to another process.
    """

    name: str
    requests: tuple[Request, ...]
    readings: tuple[int, ...]
    lanes: int
    steps: int
    prepared: Preparations = dataclasses.field(default_factory=Preparations, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"prepared": Preparations()}

    @property
    def devices(self) -> int:
        """Devices that work on it: by the whole of it, for the last block is padded."""
        return min(jax.local_device_count(), -(-len(self.requests) // self.lanes))

    def key(self, arrays: Mapping[Output, Any]) -> BlockKey:
        """What its program is compiled for; arrays, or shapes, for each output that its first run takes."""
        first = self.prepared(self.requests[0], arrays)
        return first.key(self.runs[0].precision, self.lanes, self.devices)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The members' specs."""
        return tuple(request.node for request in self.requests)  # pyright: ignore[reportReturnType]

    @property
    def digests(self) -> tuple[str, ...]:
        """The members' digests."""
        return tuple(run.digest for run in self.runs)

    def manifest(self) -> dict[str, Any]:
        """What a restart needs to form the same cohort again, as JSON values."""
        first = self.requests[0]
        return {
            "cohort": self.name,
            "digests": list(self.digests),
            "probes": [probe.digest for probe in first.probes],
            "points": list(self.readings),
            "lanes": self.lanes,
            "steps": self.steps,
        }


@growing()
def group(
    requests: Iterable[Request],
    shapes: Mapping[Output, Any],
    lanes: int | None,
    backend: str,
    prepared: Preparations | None = None,
) -> list[Cohort]:
    """Cut the runs of a wave into cohorts.

    Args:
      requests: Runs and what is asked of them.
      shapes: For each output they take, arrays or shapes of it.
      lanes: Lanes to use, or None for the table's.
      backend: `cpu`, `gpu` or `tpu`.
      prepared: What is prepared already; it is added to.
    """
    prepared = prepared or Preparations()
    groups: dict[Any, list[Request]] = {}
    seen: set[int] = set()
    for request in requests:
        check_unchanged((request.node, request.probes), seen)
        groups.setdefault(_signature(request, shapes, prepared, seen), []).append(request)
    cohorts = []
    for members in groups.values():
        members = sorted(members, key=lambda request: request.node.digest)
        width = lanes or default_lanes(members[0].node, backend)
        # Cohorts are whole numbers of lanes, so that no more than the last block is padded.
        step = max(1, LARGEST // width) * width
        cohorts += [form(members[i : i + step], width, prepared) for i in range(0, len(members), step)]
    return cohorts


def form(members: Sequence[Request], lanes: int, prepared: Preparations | None = None) -> Cohort:
    """A cohort of runs of one signature."""
    first = members[0]
    parts = [*(r.node.digest for r in members), *(p.digest for p in first.probes), *map(str, first.readings)]
    name = hashlib.sha256(":".join([*parts, str(lanes)]).encode()).hexdigest()[:16]
    steps = total_steps(first.node)[0]  # pyright: ignore[reportArgumentType]
    return Cohort(name, tuple(members), first.readings, lanes, steps, prepared or Preparations())


def default_lanes(run: Any, backend: str) -> int:
    """Lanes by the table, for the cost of one of the run's steps."""
    layout = layout_of_run(run)
    convolutional = any(leaf.kind == "kernel" and len(leaf.shape) > 2 for leaf in layout)
    return lanes_for(Cost(layout.size, run.recipe.batch, convolutional), backend)


def _signature(request: Request, shapes: Mapping[Output, Any], prepared: Preparations, seen: set[int]) -> Any:
    run = request.node
    assert isinstance(run, Run)
    outputs, steps = outputs_in(run), prepared.known.steps(run)
    # The probes' own numbers are common too: snapshots at other steps are read in another cohort.
    program = prepared.program(request, {o: shapes[o] for o in outputs}, steps, seen)
    shared = tuple([(o.of.digest, o.key) for o in outputs if o.shared])
    own = () if shared else prepared.common_values(run, steps)
    return program, shared, own, request.readings, steps


def reading_plan(request: Request) -> list[tuple[int, tuple[bool, ...]]]:
    """All steps at which something happens, and what: which groups of probes read, then which edits act."""
    run = request.node
    assert isinstance(run, Run)
    total, per_epoch = total_steps(run)
    groups = probe_groups(request, total, per_epoch)
    at: list[set[int]] = [set(request.readings)]
    at += [set(request.probes[i].readings(total, per_epoch) or ()) for (i,) in groups[1:]]
    at += [set(edit.steps(total, per_epoch)) for edit in run.edits]
    steps = sorted({total, *(step for points in at for step in points)})
    return [(step, tuple(step in points for points in at)) for step in steps]


def edit_events(request: Request) -> dict[int, tuple[bool, ...]]:
    """The steps at which edits act, with what happens there but for readings."""
    run = request.node
    assert isinstance(run, Run)
    if not run.edits:
        return {}
    plan = reading_plan(request)
    unread = (False,) * (len(plan[0][1]) - len(run.edits))
    acting = {step: flags[len(unread) :] for step, flags in plan}
    return {step: unread + flags for step, flags in acting.items() if any(flags)}


def backend() -> str:
    """What JAX computes on."""
    return jax.default_backend()
