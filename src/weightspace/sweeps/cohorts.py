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

from weightspace.node import Output, outputs_in
from weightspace.run import Run
from weightspace.sweeps.requests import Request, total_steps
from weightspace.training.block import BlockKey
from weightspace.training.lanes import Cost, lanes_for
from weightspace.training.resolve import Resolved, resolve, resolve_probes
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
    """

    name: str
    requests: tuple[Request, ...]
    readings: tuple[int, ...]
    lanes: int
    steps: int

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


def group(
    requests: Iterable[Request], shapes: Mapping[Output, Any], lanes: int | None, backend: str
) -> list[Cohort]:
    """Cut the runs of a wave into cohorts.

    Args:
      requests: Runs and what is asked of them.
      shapes: For each output they take, arrays or shapes of it.
      lanes: Lanes to use, or None for the table's.
      backend: `cpu`, `gpu` or `tpu`.
    """
    groups: dict[Any, list[Request]] = {}
    for request in requests:
        groups.setdefault(_signature(request, shapes), []).append(request)
    cohorts = []
    for members in groups.values():
        members = sorted(members, key=lambda request: request.node.digest)
        width = lanes or default_lanes(members[0].node, backend)
        # Cohorts are whole numbers of lanes, so that no more than the last block is padded.
        step = max(1, LARGEST // width) * width
        cohorts += [form(members[i : i + step], width) for i in range(0, len(members), step)]
    return cohorts


def form(members: Sequence[Request], lanes: int) -> Cohort:
    """A cohort of runs of one signature."""
    first = members[0]
    parts = [*(r.node.digest for r in members), *(p.digest for p in first.probes), *map(str, first.readings)]
    name = hashlib.sha256(":".join([*parts, str(lanes)]).encode()).hexdigest()[:16]
    return Cohort(name, tuple(members), first.readings, lanes, total_steps(first.node)[0])  # pyright: ignore[reportArgumentType]


def default_lanes(run: Any, backend: str) -> int:
    """Lanes by the table, for the cost of one of the run's steps."""
    layout = layout_of_run(run)
    convolutional = any(leaf.kind == "kernel" and len(leaf.shape) > 2 for leaf in layout)
    return lanes_for(Cost(layout.size, run.recipe.batch, convolutional), backend)


def _signature(request: Request, shapes: Mapping[Output, Any]) -> Any:
    run = request.node
    assert isinstance(run, Run)
    outputs = outputs_in(run)
    resolved, probes, groups = prepare(request, {o: shapes[o] for o in outputs})
    key = BlockKey.of(resolved, probes, groups, run.precision, 1, 1)
    shared = tuple((o.of.digest, o.key) for o in outputs if o.shared)
    # The probes' own numbers are common too: snapshots at other steps are read in another cohort.
    numbers = (_bits(resolved), _bits(probes)) if not shared else (_bits(probes),)
    return key, shared, numbers, request.readings, total_steps(run)


def _bits(resolved: Resolved) -> tuple[bytes, ...]:
    return resolved.common_values()


def prepare(
    request: Request, arrays: Mapping[Output, Any]
) -> tuple[Resolved, Resolved, tuple[tuple[int, ...], ...]]:
    """A run and its probes as arrays, and which probes are read together."""
    run = request.node
    assert isinstance(run, Run)
    total, per_epoch = total_steps(run)
    resolved = resolve(run, arrays, total, per_epoch)
    probes = resolve_probes(request.probes, total, per_epoch, run.precision.storage)
    return resolved, probes, probe_groups(request, total, per_epoch)


def probe_groups(request: Request, total: int, per_epoch: int) -> tuple[tuple[int, ...], ...]:
    """Indices of the probes that are read together: first those of the readings, then each other.

    A probe whose own points are the readings is one of the first: what it measures there is shared.
    """
    own = [probe.readings(total, per_epoch) for probe in request.probes]
    watched = tuple(i for i, points in enumerate(own) if points in (None, request.readings))
    return (watched, *((i,) for i in range(len(own)) if i not in watched))


def reading_plan(request: Request) -> list[tuple[int, tuple[bool, ...]]]:
    """All steps at which something is read, and which groups of probes."""
    run = request.node
    assert isinstance(run, Run)
    total, per_epoch = total_steps(run)
    groups = probe_groups(request, total, per_epoch)
    at: list[set[int]] = [set(request.readings)]
    at += [set(request.probes[i].readings(total, per_epoch) or ()) for (i,) in groups[1:]]
    steps = sorted({total, *(step for points in at for step in points)})
    return [(step, tuple(step in points for points in at)) for step in steps]


def backend() -> str:
    """What JAX computes on."""
    return jax.default_backend()
