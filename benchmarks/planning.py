"""What planning costs against the number of runs: seconds and memory between a question and its first step.

    python -m benchmarks.planning --out benchmarks/results/planning-cpu.json

Each question is planned in a process of its own, which tells the seconds (of the clock and of the processor)
of making the runs, of the plan (identities, refusals, what a store lacks) and of the cohorts, and the peak of
its memory above what it had before the first run. `seeds`: one spec with many seeds. `rates`: learning rates
times eight seeds. `freedom`: rows of `freedom.random`, sixteen d times many seeds, with the full space for
each seed. With `--sources A B` the same is asked of two trees of source in turn, and ratios are told.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bases import peak_bytes

KINDS = ("seeds", "rates", "freedom")
PHASES = ("runs", "plan", "cohorts")
TARGET = {"seconds": 10.0, "bytes": 10**9}
"""Of 10⁵ runs of one program."""


def runs_of(kind: str, count: int) -> Iterator[Any]:
    """So many runs of one program that differ in a seed, or in a learning rate and a seed."""
    import weightspace as ws
    from weightspace.data import make_data
    from weightspace.models.zoo import make

    data = make_data("digits")
    task, model = ws.Task(data, ws.CrossEntropy()), make("fc:widths=16", data.shape, data.outputs)
    if kind == "seeds":
        recipe = ws.Recipe(ws.Momentum(0.1), "20it", batch=64)
        yield from (ws.Run(model, task, ws.Full(), recipe, ws.Seeds(seed)) for seed in range(count))
        return
    for rate in range(count // 8):
        recipe = ws.Recipe(ws.Momentum(0.1 / (1 + rate)), "20it", batch=64)
        yield from (ws.Run(model, task, ws.Full(), recipe, ws.Seeds(seed)) for seed in range(8))


def question_of(kind: str, count: int) -> Any:
    """What is planned."""
    from weightspace.experiments import experiment_class
    from weightspace.sweeps.question import as_question

    if kind != "freedom":
        return as_question(runs_of(kind, count))
    dims, seeds = tuple(range(4, 20)), count // 17
    return experiment_class("freedom.random")(
        model="fc:widths=16", data="digits", dims=dims, seeds=seeds, epochs=1.0
    )


def planned(kind: str, count: int) -> dict[str, Any]:
    """Seconds and bytes of one question in this process."""
    from weightspace.sweeps.plan import plan

    plan(question_of(kind, 34)).cohorts  # noqa: B018  # libraries and data are loaded
    before, times = peak_bytes(), [_now()]
    question = question_of(kind, count)
    times.append(_now())
    found = plan(question)
    times.append(_now())
    cohorts = found.cohorts
    times.append(_now())
    passed = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(times, times[1:], strict=False)]
    return {
        "kind": kind,
        "runs": len(found.runs),
        "cohorts": len(cohorts),
        "seconds": dict(zip(PHASES, (clock for clock, _ in passed), strict=True)),
        "processor": dict(zip(PHASES, (processor for _, processor in passed), strict=True)),
        "bytes": peak_bytes() - before,
    }


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measured(source: Path, kind: str, count: int) -> dict[str, Any]:
    """`planned` in a process that runs the code of a tree."""
    command = [sys.executable, "-m", "benchmarks.planning", "--one", kind, str(count)]
    environment = os.environ | {"PYTHONPATH": str(source), "JAX_PLATFORMS": "cpu"}
    home = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=home, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])
