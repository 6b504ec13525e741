"""What training a line costs beside training one network, and beside training each of its ends.

    WEIGHTSPACE_DATA=… python -m benchmarks.line_cost --out benchmarks/results/line-cost-cpu.json

Steps of one run each, in turn (A B C A B C), one device: the network alone; lines (two vertices, a draw of α
a step, the penalty of cos² with β = 1), one draw for all modules and one for each; a simplex of three; two
draws a batch; and two networks at once. What is quoted is the ratio of the medians to one network's. A line's
networks are measured afterwards like any others: that is no part of a step.
"""

import dataclasses
import json
from pathlib import Path

import tyro

from benchmarks.workloads import at_hand, circumstances


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    model: str = "cresnet:depth=8,width=8"
    """Network of the zoo."""
    batch: int = 128
    """Examples of a step."""
    rounds: int = 15
    """Turns of each."""
    seconds: float = 1.0
    """Duration of a turn."""
    out: Path | None = None
    """File for the numbers."""


def timers(options: Options):
    """Name -> a timer of runs that are compiled."""
    from weightspace.bench import Timer, Workload
    from weightspace.spaces.simplex import Line, Simplex

    alone = Workload(options.model, at_hand("cifar10"), options.batch, "momentum", 0.05)

    def within(space, samples: int = 1):
        def run(seed: int):
            full = alone.run(seed)
            return dataclasses.replace(
                full, space=space, recipe=dataclasses.replace(full.recipe, samples=samples)
            )

        return run

    return {
        "network": Timer(alone.run, 1),
        "line": Timer(within(Line(beta=1.0)), 1),
        "layerwise line": Timer(within(Line(beta=1.0, layerwise=True)), 1),
        "simplex of three": Timer(within(Simplex(3, beta=1.0)), 1),
        "line, two draws a batch": Timer(within(Line(beta=1.0), 2), 1),
        "two networks at once": Timer(alone.run, 2, lanes=1),
    }


def main(options: Options) -> None:
    """Time all, print and write."""
    import numpy as np

    from weightspace import native, platform

    platform.use_cpu_devices(1)
    sides = timers(options)
    steps = {name: max(2, int(options.seconds / (t.advance(3) / 3))) for name, t in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, timer in sides.items():
            times[name].append(timer.advance(steps[name]) / steps[name])
    middle = {name: float(np.median(found)) for name, found in times.items()}
    summary = {
        **circumstances("benchmarks.line_cost"), "convolutions": native.convolutions() or "XLA",
        "rounds": options.rounds, "model": options.model, "data": at_hand("cifar10"), "batch": options.batch,
        "ms_a_step": {name: 1e3 * value for name, value in middle.items()},
        "quartiles_ms": {
            name: [1e3 * float(q) for q in np.percentile(found, [25, 75])] for name, found in times.items()
        },
        "over_one_network": {name: value / middle["network"] for name, value in middle.items()},
        "over_two_networks": {name: value / (2 * middle["network"]) for name, value in middle.items()},
        "compile_s": {name: timer.block.compile_seconds for name, timer in sides.items()},
    }  # fmt: skip
    text = json.dumps(summary, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
