"""What a sweep would do and cost, before it is begun: runs, cohorts, programs, minutes, memory and disk.

What is stored already costs nothing. Shapes are exact, since programs are traced without computing. Minutes
are an estimate: XLA's count of a step's operations and bytes over round rates of the backend, and a flat
price for each compilation; evaluations and derived values are not in it.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from weightspace import native, platform, tree
from weightspace.errors import InputError, WeightspaceError, check_number
from weightspace.node import outputs_in
from weightspace.sweeps.cohorts import backend
from weightspace.sweeps.keep import keeps_network
from weightspace.sweeps.memory import device_bytes, run_bytes
from weightspace.sweeps.plan import Plan, plan
from weightspace.sweeps.question import Question, check_asked
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
      stored: Nodes that are needed and stored already; none of the above counts them.
      blocked: Nodes that cannot be had, since an ancestor diverged.
      networks: Runs to train of which a network is kept, whoever asks for it; part of `disk`.
      unkept: Bytes of those that are not, since together they are too many.
      seconds: Of each cohort, in the plan's order; a program's compilation is of the first that needs it.
    """

    runs: int
    derived: int
    cohorts: int
    programs: int
    run_steps: int
    minutes: float
    memory: int
    disk: int
    stored: int = 0
    blocked: int = 0
    networks: int = 0
    unkept: int = 0
    seconds: tuple[float, ...] = ()


def estimate(asked: Question | Plan, lanes: int | None = None) -> Estimate:
    """The cost of the first rows a question asks for, with all they depend on, but for what is stored.

    Args:
      asked: A plan, or a question, which is planned for an empty store.
      lanes: Runs a device works on at once, for a question; None takes the table's.

    Raises:
      InputError: If it asks for nothing, or for something that makes no sense.
      ProgramError: If a program cannot be built; a sweep records that run by run.
    """
    check_number("lanes", lanes, least=1)
    planned = asked if isinstance(asked, Plan) else plan(asked, None, lanes)
    check_asked(planned.question.name, planned.rows)
    with _building():
        return _estimate(planned)


@contextlib.contextmanager
def _building() -> Iterator[None]:
    try:
        yield
    except WeightspaceError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise ProgramError(f"a program cannot be built ({type(error).__name__}: {text})") from error


def _estimate(planned: Plan) -> Estimate:
    steps_of: dict[BlockKey, float] = {}
    programs: set[BlockKey] = set()
    seconds, memory, disk = [], 0, 0
    for cohort in planned.cohorts:
        first = cohort.requests[0]
        arrays = {output: planned.shapes[output] for output in outputs_in(first.node)}
        made, key = cohort.prepared(first, arrays), cohort.key(arrays)
        feed = block_for(key).feed(cohort.runs[0])
        each = run_bytes(key, made.run, feed)
        memory = max(memory, cohort.lanes * each)
        if key not in steps_of:
            steps_of[key] = _step_seconds(key, made.run, made.probes, feed, each)
        blocks = -(-len(cohort.requests) // (cohort.lanes * jax.local_device_count()))
        program = dataclasses.replace(key, devices=1)
        compiling = 0.0 if program in programs else RATES.get(backend(), RATES["gpu"])[3]
        programs.add(program)
        seconds.append(compiling + blocks * cohort.lanes * cohort.steps * steps_of[key])
        kept = tree.nbytes(planned.shapes.outputs(first))
        disk += len(cohort.requests) * (kept + 80 * len(cohort.readings))
    return Estimate(
        runs=len(planned.runs), derived=len(planned.derived), cohorts=len(planned.cohorts),
        programs=len(programs),
        run_steps=sum(len(cohort.requests) * cohort.steps for cohort in planned.cohorts),
        minutes=sum(seconds) / 60, memory=memory, disk=disk, seconds=tuple(seconds),
        stored=len(planned.needed) - len(planned.wanted), blocked=len(planned.blocked),
        networks=sum(keeps_network(run.probes) for run in planned.runs),
        unkept=0 if planned.kept.digests else planned.kept.bytes,
    )  # fmt: skip


def _step_seconds(key: BlockKey, run: Any, probes: Any, feed: Any, each: int) -> float:
    operations, moved, overhead, _ = RATES.get(backend(), RATES["gpu"])
    # XLA counts no operations of kernels that are not its own.
    with platform.arithmetic(key.dtype, key.matmul), native.suspended():
        program = Program(jax.tree.unflatten(key.probes, probes.leaves), key.groups)
        frame, carry = block_for(key).started(feed)

        def step(leaves: Any, frame: Any, carry: Any) -> Any:
            return program.step(rebuild_run(key, leaves), feed, frame, carry, jnp.int32(1))

        cost = jax.jit(step).lower(run.leaves, frame, carry).cost_analysis() or {}
    # Of the data set a step reads no more than its batch, but XLA counts the whole of it.
    traffic = cost.get("bytes accessed", 0) - tree.nbytes(feed) if each > CACHED else 0
    return max(cost.get("flops", 0) / operations, traffic / moved) + overhead


def print_estimate(cost: Estimate, console: Console) -> None:
    """The estimate as a small table."""
    table = Table(title="what would be done", show_header=False)
    lines = [
        ("runs", f"{cost.runs:,}" + (f" and {cost.derived:,} derived values" if cost.derived else "")),
        ("cohorts", f"{cost.cohorts:,}"),
        ("programs to compile", f"{cost.programs:,}"),
        ("run-steps", f"{cost.run_steps:,}"),
        ("estimated minutes", f"{cost.minutes:,.1f} on {jax.local_device_count()} {backend()} device(s)"),
        ("memory of a device", f"{cost.memory / 2**20:,.1f} MiB of {device_bytes(1) / 2**30:,.1f} GiB"),
        ("disk", f"{cost.disk / 2**20:,.1f} MiB before compression"),
    ]
    if cost.unkept:
        size = f"{cost.unkept / 2**20:,.0f} MiB"
        lines.append(("networks", f"of {cost.networks:,} runs; all final ones ({size}) by --keep final"))
    elif cost.runs:
        lines.append(("networks", f"of {cost.networks:,} runs are kept"))
    for name, value in (("stored already", f"{cost.stored:,}"), ("blocked", f"{cost.blocked:,}")):
        lines += [(name, f"{value} runs and derived values")] * (value != "0")
    for name, value in lines:
        table.add_row(name, value)
    console.print(table)


def confirm(planned: Plan, yes: bool, interactive: bool, console: Console) -> None:
    """On a CPU, ask before hours of work.

    Raises:
      InputError: If it is not wanted, or nobody can be asked.
    """
    if yes or backend() != "cpu":
        return
    try:
        found = estimate(planned)
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
