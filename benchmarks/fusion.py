"""What it costs to compile without the fusion that jaxlib 0.10.2 gets wrong, on all benchmark rows.

    python -m benchmarks.fusion --out benchmarks/results/fusion-cpu.json

Each row has two processes of its own, one with the compiler's default and one without the fusion. They
compile, then take turns (A B A B) on the same steps while the other waits; the ratio of the medians is given,
and both spreads. `forward` is a batch of a thousand examples through the network and its losses, `step` a
training step.
Set WEIGHTSPACE_DATA to a folder with mnist and cifar10; without it digits take their place.
"""

import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import tyro

from benchmarks import workloads as timed
from benchmarks.turns import Process, in_turn
from weightspace import compiler, platform

SIDES = ("with", "without")
FORWARD = 1_000


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    runs: tuple[int, ...] = (1, 16)
    """Runs at once."""
    rounds: int = 7
    """Alternations of both sides."""
    seconds: float = 1.0
    """Duration of a side's turn."""
    only: str = ""
    """Part of a row's name, to time some."""


def workloads(runs: tuple[int, ...]):
    """The workloads, and a residual network, with how many runs at once."""
    from weightspace.bench import Workload
    from weightspace.data import make_data
    from weightspace.errors import WeightspaceError

    yield from timed.workloads(runs)
    try:
        make_data("cifar10").shape  # noqa: B018
        images = "cifar10"
    except WeightspaceError:
        images = "digits"
    yield Workload("resnet20:blocks=1", images, 64, "momentum", 0.1), runs[:1]


def rows(options: Options) -> list[tuple[str, int, int, str]]:
    """Name, place among the workloads, runs at once, and what is timed."""
    found = []
    for place, (workload, counts) in enumerate(workloads(options.runs)):
        found += [(workload.name, place, count, "step") for count in counts]
        found.append((workload.name, place, 1, "forward"))
    return [row for row in found if options.only in f"{row[0]} {row[3]}"]


def side(name: str, options: Options, place: int, count: int, what: str) -> Process:
    """A process that compiles one row one way, and repeats it when it is told to."""
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    told = json.dumps({"side": name, "runs": options.runs, "place": place, "count": count, "what": what})
    return Process([sys.executable, "-m", "benchmarks.fusion", "--only", f"child:{told}"], environment)


def child(told: dict[str, Any]) -> None:
    """One side of one row: says what it is, then answers each number of repetitions with seconds."""
    if told["side"] == "with":
        # The default of the compiler, in programs too.
        compiler.options = dict
    elif compiler.known_wrong():
        compiler.avoid_known_faults()
    else:
        # Versions without the fault have the same flag; here it is known to the compiler.
        os.environ["XLA_FLAGS"] = compiler.SETTING
        compiler.known_wrong = lambda: True
    platform.use_cpu_devices()
    import jax

    workload = list(workloads(tuple(told["runs"])))[told["place"]][0]
    repeat, compile_seconds = (
        _forward(workload) if told["what"] == "forward" else _step(workload, told["count"])
    )
    repeat(2)
    about = {"jax": jax.__version__, "devices": jax.local_device_count(), "compile_s": compile_seconds}
    print(json.dumps(about | {"wrong_rows": compiler.wrong_rows()}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        repeat(int(line))
        print((time.perf_counter() - began) / int(line), flush=True)


def _step(workload: Any, count: int):
    from weightspace.bench import Timer

    timer = Timer(workload.run, count)
    return timer.advance, timer.block.compile_seconds


def _forward(workload: Any):
    """The network and its losses on a batch, as evaluation has them."""
    import jax
    import jax.numpy as jnp

    run = workload.run(0)
    data = run.task.data
    arrays = data.arrays()
    key = jax.random.key(0, impl="threefry2x32")
    weights, state = run.model.init(key, jnp.zeros((1, *data.shape), jnp.float32))
    size = min(FORWARD, len(arrays.train.x))
    y = jnp.asarray(arrays.train.y[:size])
    x = data.decode(arrays, jnp.asarray(arrays.train.x[:size]), "float32")

    def measured(weights: Any, x: Any, y: Any) -> Any:
        outputs, _ = run.model.apply(weights, state, x, train=False, key=key)
        return {name: jnp.mean(values) for name, values in run.task.measure(outputs, y).items()}

    began = time.perf_counter()
    program = compiler.jit(measured)
    with platform.arithmetic("float32", "highest"):
        jax.block_until_ready(program(weights, x, y))
    seconds = time.perf_counter() - began

    def repeat(times: int) -> None:
        with platform.arithmetic("float32", "highest"):
            for _ in range(times):
                jax.block_until_ready(program(weights, x, y))

    return repeat, seconds


def main(options: Options) -> None:
    """Time all rows, print each, write the file."""
    found = []
    about: dict[str, Any] = {}
    for name, place, count, what in rows(options):
        sides = {arm: side(arm, options, place, count, what) for arm in SIDES}
        first = max(one.ask(2) for one in sides.values())
        repeats = max(2, int(options.seconds / max(first, 1e-7)))
        timed = in_turn(sides, repeats, options.rounds)
        medians = {arm: statistics.median(times) / count for arm, times in timed.items()}
        row = {"workload": name, "what": what, "runs": count}
        row |= {f"{arm}_us": 1e6 * medians[arm] for arm in SIDES}
        row |= {f"{arm}_spread": max(times) / min(times) for arm, times in timed.items()}
        row |= {f"{arm}_compile_s": one.about["compile_s"] for arm, one in sides.items()}
        row["without_over_with"] = medians["without"] / medians["with"]
        about = {f"wrong_rows_{arm}": one.about["wrong_rows"] for arm, one in sides.items()} | {
            key: sides["with"].about[key] for key in ("jax", "devices")
        }
        for one in sides.values():
            one.end()
        found.append(row)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    ratios = [row["without_over_with"] for row in found]
    summary = {
        "command": "python -m benchmarks.fusion",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {timed.processor()}",
        "precision": "float32, matmul highest",
        **about,
        "rounds": options.rounds,
        "geometric_mean_without_over_with": statistics.geometric_mean(ratios) if ratios else None,
        "largest_without_over_with": max(ratios, default=None),
        "rows": found,
    }
    print({key: value for key, value in summary.items() if key != "rows"})
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    given = tyro.cli(Options)
    if given.only.startswith("child:"):
        child(json.loads(given.only.removeprefix("child:")))
    else:
        main(given)
