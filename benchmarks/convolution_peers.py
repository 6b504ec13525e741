"""Training steps of convolutional networks with and without the extra `weightspace-kernels`, and in PyTorch.

    python -m benchmarks.convolution_peers --out benchmarks/results/convolution-peers-cpu.json

Each side is a process of one thread, as with one process a core, that holds its compiled programs and
advances them on request, in turn (A B A B). PyTorch is eager, channels last, compiled, and compiled with
channels last. Seconds are the processor's, so that other work on the machine costs no side its turn, only
cache and clock. What is quoted is the ratio of medians to the best of PyTorch's.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import tyro

from benchmarks.turns import Process, in_turn


@dataclasses.dataclass(frozen=True)
class Options:
    """What to compare."""

    rounds: int = 9
    """Turns of each."""
    seconds: float = 1.0
    """Duration of a turn, and no less than one step."""
    only: str = ""
    """Part of a network's name, to time one."""
    ways: tuple[str, ...] = ("eager", "channels last", "compiled", "compiled, channels last")
    """PyTorch's ways."""
    out: Path | None = None
    """File for the numbers."""


WORKLOADS = {
    "fc": ("mnist", 60, "adam", 1e-3),
    "conv2": ("mnist", 128, "momentum", 0.05),
    "lth_conv2": ("cifar10", 60, "adam", 1e-3),
    "resnet20": ("cifar10", 128, "momentum", 0.05),
    "cresnet:depth=8,width=8": ("cifar10", 128, "momentum", 0.05),
}
"""Data, batch, optimiser, rate."""
TWINS = ("conv2", "lth_conv2", "resnet20")
"""What PyTorch has too."""


def ours() -> None:
    """A worker of this package."""
    from weightspace import native, platform

    platform.use_cpu_devices(1)
    from weightspace.bench import Timer, Workload

    print(json.dumps(native.convolutions()), flush=True)
    made = {}
    for line in sys.stdin:
        name, steps = json.loads(line)
        if name not in made:
            made.clear()
            data, batch, optimiser, rate = WORKLOADS[name]
            made[name] = Timer(Workload(name, data, batch, optimiser, rate).run, 1)
        began = time.process_time()
        made[name].advance(steps)
        print(json.dumps((time.process_time() - began) / steps), flush=True)


def theirs(way: str) -> None:
    """A worker of PyTorch."""
    import torch

    torch.set_num_threads(1)
    from benchmarks.convolution_torch import loop

    print(json.dumps(f"torch {torch.__version__}, {torch.get_num_threads()} threads"), flush=True)
    made = {}
    for line in sys.stdin:
        name, steps = json.loads(line)
        if name not in made:
            made.clear()
            made[name] = loop(name, *WORKLOADS[name], way=way)
            made[name](3)
        began = time.process_time()
        made[name](steps)
        print(json.dumps((time.process_time() - began) / steps), flush=True)


def worker(call: str, **extra: str) -> Process:
    """A process that answers."""
    here = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(here / "src"), str(here)])
    # The process is held to one core, for XLA has a thread for each that it sees.
    core = "import os; os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})"
    code = f"{core}; from benchmarks import convolution_peers as peers; peers.{call}"
    return Process([sys.executable, "-c", code], os.environ | {"PYTHONPATH": paths} | extra, here)


def main(options: Options) -> None:
    """Time all networks, print each, write the file."""
    import numpy as np

    sides = {"kernels": worker("ours()"), "xla": worker("ours()", WEIGHTSPACE_KERNELS="off")}
    peers = {way: worker(f"theirs({way!r})") for way in options.ways}
    rows = []
    for name, (data, batch, optimiser, _) in WORKLOADS.items():
        if options.only not in name:
            continue
        both = sides | (peers if name in TWINS else {})
        steps = {}
        for side, process in both.items():
            process.ask([name, 1])
            steps[side] = max(1, int(options.seconds / process.ask([name, 2])))
        times: dict[str, list[float]] = {side: [] for side in both}
        for _ in range(options.rounds):
            for side, process in both.items():
                times[side] += in_turn({side: process}, [name, steps[side]], 1)[side]
        ms = {side: float(np.median(found)) * 1e3 for side, found in times.items()}
        row = {
            "model": name, "data": data, "batch": batch, "optimiser": optimiser,
            "ms_a_step": ms,
            "quartiles_ms": {
                side: [float(q) * 1e3 for q in np.percentile(t, [25, 75])] for side, t in times.items()
            },
            "xla_over_kernels": ms["xla"] / ms["kernels"],
        }  # fmt: skip
        if name in TWINS and peers:
            best = min(peers, key=ms.__getitem__)
            row |= {"best_of_torch": best} | {f"torch_over_{s}": ms[best] / ms[s] for s in sides}
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        from benchmarks.against_torch import processor
        from weightspace.store.provenance import collect

        summary = {
            "command": " ".join(["python", "-m", "benchmarks.convolution_peers", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"), "hardware": f"{os.cpu_count()} cores, {processor()}",
            "versions": collect([])["versions"], "rounds": options.rounds,
            "sides": {side: process.about for side, process in (sides | peers).items()}, "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
