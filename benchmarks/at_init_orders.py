"""Masks on untrained weights after trainings in other orders: how much of an accuracy is the order's luck.

    python -m benchmarks.at_init_orders --out out/orders

The initial weights are those of the seeds 0 to 9; each draw gives every seed another order of the data and
another split. Writes `benchmarks/results/tickets-at-init-orders.csv`, a line a seed, draw and action.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from benchmarks.summaries import RESULTS
from weightspace import platform
from weightspace.experiments.tickets.at_init import TicketsAtInit
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep

APART = 1000
COLUMNS = ["seed", "draw", "kept", "test_accuracy_max", "density_at_max", "run"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What to train."""

    out: Path
    """Folder of results; the same one again resumes."""
    seeds: int = 10
    """Initialisations."""
    draws: int = 2
    """Orders and splits of each."""


@dataclasses.dataclass(frozen=True)
class OtherOrders(TicketsAtInit):
    """The experiment, at the paper's length, with other orders and splits."""

    criteria: tuple[str, ...] = ("large_final_same_sign",)
    draw: int = 1
    """Which order and split."""

    name = "benchmarks.at-init-orders"

    def numbered_seeds(self, **_: Any) -> Iterator[Seeds]:
        """The seeds with an order and a split of their own."""
        for seeds in super().numbered_seeds():
            other = APART * self.draw + seeds.base
            yield dataclasses.replace(seeds, order=other, split=other)


def main(options: Options) -> None:
    """Train, print means, write the lines."""
    platform.start()
    questions = [OtherOrders(seeds=(str(options.seeds),), draw=1 + i) for i in range(options.draws)]
    rows = [
        dataclasses.replace(row, labels=dict(row.labels) | {"draw": question.draw})
        for question in questions
        for row in next(question.ask())
    ]
    table = sweep(rows, options.out)
    found = table.loc[table["kept"].notna(), COLUMNS].sort_values(["kept", "draw", "seed"])
    found.to_csv(RESULTS / "tickets-at-init-orders.csv", index=False)
    means: pd.DataFrame = found.groupby(["kept", "draw"])["test_accuracy_max"].agg(["mean", "std", "count"])
    print(means)


if __name__ == "__main__":
    main(tyro.cli(Options))
