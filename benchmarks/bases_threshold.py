"""d* on `fc`/digits in every random basis, beside that of dense Gaussian columns.

    python -m benchmarks.bases_threshold --out out/thresholds

Every seed has an initialisation, an order of the data and a basis of its own, the first two in common with
the other bases. d* is given with its 90 % bootstrap interval over seeds, for half of the seeds and for nine
tenths of them. The same folder again resumes. `--write` puts `bases-threshold.csv` into the stored results.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from benchmarks.summaries import RESULTS
from weightspace import platform
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.sweeps.ask import sweep
from weightspace.tables.thresholds import Swept, thresholds

GLOBAL = ("gaussian", "srht", "fastfood", "sparse", "sparse:disjoint=true")
"""Random bases of the whole vector of weights; `regenerated` and `orthonormal` span what `gaussian` spans."""
FAILURES = (0.5, 0.1)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to train."""

    out: Path
    """Folder of results."""
    bases: tuple[str, ...] = GLOBAL
    """Names of bases; gaussian must be one."""
    model: str = "fc"
    """Network, on digits."""
    dims: tuple[int, ...] = (32, 48, 64, 96, 128, 192)
    """Training dimensions."""
    seeds: int = 24
    """Bases of each dimension."""
    epochs: float = 12
    """Passes over the data."""
    levels: tuple[float, ...] = (0.5, 0.6, 0.7)
    """Accuracies to reach."""
    write: bool = False
    """Whether to write the stored summary."""


def compared(options: Options) -> pd.DataFrame:
    """d* of each basis, level and share of seeds, and whether it agrees with that of gaussian.

    `agrees` is whether the two intervals meet, `ratio` that of the two d*.
    """
    found = []
    for name in options.bases:
        question = FreedomRandom(
            model=options.model, data="digits", basis=name, dims=options.dims, reference=False,
            seeds=(str(options.seeds),), epochs=options.epochs, levels=options.levels,
        )  # fmt: skip
        table = sweep(question, options.out)
        swept = Swept(("method",), ("method", "full"))
        for failure in FAILURES:
            lines = thresholds(table, {"test_accuracy": options.levels}, failure, swept)
            found.append(lines.assign(basis=name, failure=failure))
    lines = pd.concat(found, ignore_index=True)
    keys, values = ["level", "failure"], ["d_star", "d_star_low", "d_star_high"]
    dense = lines.loc[lines["basis"] == "gaussian", [*keys, *values]]
    both = lines.merge(dense, on=keys, suffixes=("", "_gaussian"))
    meet = np.maximum(both["d_star_low"], both["d_star_low_gaussian"]) <= np.minimum(
        both["d_star_high"], both["d_star_high_gaussian"]
    )
    both = both.assign(ratio=both["d_star"] / both["d_star_gaussian"], agrees=meet)
    return both[["basis", *keys, *values, "n", "ratio", "agrees"]]


def main(options: Options) -> None:
    """Train, print, write the lines."""
    platform.start()
    found = compared(options)
    print(found.round(2).to_string(index=False))
    if options.write:
        found.round(4).to_csv(RESULTS / "bases-threshold.csv", index=False)


if __name__ == "__main__":
    main(tyro.cli(Options))
