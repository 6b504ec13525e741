"""Seconds and memory of `results`, `status`, `figures` on folders of many runs, and of what trains nothing.

    python -m benchmarks.folders --before ../old --out benchmarks/results/folders-cpu.json

A folder is written as a sweep of `freedom.random` leaves it, through the store's own writing: the question, a
row for each run in files of at most `sweeps.cohorts.LARGEST`, histories of twenty readings; only the numbers
are made up. Nothing is kept of networks, as by default where all of them would be large. Each command is a
process of its own: seconds, seconds of the processor and the largest resident memory, medians of a few turns.
With `--before`, a checkout of older code reads the same folder in turn.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro

LENGTH, READINGS = 300, 20
"""Epochs of a run, and its readings after the start."""
_SEEDS = re.compile(r'"seeds":\{[^{}]*\}')
FOLDER = (("results", ("--format", "csv", "--to", "results.csv")), ("status", ()), ("figures", ()))
PLAIN = (("list", "models"), ("run", "freedom.random", "--help"), ("--help",))


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    before: Path | None = None
    """A checkout of the code to compare with."""
    runs: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Sizes of folders."""
    dims: int = 19
    """Dimensions of each seed's runs, beside one in the full space."""
    rounds: int = 3
    """Turns of each command."""
    folder: Path | None = None
    """Where folders are made and stay, to be read again; none takes a temporary one."""
    longest: float = 240.0
    """Seconds after which a command is stopped; nothing more is known of it then."""
    once: float = 45.0
    """Seconds beyond which a command has one turn alone."""
    plain: bool = True
    """Time the commands without a folder too."""


def template(dims: int) -> tuple[Any, list[tuple[dict[str, Any], str]]]:
    """The experiment, and labels and canonical JSON of one seed's runs: those of the real question."""
    from weightspace.experiments.freedom.random_subspace import FreedomRandom
    from weightspace.spec import canonical_json

    chosen = tuple(sorted({round(4 * 1.35**k) for k in range(dims)}))
    every = f"{LENGTH // READINGS}ep"
    experiment = FreedomRandom(dims=chosen, seeds=("1",), epochs=float(LENGTH), eval_every=every)
    rows = [row for batch in experiment.ask() for row in batch]
    return experiment, [(dict(row.labels), canonical_json(row.node)) for row in rows]


def of_seed(text: str, seed: int) -> str:
    """The canonical JSON of a run with another seed."""
    own = json.loads(_SEEDS.search(text)[0].partition(":")[2])  # pyright: ignore[reportOptionalSubscript]
    seeds = {name: seed if isinstance(value, int) else value for name, value in own.items()} | {
        "version": own["version"]
    }
    return _SEEDS.sub(lambda _: '"seeds":' + json.dumps(seeds, sort_keys=True, separators=(",", ":")), text)


def write(folder: Path, runs: int, dims: int) -> int:
    """A folder of about so many runs; gives how many."""
    from weightspace.store.base import Store
    from weightspace.store.schema import digest_of
    from weightspace.sweeps.cohorts import LARGEST

    store, draw = Store(folder), np.random.default_rng(0)
    experiment, rows = template(dims)
    seeds = max(1, runs // len(rows))
    asked: list[tuple[dict[str, Any], str]] = []
    provenance = store.save_provenance({"made": "up"})
    for number, (labels, text) in enumerate(rows):
        texts = [of_seed(text, seed) for seed in range(seeds)]
        digests = [digest_of(each) for each in texts]
        asked += [({**labels, "seed": seed}, digest) for seed, digest in enumerate(digests)]
        for start in range(0, seeds, LARGEST):
            stop = min(start + LARGEST, seeds)
            made = _cohort(digests[start:stop], texts[start:stop], labels, provenance, draw)
            store.write_cohort(f"{number:04}-{start:08}", *made, {})
    fields = dataclasses.replace(
        experiment, slices=dataclasses.replace(experiment.slices, seeds=(str(seeds),))
    )
    store.ask(experiment.name, asked, fields.fields())
    return len(asked)


def _cohort(
    digests: list[str], texts: list[str], labels: dict[str, Any], provenance: str, draw: np.random.Generator
) -> tuple[list[Any], dict[str, Any]]:
    """Rows and histories of runs that get better with time and with more dimensions."""
    from weightspace.store.rows import RunRow

    steps = np.arange(READINGS + 1) * (LENGTH // READINGS) * 12
    time_ = steps / steps[-1]
    best = 0.97 - 0.6 * 8 / (8 + labels["dim"])
    shape = (len(digests), len(steps))
    test = np.clip(0.1 + (best - 0.1) * time_**0.3 + 0.04 * draw.normal(size=shape), 0, 1)
    metrics = {
        "test_accuracy": test,
        "train_accuracy": np.clip(test + 0.01, 0, 1),
        "test_loss": 2.4 * (1.02 - test),
        "train_loss": 2.3 * (1.02 - test),
    }
    probe = "f8cf67732bbd0efb3992720b79f7c512"
    probes = (probe, f"column test: {probe}", f"column train: {probe}", "metric *")
    last = {name: each[:, -1].tolist() for name, each in metrics.items()}
    readings = tuple(map(int, steps))
    rows = []
    for row, (digest, text) in enumerate(zip(digests, texts, strict=True)):
        scalars = {name: each[row] for name, each in last.items()}
        rows.append(RunRow(digest, text, "ok", 0.5, readings[-1], scalars, (), readings, probes, provenance))
    history = {"digest": np.repeat(digests, len(steps)).tolist(), "step": np.tile(steps, len(digests))}
    return rows, history | {name: each.ravel() for name, each in metrics.items()}


def timed(code: Path, command: tuple[str, ...], folder: Path, longest: float) -> dict[str, float] | None:
    """Seconds, processor seconds and largest memory (GB) of a command; None where it took too long.

    Raises:
      RuntimeError: If it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(code.resolve() / "src"), "JAX_PLATFORMS": "cpu"}
    words = [sys.executable, "-c", _MEASURE, str(longest), *command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"weightspace {' '.join(command)} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
words = [sys.executable, "-m", "weightspace", *sys.argv[2:]]
try:
    done = subprocess.run(words, stdout=subprocess.DEVNULL, timeout=float(sys.argv[1]))
except subprocess.TimeoutExpired:
    print("null")
    sys.exit(0)
wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "memory_gb": used.ru_maxrss * 1024 / 1e9}
print(json.dumps(found))
sys.exit(done.returncode)
"""


def in_turn(
    codes: dict[str, Path], command: tuple[str, ...], folder: Path, options: Options
) -> dict[str, dict[str, float] | None]:
    """The medians of a command's turns, for each version of the code."""
    taken: dict[str, list[dict[str, float] | None]] = {name: [] for name in codes}
    for _ in range(options.rounds):
        for name, code in codes.items():
            if all(each is not None and each["wall_s"] < options.once for each in taken[name]):
                taken[name].append(timed(code, command, folder, options.longest))
    return {name: _medians(each) for name, each in taken.items()}


def _medians(taken: list[dict[str, float] | None]) -> dict[str, float] | None:
    there = [each for each in taken if each is not None]
    if len(there) < len(taken):
        return None
    return {key: round(median(each[key] for each in there), 4) for key in there[0]}


def measured(folder: Path, codes: dict[str, Path], options: Options) -> Iterator[dict[str, Any]]:
    """A line for each command, on folders of each size where it reads one."""
    for command in PLAIN if options.plain else ():
        yield {"command": " ".join(command), "runs": 0} | in_turn(codes, command, folder, options)
    for runs in options.runs:
        place, began = folder / f"runs-{runs}", time.perf_counter()
        if not (place / "weightspace.json").exists():
            count = write(place, runs, options.dims)
            print(f"{count:,} runs written in {time.perf_counter() - began:.1f} s", flush=True)
        for name, more in FOLDER:
            command = (name, place.name, *more)
            yield {"command": name, "runs": runs} | in_turn(codes, command, folder, options)


def main(options: Options) -> None:
    """Time, print and write."""
    from benchmarks.against_torch import processor
    from weightspace.store.provenance import collect

    codes = {"before": options.before} if options.before else {}
    codes["after"] = Path(__file__).parent.parent
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in measured(folder.resolve(), codes, options):
            print(json.dumps(row), flush=True)
            rows.append(row)
    if options.out:
        about = {
            "command": "python -m benchmarks.folders",
            "date": time.strftime("%Y-%m-%d"),
            "processor": processor(),
            "versions": collect([])["versions"],
            "load": round(os.getloadavg()[0], 1),
            "rounds": options.rounds,
        }
        options.out.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
