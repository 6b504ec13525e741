"""Run-steps a second against the best of the ways in which a user of PyTorch would train the same.

    WEIGHTSPACE_DATA=… python -m benchmarks.against_torch --out benchmarks/results/against-torch-cpu.json

All sides train the same network on the same data with the same optimiser and batch. Each is a process that is
held to one core, as with one process a core, keeps its compiled programs, and advances them on request while
the others wait (A B A B): eager, channels last, `torch.compile`, and `torch.func.vmap` over as many networks
as we train at once. Seconds are the processor's, so that other work on the machine costs no side its turn,
only cache and clock. What is quoted is the ratio of medians to the best of PyTorch's ways. Compiling is
apart. `--cores 2` gives each side two, and `--device cuda` the card: seconds are then the clock's.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import tyro

from benchmarks.turns import Process
from benchmarks.workloads import against_peers, circumstances


@dataclasses.dataclass(frozen=True)
class Options:
    """What to compare."""

    rounds: int = 7
    """Turns of each."""
    seconds: float = 1.0
    """Duration of a turn, and no less than one step."""
    only: str = ""
    """Part of a workload's name, to time one."""
    ways: tuple[str, ...] = ()
    """PyTorch's ways; all that can train a network, if none is named."""
    runs: int | None = None
    """Runs at once, in place of each workload's own."""
    cores: int = 1
    """Of each side."""
    device: str = "cpu"
    """Where all compute: cpu or cuda."""
    out: Path | None = None
    """File for the numbers."""


PORTS = {"from_torch": "benchmarks.tasks:torch_fc", "from_nnx": "benchmarks.tasks:nnx_fc"}
"""`fc` as a module of PyTorch and as one of NNX."""


def clock(options: Options) -> str:
    """Which seconds are counted."""
    return "process_time" if options.cores == 1 and options.device == "cpu" else "perf_counter"


def ours(options: dict) -> None:
    """A worker of this package."""
    from weightspace import native, platform

    if options["device"] == "cpu":
        platform.use_cpu_devices(options["cores"])
    from weightspace.bench import Timer

    print(json.dumps(f"convolutions: {native.convolutions()}"), flush=True)

    def begin(workload, runs, _):
        timer = Timer(workload.run, runs)
        return timer.advance, runs, timer.block.compile_seconds

    answer(begin, options)


def theirs(options: dict) -> None:
    """A worker of PyTorch."""
    import torch

    torch.set_num_threads(options["cores"])
    from benchmarks.torch_loops import loop

    print(json.dumps(f"torch {torch.__version__}, {torch.get_num_threads()} threads"), flush=True)

    def begin(workload, runs, way):
        began = time.perf_counter()
        runs = runs if "ensemble" in way else 1
        advance = loop(workload, options["device"], way=way, runs=runs)
        advance(1)
        return advance, runs, time.perf_counter() - began

    answer(begin, options)


def answer(begin, options: dict) -> None:
    """Advance what is asked for: seconds a run-step for each line, or the seconds of a first call."""
    import dataclasses as fields

    now, made = getattr(time, options["clock"]), {}
    for line in sys.stdin:
        place, model, runs, way, steps = json.loads(line)
        key = (place, model, runs, way)
        if key not in made:
            made.clear()
            workload = list(against_peers())[place][0]
            made[key] = begin(fields.replace(workload, model=model or workload.model), runs, way)
        advance, count, compiled = made[key]
        began = now()
        advance(max(steps, 1))
        seconds = (now() - began) / max(steps, 1)
        print(json.dumps([seconds / count, seconds, compiled]), flush=True)


def worker(call: str, options: Options, **extra: str) -> Process:
    """A process that answers, held to its cores."""
    here = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join(
        [str(here / "src"), str(here), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    )
    told = {"cores": options.cores, "device": options.device, "clock": clock(options)}
    held = f"import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-{options.cores}:])"
    code = f"{held}; from benchmarks import against_torch as peers; peers.{call}({told!r})"
    return Process([sys.executable, "-c", code], os.environ | {"PYTHONPATH": paths} | extra, here)


def sides(options: Options) -> dict[str, tuple[Process, str, str]]:
    """Processes by name, with the network that they are asked for in place of the zoo's, and the way."""
    from weightspace import native

    found = {"weightspace": (worker("ours", options, WEIGHTSPACE_KERNELS="off"), "", "")}
    if native.convolutions():
        found["weightspace with kernels"] = (worker("ours", options), "", "")
    found |= {name: (worker("ours", options), port, "") for name, port in PORTS.items()}
    from benchmarks.torch_loops import WAYS

    found |= {way: (worker("theirs", options), "", way) for way in options.ways or WAYS}
    return found


def row(place: int, workload, runs: int, options: Options, every: dict) -> dict:
    """All sides in turn on one workload."""
    import numpy as np

    from benchmarks.torch_loops import ways

    can = ways(workload)
    kind, _, given = workload.model.partition(":")
    asked = {
        side: (process, [place, f"{model}:{given}".rstrip(":") if model else "", runs, way])
        for side, (process, model, way) in every.items()
        if (kind == "fc" or not model) and (way in can or not way)
        and (side != "weightspace with kernels" or "conv" in kind or "resnet" in kind)
    }  # fmt: skip
    steps, compiled = {}, {}
    for side, (process, question) in asked.items():
        compiled[side] = process.ask([*question, 1])[2]
        steps[side] = max(1, int(options.seconds / max(process.ask([*question, 3])[1], 1e-7)))
    times: dict[str, list[float]] = {side: [] for side in asked}
    for _ in range(options.rounds):
        for side, (process, question) in asked.items():
            times[side].append(process.ask([*question, steps[side]])[0])
    us = {side: float(np.median(found)) * 1e6 for side, found in times.items()}
    peers = [side for side in us if side in can]
    best = min(peers, key=us.__getitem__)
    return {
        "workload": workload.name, "runs": runs, "us_a_run_step": us,
        "quartiles_us": {
            side: [float(q) * 1e6 for q in np.percentile(t, [25, 75])] for side, t in times.items()
        },
        "compile_s": compiled, "best_of_torch": best,
        "best_of_torch_over": {side: us[best] / us[side] for side in us if side not in peers},
    }  # fmt: skip


def main(options: Options) -> None:
    """Time all workloads, print each, write the file."""
    every, rows = sides(options), []
    for place, (workload, runs) in enumerate(against_peers()):
        if options.only in workload.name:
            rows.append(row(place, workload, options.runs or runs, options, every))
            print(json.dumps(rows[-1]), flush=True)
            if options.out:
                summary = {
                    **circumstances("benchmarks.against_torch"),
                    "seconds": f"of {clock(options)}, {options.cores} core(s) a side",
                    "rounds": options.rounds,
                    "sides": {side: process.about for side, (process, _, _) in every.items()}, "rows": rows,
                }  # fmt: skip
                options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
