"""What each probe costs, in per cent of a training that is only evaluated: the complexity task at full size.

    python -m benchmarks.probe_costs --out benchmarks/results/probes.json

Forty runs of `mlp` on products of cosines, batch 1, read once an epoch (100 steps). All variants advance in
turn (A B A B), and ratios are of medians. Compilation is apart. With --torch the plain PyTorch loop a user
would write is timed in the same run, bare: it records nothing.
"""

import dataclasses
import json
import os
import time
from pathlib import Path

import tyro

from benchmarks.workloads import processor
from weightspace import platform

PAPER = ("evaluation", "trajectory", "bias-variance", "bias-distance", "lipschitz")
FURTHER = (
    "lipschitz-set",
    "steadiness",
    "singular-values",
    "activations",
    "path-length",
    "distance",
    "sharpness",
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    runs: int = 40
    """Runs at once."""
    epochs: int = 32
    """Epochs of a turn."""
    rounds: int = 5
    """Turns of each variant."""
    further: tuple[str, ...] = FURTHER
    """Probes to add one by one."""
    torch: bool = False
    """Time the PyTorch loop too."""


def main(options: Options) -> None:
    """Time all variants, print the table, write the file."""
    platform.use_cpu_devices()
    import jax
    import numpy as np

    variants = {"nothing": (), "evaluation": ("evaluation",), "the paper's six quantities": PAPER}
    variants |= {f"+ {name}": (*PAPER, name) for name in options.further}
    timers = {name: Readings(probes, options.runs) for name, probes in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    theirs: list[float] = []
    loop = _torch_loop() if options.torch else None
    for _ in range(options.rounds):
        for name, timer in timers.items():
            times[name].append(timer.advance(options.epochs) / (options.epochs * 100 * options.runs))
        if loop is not None:
            began = time.perf_counter()
            loop(2000)
            theirs.append((time.perf_counter() - began) / 2000)
    each = {name: float(np.median(found)) * 1e6 for name, found in times.items()}
    base, six = each["evaluation"], each["the paper's six quantities"]
    rows = [
        {
            "recorded": name, "us_per_run_step": micro, "spread": max(times[name]) / min(times[name]),
            "percent_of_evaluation": 100 * (micro / base - 1),
            "percent_of_six": 100 * (micro / six - 1) if name.startswith("+") else None,
            "compile_s": timers[name].block.compile_seconds,
        }
        for name, micro in each.items()
    ]  # fmt: skip
    for row in rows:
        print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()})
    summary = {
        "command": "python -m benchmarks.probe_costs" + (" --torch" if options.torch else ""),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {processor()}",
        "versions": {"jax": jax.__version__},
        "task": f"mlp on the product of cosines, batch 1, {options.runs} runs, read every 100 steps",
        "rows": rows,
    }
    if theirs:
        micro = float(np.median(theirs)) * 1e6
        summary |= {"torch_us_per_step": micro, "torch_spread": max(theirs) / min(theirs)}
        summary |= {"times_torch": {name: micro / ours for name, ours in each.items()}}
        print("torch", round(micro, 1), {name: round(micro / ours) for name, ours in each.items()})
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


class Readings:
    """Blocks of runs that are advanced epoch by epoch, each read at its end."""

    def __init__(self, probes: tuple[str, ...], runs: int):
        import jax

        from weightspace.data.cosine import CosineProduct
        from weightspace.data.task import Task
        from weightspace.models.zoo import make
        from weightspace.probes import make_probe
        from weightspace.recipes.base import Recipe
        from weightspace.recipes.losses import SquaredError
        from weightspace.recipes.optimisers import Sgd
        from weightspace.run import Run
        from weightspace.spaces.full import Full
        from weightspace.streams import Seeds
        from weightspace.sweeps.cohorts import backend, default_lanes, prepare
        from weightspace.sweeps.requests import Request
        from weightspace.training.block import BlockKey, block_for

        recipe, model = Recipe(Sgd(1e-3), "1000000000it", batch=1), make("mlp", (10,), 1)
        specs = [
            Run(model, Task(CosineProduct(0.25 * (1 + i % 4)), SquaredError(0.5)), Full(), recipe, Seeds(i))
            for i in range(runs)
        ]
        chosen = tuple(make_probe(name) for name in probes)
        prepared = [prepare(Request(run, chosen, (0,)), {}) for run in specs]
        lanes = default_lanes(specs[0], backend())
        devices = min(jax.local_device_count(), -(-runs // lanes))
        key = BlockKey.of(prepared[0][0], *prepared[0][1:], specs[0].precision, lanes, devices)
        self.block, self.feed, self.t = block_for(key), None, 0
        self.feed = self.block.feed(specs[0])
        self.parts = []
        for start in range(0, runs, key.size):
            members = [resolved for resolved, *_ in prepared[start : start + key.size]]
            members += [members[-1]] * (key.size - len(members))
            placed = self.block.put_runs(members, prepared[0][1])
            self.parts.append([placed, *self.block.start(placed, self.feed)])
        self.advance(1)

    def advance(self, epochs: int) -> float:
        """Advance all runs; gives the seconds."""
        import jax

        flags = [(True,) * len(self.block.key.groups)] * epochs
        began = time.perf_counter()
        for part in self.parts:
            placed, frame, carry = part
            part[2], _ = self.block.advance(placed, self.feed, frame, carry, self.t, [100] * epochs, flags)
            jax.block_until_ready(part[2])
        self.t += 100 * epochs
        return time.perf_counter() - began


def _torch_loop():
    from benchmarks.torch_loops import loop
    from weightspace.bench import Workload

    return loop(Workload("mlp", "benchmarks.tasks:cosine", 1, "sgd", 1e-3, loss="mse"), "cpu")


if __name__ == "__main__":
    main(tyro.cli(Options))
