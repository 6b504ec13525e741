"""Run-steps a second of one round of tickets, nine criteria × five seeds as one cohort, on MNIST's `fc`.

    python -m benchmarks.ticket_round --out benchmarks/results/ticket-round.json

Beside it one run alone, and a PyTorch loop with `torch.nn.utils.prune`, which trains one run after another.
All three alternate (A B C A B C) in one process; medians and their ratios are quoted, compilation apart. The
cohort uses all cores, a run alone one of them, PyTorch as many threads as it takes. MNIST is needed.
Masks keep 17 % of each kernel at random: which weights they keep changes nothing in the time.
"""

import dataclasses
import json
import os
import platform as machine
import time
from pathlib import Path

import numpy as np
import tyro

from weightspace import platform


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    criteria: int = 9
    """Arms of the round."""
    seeds: int = 5
    """Runs of each arm."""
    share: float = 0.17
    """Weights that masks keep."""
    rounds: int = 7
    """Alternations."""
    seconds: float = 3.0
    """Duration of a turn."""


def main(options: Options) -> None:
    """Time the three, print and write."""
    platform.use_cpu_devices()
    import jax
    import torch

    from benchmarks.torch_loops import loop, pruned
    from benchmarks.workloads import processor, rate
    from weightspace.bench import Timer, Workload
    from weightspace.models.base import layout_of
    from weightspace.spaces.masked import Masked
    from weightspace.tree import map_named

    workload = Workload("fc", "mnist", 60, "adam", 1.2e-3)
    dense = workload.run(0)
    weights, _ = dense.model.init(
        jax.random.key(0, impl="threefry2x32"), np.zeros((1, *dense.task.data.shape), "f")
    )

    kernels = layout_of(dense.model, tuple(dense.task.data.shape), "float32").paths("kernel")

    def run(number: int):
        draw = np.random.default_rng(number)
        kept = options.share

        def mask(path: str, w: jax.Array) -> np.ndarray:
            return draw.random(w.shape) < kept if path in kernels else np.ones(w.shape, bool)

        full = workload.run(number % options.seeds)
        return dataclasses.replace(full, space=Masked(map_named(mask, weights)))

    count = options.criteria * options.seeds
    timers = {"cohort": Timer(run, count), "alone": Timer(run, 1)}
    theirs = loop(workload, "cpu", change=lambda model: pruned(model, options.share))
    steps = {name: max(2, int(options.seconds / (timer.advance(4) / 4))) for name, timer in timers.items()}
    steps["torch"] = rate(theirs, options.seconds)
    taken: dict[str, list[float]] = {"cohort": [], "alone": [], "torch": []}
    for _ in range(options.rounds):
        for name, timer in timers.items():
            taken[name].append(timer.seconds_per_run_step(steps[name]))
        began = time.perf_counter()
        theirs(steps["torch"])
        taken["torch"].append((time.perf_counter() - began) / steps["torch"])
    medians = {name: float(np.median(values)) for name, values in taken.items()}
    summary = {
        "command": "python -m benchmarks.ticket_round",
        "options": {k: v for k, v in dataclasses.asdict(options).items() if k != "out"},
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {processor()}",
        "versions": {"jax": jax.__version__, "torch": torch.__version__, "python": machine.python_version()},
        "workload": f"{workload.name}, masks of {options.share:.0%}",
        "runs": count,
        "lanes": timers["cohort"].lanes,
        "devices": timers["cohort"].devices,
        "run_steps_per_second": {name: 1 / value for name, value in medians.items()},
        "spread": {name: max(values) / min(values) for name, values in taken.items()},
        "cohort_over_alone": medians["alone"] / medians["cohort"],
        "cohort_over_torch": medians["torch"] / medians["cohort"],
        "compile_s": timers["cohort"].block.compile_seconds,
    }
    text = json.dumps(summary, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
