"""What is timed, and on what."""

import os
import platform as machine
import sys
import time
from pathlib import Path
from typing import Any

OF_IMAGES = {"mnist": "digits", "cifar10": "digits"}
"""What takes a data set's place where it is not at hand."""


def at_hand(name: str) -> str:
    """A data set, or what takes its place."""
    from weightspace.data import make_data
    from weightspace.errors import WeightspaceError

    try:
        make_data(name).shape  # noqa: B018
    except WeightspaceError:
        return OF_IMAGES[name]
    return name


def workloads(runs: tuple[int, ...]):
    """What is timed, and with how many runs at once."""
    from weightspace.bench import Workload

    images = at_hand("mnist")
    yield Workload("fc", images, 60, "adam", 1e-3), runs
    yield Workload("mlp", "benchmarks.tasks:cosine", 1, "sgd", 1e-3, loss="mse"), (*runs, 40)
    yield Workload("conv2", images, 128, "momentum", 0.05), (*runs, 8)
    yield Workload("conv2", images, 128, "adam", 0.05, dim=128), runs
    yield Workload("conv2", images, 128, "adam", 0.05, dim=1024), runs


def against_peers():
    """What PyTorch is asked for too, and with how many runs at once."""
    from weightspace.bench import Workload

    images, colours = at_hand("mnist"), at_hand("cifar10")
    yield Workload("fc", images, 60, "adam", 1e-3), 16
    yield Workload("fc:widths=64,64", images, 64, "adam", 1e-3), 16
    yield Workload("conv2", images, 128, "momentum", 0.05), 8
    yield Workload("conv2", images, 128, "adam", 0.05, dim=1024), 16
    yield Workload("mlp", "benchmarks.tasks:cosine", 1, "sgd", 1e-3, loss="mse"), 40
    if colours == "cifar10":
        yield Workload("lth_conv2", colours, 60, "adam", 1e-3), 2
        yield Workload("resnet20", colours, 128, "momentum", 0.05), 2


def rate(advance, seconds: float) -> int:
    """Steps of a loop in so many seconds."""
    advance(3)
    began = time.perf_counter()
    advance(10)
    return max(10, int(seconds / ((time.perf_counter() - began) / 10)))


def circumstances(command: str) -> dict[str, Any]:
    """What the file of a benchmark says first: command, date, machine and versions."""
    from weightspace.store.provenance import collect

    return {
        "command": " ".join(["python", "-m", command, *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {processor()}",
        "versions": collect([])["versions"],
    }


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return machine.processor() or "unknown"
