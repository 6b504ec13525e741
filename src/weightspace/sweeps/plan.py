"""What a sweep would do and cost, before it is begun: runs, cohorts, programs, minutes, memory and disk.

Shapes are exact, since `eval_shape` runs the program without computing. Minutes are an estimate: XLA's count
of a step's operations and bytes over round rates of the backend, and a flat price for each compilation;
evaluations are not in it.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from weightspace import platform, tree
from weightspace.errors import InputError, WeightspaceError, check_number
from weightspace.node import Node, Output, fill, outputs_in
from weightspace.run import Run
from weightspace.sweeps.ask import Question, check_asked
from weightspace.sweeps.cohorts import Cohort, backend, group, prepare
from weightspace.sweeps.memory import device_bytes, run_bytes
from weightspace.sweeps.requests import Request, check_run, missing
from weightspace.training.block import BlockKey, block_for, rebuild_run
from weightspace.training.program import Program

RATES = {  # operations a second, bytes a second, seconds of overhead a step, seconds a compilation
    "cpu": (7e10, 2.4e10, 2e-5, 6.0),
    "gpu": (1.0e13, 1.5e12, 6e-5, 15.0),
}
CACHED = 2**25
"""Bytes of a run that a processor's cache may hold: their traffic costs no more than the arithmetic."""
ASK_ABOVE_MINUTES = 60.0


class ProgramError(InputError):
    """A training program cannot be built, as where a user's model raises in training mode."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a sweep would cost.

    Attributes:
      runs: Trainings, those of parents included.
      derived: Other nodes.
      cohorts: Groups of runs that are worked through together.
      programs: Programs to compile.
      run_steps: Training steps of all runs together.
      minutes: Estimated time on this machine.
      memory: Bytes of the largest block on one device.
      disk: Bytes of outputs and histories, uncompressed.
    """

    runs: int
    derived: int
    cohorts: int
    programs: int
    run_steps: int
    minutes: float
    memory: int
    disk: int


def estimate(question: Question, lanes: int | None = None) -> Estimate:
    """The cost of the first rows an experiment asks for, with all they depend on, from an empty store.

    Raises:
      InputError: If it asks for nothing, or for something that makes no sense.
      ProgramError: If a program cannot be built; a sweep records that run by run.
    """
    check_number("lanes", lanes, least=1)
    rows = next(question.ask(), [])
    check_asked(question.name, rows)
    question.fields()  # raises where a setting cannot be recorded
    wanted = missing(rows, lambda _: False)
    runs = [request for request in wanted.values() if isinstance(request.node, Run)]
    for request in runs:
        check_run(request)
    with _building():
        return _estimate(wanted, runs, lanes)


@contextlib.contextmanager
def _building() -> Iterator[None]:
    try:
        yield
    except WeightspaceError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise ProgramError(f"a program cannot be built ({type(error).__name__}: {text})") from error


def _estimate(wanted: dict[str, Request], runs: list[Request], lanes: int | None) -> Estimate:
    shapes = _Blanks(wanted)
    cohorts = [cohort for wave in _waves(runs) for cohort in group(wave, shapes, lanes, backend())]
    keys = {cohort.name: _key(cohort, shapes) for cohort in cohorts}
    programs = {dataclasses.replace(key, devices=1) for key, *_ in keys.values()}
    seconds, memory, disk = 0.0, 0, 0
    for cohort in cohorts:
        key, resolved, probes = keys[cohort.name]
        feed = block_for(key).feed(cohort.runs[0])
        each = run_bytes(key, resolved, probes, feed)
        memory = max(memory, cohort.lanes * each)
        blocks = -(-len(cohort.requests) // (cohort.lanes * jax.local_device_count()))
        seconds += blocks * cohort.lanes * cohort.steps * _step_seconds(key, resolved, probes, feed, each)
        kept = sum(tree.nbytes(shapes.outputs(request)) for request in cohort.requests[:1])
        disk += len(cohort.requests) * (kept + 80 * len(cohort.readings))
    seconds += len(programs) * RATES.get(backend(), RATES["gpu"])[3]
    steps = sum(len(cohort.requests) * cohort.steps for cohort in cohorts)
    derived = len(wanted) - len(runs)
    return Estimate(len(runs), derived, len(cohorts), len(programs), steps, seconds / 60, memory, disk)


def _waves(runs: list[Request]) -> list[list[Request]]:
    """Runs by the number of trainings that must come before them."""
    depths: dict[str, int] = {}

    def depth(node: Node) -> int:
        if node.digest not in depths:
            before = (depth(output.of) for output in outputs_in(node))
            depths[node.digest] = isinstance(node, Run) + max(before, default=0)
        return depths[node.digest]

    waves: dict[int, list[Request]] = {}
    for request in runs:
        waves.setdefault(depth(request.node), []).append(request)
    return [waves[number] for number in sorted(waves)]


def _key(cohort: Cohort, shapes: "_Blanks") -> tuple[BlockKey, Any, Any]:
    first = cohort.requests[0]
    resolved, probes, groups = prepare(first, {o: shapes[o] for o in outputs_in(first.node)})
    return BlockKey.of(resolved, probes, groups, cohort.runs[0].precision, cohort.lanes, 1), resolved, probes


def _step_seconds(key: BlockKey, run: Any, probes: Any, feed: Any, each: int) -> float:
    operations, moved, overhead, _ = RATES.get(backend(), RATES["gpu"])
    with platform.arithmetic(key.dtype, key.matmul):
        program = Program(jax.tree.unflatten(key.probes, probes.leaves), key.groups)
        frame, carry = jax.eval_shape(
            lambda leaves: program.start(rebuild_run(key, leaves), feed), run.leaves
        )

        def step(leaves: Any, frame: Any, carry: Any) -> Any:
            return program.step(rebuild_run(key, leaves), feed, frame, carry, jnp.int32(1))

        cost = jax.jit(step).lower(run.leaves, frame, carry).cost_analysis() or {}
    # Of the data set a step reads no more than its batch, but XLA counts the whole of it.
    traffic = cost.get("bytes accessed", 0) - tree.nbytes(feed) if each > CACHED else 0
    return max(cost.get("flops", 0) / operations, traffic / moved) + overhead


class _Blanks(dict[Output, Any]):
    """For each output, zeros of its shape that take no memory; found without computing."""

    def __init__(self, requests: dict[str, Request]):
        super().__init__()
        self.requests = requests
        self.made: dict[str, dict[str, Any]] = {}

    def __missing__(self, output: Output) -> Any:
        if not isinstance(output.of, Run):
            filled = fill(output.of, {taken: self[taken] for taken in outputs_in(output.of)})
            self[output] = jax.tree.map(_blank, filled.blank().get(output.name, np.zeros(())))
            return self[output]
        self[output] = jax.tree.map(_blank, self.outputs(self.requests[output.of.digest])[output.key])
        return self[output]

    def outputs(self, request: Request) -> dict[str, Any]:
        """Shapes of all outputs of a run, by key."""
        digest = request.node.digest
        if digest not in self.made:
            pairs = zip(request.probes, self._finished(request), strict=True)
            self.made[digest] = {
                f"{p.key}.{name}": value for p, found in pairs for name, value in found.items()
            }
        return self.made[digest]

    def _finished(self, request: Request) -> Any:
        run = request.node
        assert isinstance(run, Run)
        resolved, probes, groups = prepare(request, {o: self[o] for o in outputs_in(run)})
        key = BlockKey.of(resolved, probes, groups, run.precision, 1, 1)
        feed = block_for(key).feed(run)
        with platform.arithmetic(key.dtype, key.matmul):
            program = Program(jax.tree.unflatten(key.probes, probes.leaves), groups)

            def through(leaves: Any) -> Any:
                run = rebuild_run(key, leaves)
                frame, carry = program.start(run, feed)
                return program.finish(run, feed, frame, carry, jnp.int32(0))[0]

            return jax.eval_shape(through, resolved.leaves)


def _blank(shape: Any) -> np.ndarray:
    return np.broadcast_to(np.zeros((), shape.dtype), shape.shape)


def print_estimate(cost: Estimate, console: Console) -> None:
    """The estimate as a small table."""
    table = Table(title="what would be done, from an empty folder", show_header=False)
    lines: Iterable[tuple[str, str]] = (
        ("runs", f"{cost.runs:,}" + (f" and {cost.derived:,} derived values" if cost.derived else "")),
        ("cohorts", f"{cost.cohorts:,}"),
        ("programs to compile", f"{cost.programs:,}"),
        ("run-steps", f"{cost.run_steps:,}"),
        ("estimated minutes", f"{cost.minutes:,.1f} on {jax.local_device_count()} {backend()} device(s)"),
        ("memory of a device", f"{cost.memory / 2**20:,.1f} MiB of {device_bytes(1) / 2**30:,.1f} GiB"),
        ("disk", f"{cost.disk / 2**20:,.1f} MiB before compression"),
    )
    for name, value in lines:
        table.add_row(name, value)
    console.print(table)


def confirm(cost: Callable[[], Estimate], yes: bool, interactive: bool, console: Console) -> None:
    """On a CPU, ask before hours of work.

    Raises:
      InputError: If it is not wanted, or nobody can be asked.
    """
    if yes or backend() != "cpu":
        return
    try:
        found = cost()
    except ProgramError:
        return  # the sweep records it run by run
    if found.minutes <= ASK_ABOVE_MINUTES:
        return
    print_estimate(found, console)
    hours = found.minutes / 60
    if not interactive:
        raise InputError(f"this would take about {hours:,.1f} hours on this CPU; give --yes to do it")
    if console.input(f"about {hours:,.1f} hours on this CPU; go on? [y/N] ").strip().lower() not in (
        "y",
        "yes",
    ):
        raise InputError("not begun; give --yes to go on without asking")
