"""What planning costs against the number of runs: seconds and memory between a question and its first step.

    python -m benchmarks.planning --out benchmarks/results/planning-cpu.json

Each question is planned in a process of its own, which tells the seconds (of the clock and of the processor)
of making the runs, of the plan (identities, refusals, what a store lacks) and of the cohorts, and the peak of
its memory above what it had, libraries and data loaded. `seeds`: one spec with many seeds. `rates`: learning
rates times eight seeds. `freedom`: rows of `freedom.random`, sixteen d times many seeds, with the full space
for each seed. With `--before ../old` the same is asked of two checkouts in turn, with ratios of medians.
"""

import dataclasses
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tyro

from benchmarks.bases import peak_bytes

KINDS = ("seeds", "rates", "freedom")
PHASES = ("runs", "plan", "cohorts")


@dataclasses.dataclass(frozen=True)
class Options:
    """What to plan."""

    counts: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Runs of a question, about: whole numbers of learning rates and seeds are taken."""
    kinds: tuple[str, ...] = KINDS
    """Questions."""
    after: Path = Path()
    """A checkout of the project."""
    before: Path | None = None
    """Another one, asked in turn."""
    before_counts: tuple[int, ...] = (10_000,)
    """Of the counts those that the other one plans too."""
    rounds: int = 2
    """Turns of each."""
    note: str = ""
    """What else the machine did."""
    child: str = ""
    """A question and its runs, to plan in this very process."""
    out: Path | None = None
    """File for the numbers."""


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

    assert plan(question_of(kind, 34)).cohorts  # libraries and data are loaded
    before, times = peak_bytes(), [_now()]
    question = question_of(kind, count)
    times.append(_now())
    found = plan(question)
    times.append(_now())
    cohorts = found.cohorts
    times.append(_now())
    passed = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(times)]
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


def measured(tree: Path, kind: str, count: int) -> dict[str, Any]:
    """`planned` in a process that runs the package of a checkout."""
    here = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tree.resolve() / "src"), str(here)])
    command = [sys.executable, "-m", "benchmarks.planning", "--child", f"{kind} {count}"]
    environment = os.environ | {"PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=here, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows_of(options: Options) -> Iterator[dict[str, Any]]:
    """Each question and size, by turns of the checkouts; medians over the rounds."""
    trees = {"after": options.after} | ({"before": options.before} if options.before else {})
    for kind, count in itertools.product(options.kinds, options.counts):
        taken = {
            name: tree for name, tree in trees.items() if name == "after" or count in options.before_counts
        }
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in taken}
        for _ in range(options.rounds):
            for name, tree in taken.items():
                found[name].append(measured(tree, kind, count))
        row = {"kind": kind, **{key: found["after"][0][key] for key in ("runs", "cohorts")}}
        for name, each in found.items():
            row[name] = {what: _median([one[what] for one in each]) for what in ("seconds", "processor")}
            row[name]["bytes"] = statistics.median(one["bytes"] for one in each)
        if "before" in found:
            row["ratio"] = {
                what: sum(row["before"][what].values()) / sum(row["after"][what].values())
                for what in ("seconds", "processor")
            }
        yield row


def _median(given: list[dict[str, float]]) -> dict[str, float]:
    return {phase: statistics.median(one[phase] for one in given) for phase in PHASES}


def slopes(rows: list[dict[str, Any]]) -> dict[str, float]:
    """By kind, the slope of log seconds of the processor against log runs, from the least to the most."""
    found: dict[str, float] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = sorted(
            (row["runs"], sum(row["after"]["processor"].values())) for row in rows if row["kind"] == kind
        )
        (few, quick), (many, slow) = own[0], own[-1]
        if many > few:
            found[kind] = math.log(slow / quick) / math.log(many / few)
    return found


def main(options: Options) -> None:
    """Measure all, print each row, write the file."""
    if options.child:
        kind, count = options.child.split()
        print(json.dumps(planned(kind, int(count))))
        return
    from benchmarks.workloads import processor
    from weightspace.store.provenance import collect

    rows = []
    for row in rows_of(options):
        rows.append(row)
        own = row["after"]
        print(
            f"{row['kind']:8} {row['runs']:7,} runs: {sum(own['seconds'].values()):7.2f} s, of the processor "
            f"{sum(own['processor'].values()):6.2f} s, {own['bytes'] / 1e6:5.0f} MB {row.get('ratio', '')}",
            flush=True,
        )
    print("slopes", slopes(rows))
    if options.out:
        summary = {
            "command": " ".join(["python", "-m", "benchmarks.planning", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"), "hardware": f"{os.cpu_count()} cores, {processor()}",
            "note": options.note, "versions": collect([])["versions"], "slopes": slopes(rows), "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
