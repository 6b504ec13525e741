"""How cost grows: with runs at once, with weights D, with directions d, and what runs take of memory.

    python -m benchmarks.scaling --out benchmarks/results/scaling-cpu.json --figure docs/images/scaling.png

`fc` on MNIST (digits without it), batch 60, Adam. Each series is timed in rounds over all its sizes (A B C A
B C), so that the machine's drift is shared; the slope is that of log cost against log size over the upper
half of the sizes, by least squares. Memory is XLA's account of one program: temporaries and what it carries.
Planning is read from the file of `benchmarks.planning`.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tyro

from benchmarks.workloads import at_hand, circumstances

PLANNING = Path(__file__).with_name("results") / "planning-cpu.json"


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    runs: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Runs at once."""
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Widths of both hidden layers, for D."""
    dims: tuple[int, ...] = (8, 32, 128, 512, 2048)
    """d of a dense Gaussian subspace of `fc` (D = 266,610 on MNIST)."""
    rounds: int = 5
    """Times that all sizes are timed."""
    seconds: float = 0.5
    """Duration of a measurement."""
    together: int = 64
    """Runs of ResNet-20 at once, for memory; 0 leaves it out."""
    out: Path | None = None
    """File for the numbers."""
    figure: Path | None = None
    """File for the figure."""


def series(options: Options) -> dict:
    """Name -> what is on the axis, and for each size a workload and its runs at once."""
    from weightspace.bench import Workload
    from weightspace.training.step import layout_of_run

    fc = Workload("fc", at_hand("mnist"), 60, "adam", 1e-3)
    wide = [dataclasses.replace(fc, model=f"fc:widths={w},{w}") for w in options.widths]
    sizes = [layout_of_run(each.run(0)).size for each in wide]
    return {
        "runs": ("runs at once", options.runs, [(fc, runs) for runs in options.runs]),
        "weights": ("weights D", sizes, [(each, 8) for each in wide]),
        "directions": (
            "directions d", options.dims, [(dataclasses.replace(fc, dim=dim), 8) for dim in options.dims],
        ),
    }  # fmt: skip


def slope(sizes, costs) -> float:
    """Of log cost against log size, over the upper half."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(costs[half:]), 1)[0])


def timed(axis: str, sizes, cases, options: Options) -> dict:
    """One series: microseconds of a step of all runs, medians and quartiles."""
    from weightspace.bench import Timer

    timers = [Timer(workload.run, runs) for workload, runs in cases]
    steps = [max(2, int(options.seconds / max(timer.advance(4) / 4, 1e-7))) for timer in timers]
    found = np.array(
        [[t.advance(n) / n * 1e6 for t, n in zip(timers, steps, strict=True)] for _ in range(options.rounds)]
    )
    middle = np.median(found, 0)
    return {
        "axis": axis, "sizes": [int(s) for s in sizes], "runs": [runs for _, runs in cases],
        "us_a_step_of_all": middle.tolist(), "quartiles_us": np.percentile(found, [25, 75], 0).T.tolist(),
        "slope": slope(sizes, middle), "compile_s": [timer.block.compile_seconds for timer in timers],
    }  # fmt: skip


def memory(count: int) -> dict:
    """Bytes of one program with one lane and with many, on one device."""
    import jax

    from weightspace.bench import Timer, Workload

    workload = Workload("resnet20", at_hand("cifar10"), 128, "momentum", 0.05)

    def of(runs: int) -> dict[str, int]:
        timer = Timer(workload.run, runs, lanes=runs)
        carried = sum(
            leaf.nbytes for _, frame, carry in timer.parts for leaf in jax.tree.leaves((frame, carry))
        )
        return {"temporaries": timer.block.memory() or 0, "carried": carried}

    alone, together = of(1), of(count)
    return {
        "workload": workload.name, "runs": count, "alone": alone, "together": together,
        "together_over_runs_times_alone": sum(together.values()) / (count * sum(alone.values())),
    }  # fmt: skip


def draw(summary: dict, path: Path) -> None:
    """A panel a series, and one of planning, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    panels = [(each["axis"], "µs a step of all", {f"slope {each['slope']:.2f}": (each["sizes"], costs)})
              for each in summary["series"].values() for costs in [each["us_a_step_of_all"]]]  # fmt: skip
    if planning := summary.get("planning", {}):
        lines = {f"{name}, slope {each['slope']:.2f}": (each["sizes"], each["seconds"])
                 for name, each in planning.items()}  # fmt: skip
        panels.append(("runs planned", "seconds of the processor", lines))
    fig, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 2.8), layout="constrained")
    for ax, (axis, unit, lines) in zip(np.atleast_1d(axes), panels, strict=True):
        for (label, (sizes, costs)), marker in zip(lines.items(), "osD", strict=False):
            ax.loglog(sizes, costs, marker=marker, label=label, markersize=4, linewidth=1.2)
        ax.set(xlabel=axis, ylabel=unit)
        ax.legend(frameon=False, fontsize=8)
        ax.grid(alpha=0.3, which="major")
    fig.savefig(path, dpi=110)


def main(options: Options) -> None:
    """Time all series, print each, write the files."""
    from weightspace import platform

    platform.use_cpu_devices()

    summary = {
        **circumstances("benchmarks.scaling"), "rounds": options.rounds, "series": {},
    }  # fmt: skip
    for name, (axis, sizes, cases) in series(options).items():
        summary["series"][name] = timed(axis, sizes, cases, options)
        print(json.dumps(summary["series"][name]), flush=True)
    if options.together:
        summary["memory"] = memory(options.together)
        print(json.dumps(summary["memory"]), flush=True)
    if PLANNING.exists():
        summary["planning"] = planned()
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")
    if options.figure:
        draw(summary, options.figure)


def planned() -> dict:
    """Seconds of the processor of planning against the number of runs, of the stored measurement."""
    stored = json.loads(PLANNING.read_text())
    found: dict[str, dict] = {}
    for row in stored["rows"]:
        one = found.setdefault(
            row["kind"], {"sizes": [], "seconds": [], "slope": stored["slopes"][row["kind"]]}
        )
        one["sizes"].append(row["runs"])
        one["seconds"].append(sum(row["after"]["processor"].values()))
    return found


if __name__ == "__main__":
    main(tyro.cli(Options))
