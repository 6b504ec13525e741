"""Run-steps a second against the plain PyTorch loop a user would write: same work, in turn, in one run.

    python -m benchmarks.against_torch --out benchmarks/results/cpu.json

Both sides train the same network on the same data with the same optimiser and batch. They alternate (A B A B)
and the ratio of the medians is quoted, since the machine drifts. PyTorch trains one run after another, so its
time per run-step does not depend on how many there are. Compilation is timed apart. Set WEIGHTSPACE_DATA to a
folder with mnist; without it digits take its place.
"""

import dataclasses
import json
import os
import platform as machine
import time
from pathlib import Path

import tyro

from weightspace import platform


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    runs: tuple[int, ...] = (1, 4, 16, 64)
    """Runs at once."""
    rounds: int = 5
    """Alternations of both sides."""
    seconds: float = 1.5
    """Duration of a side's turn."""
    only: str = ""
    """Part of a workload's name, to time one."""
    device: str = "cpu"
    """Where PyTorch computes."""


def main(options: Options) -> None:
    """Time all workloads, print the table, write the file."""
    if options.device == "cpu":
        platform.use_cpu_devices()
    import jax
    import numpy as np
    import torch

    from benchmarks.torch_loops import loop
    from weightspace.bench import Timer, matmul_rate
    from weightspace.training.step import layout_of_run

    rows = []
    for workload, counts in workloads(options):
        if options.only not in workload.name:
            continue
        theirs = loop(workload, options.device)
        per_step = rate(theirs, options.seconds)
        weights = layout_of_run(workload.run(0)).size
        for count in counts:
            timer = Timer(workload.run, count)
            steps = max(2, int(options.seconds / max(timer.advance(4) / 4, 1e-7)))
            mine, other = [], []
            for _ in range(options.rounds):
                mine.append(timer.seconds_per_run_step(steps))
                began = time.perf_counter()
                theirs(per_step)
                other.append((time.perf_counter() - began) / per_step)
            ours, torch_s = float(np.median(mine)), float(np.median(other))
            row = {
                "workload": workload.name, "weights": weights, "runs": count, "lanes": timer.lanes,
                "devices": timer.devices, "ours_us": ours * 1e6, "ours_spread": max(mine) / min(mine),
                "torch_us": torch_s * 1e6, "torch_spread": max(other) / min(other), "ratio": torch_s / ours,
                "compile_s": timer.block.compile_seconds,
            }  # fmt: skip
            rows.append(row)
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
            del timer
    ceiling = matmul_rate()
    summary = {
        "command": "python -m benchmarks.against_torch",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {processor()}",
        "jax_devices": f"{jax.local_device_count()} × {jax.devices()[0].device_kind}",
        "versions": {"jax": jax.__version__, "torch": torch.__version__, "python": machine.python_version()},
        "torch_threads": torch.get_num_threads(),
        "precision": "float32, matmul highest",
        "matmul_2048_gflops": ceiling / 1e9,
        "rows": rows,
    }
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


def workloads(options: Options):
    """What is timed, and with how many runs at once."""
    from weightspace.bench import Workload
    from weightspace.data import make_data
    from weightspace.errors import WeightspaceError

    try:
        make_data("mnist").shape  # noqa: B018
        images = "mnist"
    except WeightspaceError:
        images = "digits"
    yield Workload("fc", images, 60, "adam", 1e-3), options.runs
    yield Workload("mlp", "benchmarks.tasks:cosine", 1, "sgd", 1e-3, loss="mse"), (*options.runs, 40)
    yield Workload("conv2", images, 128, "momentum", 0.05), (*options.runs, 8)
    yield Workload("conv2", images, 128, "adam", 0.05, dim=128), options.runs
    yield Workload("conv2", images, 128, "adam", 0.05, dim=1024), options.runs


def rate(advance, seconds: float) -> int:
    """Steps of a loop in so many seconds."""
    advance(3)
    began = time.perf_counter()
    advance(10)
    return max(10, int(seconds / ((time.perf_counter() - began) / 10)))


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return machine.processor() or "unknown"


if __name__ == "__main__":
    main(tyro.cli(Options))
