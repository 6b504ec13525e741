"""Time of a training step under two arms, in turn (A B A B): two versions of code, flags or Python.

    python -m benchmarks.in_turn --before ../old --after . --out benchmarks/results/health.json

Each arm is a process of its own that holds its compiled programs and advances them on request, so that both
see the same machine at the same time. What is quoted is the ratio of the medians, and the rounds' quartiles.
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

    before: Path = Path()
    """A checkout of the project."""
    after: Path = Path()
    """Another one, or the same."""
    before_flags: str = ""
    """XLA_FLAGS of the first arm."""
    after_flags: str = ""
    """XLA_FLAGS of the second arm."""
    before_python: str = sys.executable
    """Interpreter of the first arm, with its own packages."""
    after_python: str = sys.executable
    """Interpreter of the second arm."""
    rounds: int = 15
    """Turns of each."""
    seconds: float = 1.0
    """Duration of a turn."""
    only: str = ""
    """Part of a workload's name, to time one."""
    out: Path | None = None
    """File for the numbers."""


WORKER = """
import json, sys
from weightspace import platform
platform.use_cpu_devices()
from benchmarks.workloads import workloads
from weightspace.bench import Timer
timers = {}
for workload, counts in workloads((16,)):
    timers[workload.name] = (workload, max(c for c in counts if c in (8, 16, 40)))
import jax, platform as machine
print(json.dumps([list(timers), f"Python {machine.python_version()}, jax {jax.__version__}"]), flush=True)
made = {}
for line in sys.stdin:
    name, steps = json.loads(line)
    if name not in made:
        made.clear()
        made[name] = Timer(timers[name][0].run, timers[name][1])
    print(json.dumps([made[name].seconds_per_run_step(steps), made[name].runs]), flush=True)
"""


def arm(tree: Path, flags: str, python: str) -> Process:
    """A process with the workloads of this checkout's benchmarks, on the package's code of its own."""
    here = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tree.resolve() / "src"), str(here)])
    given = os.environ | {"PYTHONPATH": paths} | ({"XLA_FLAGS": flags} if flags else {})
    return Process([python, "-c", WORKER], given, here)


def compare(arms: dict[str, Process], name: str, options: Options) -> dict:
    """Both arms in turn on one workload."""
    import numpy as np

    for one in arms.values():
        one.ask([name, 2])
    seconds, runs = arms["before"].ask([name, 10])
    steps = max(2, int(options.seconds / (seconds * runs)))
    timed = in_turn(arms, [name, steps], options.rounds)
    before, after = (np.array(timed[arm])[:, 0] for arm in ("before", "after"))
    return {
        "workload": name, "runs": runs, "steps": steps,
        "before_us": float(np.median(before)) * 1e6, "after_us": float(np.median(after)) * 1e6,
        "ratio": float(np.median(after) / np.median(before)),
        "quartiles": [float(q) for q in np.percentile(after / before, [25, 75])],
    }  # fmt: skip


def main(options: Options) -> None:
    """Time all workloads, print the table, write the file."""
    arms = {
        "before": arm(options.before, options.before_flags, options.before_python),
        "after": arm(options.after, options.after_flags, options.after_python),
    }
    rows = []
    for name in arms["before"].about[0]:
        if options.only in name:
            rows.append(compare(arms, name, options))
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    if options.out:
        from benchmarks.workloads import processor
        from weightspace.store.provenance import collect

        summary = {
            "command": " ".join(["python", "-m", "benchmarks.in_turn", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"), "processor": processor(), "versions": collect([])["versions"],
            **{name: one.about[1] for name, one in arms.items()},
            "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
