"""Spending runs where success sets in: which dimensions and seeds tell most of d*, given what is known."""

import dataclasses
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from weightspace.errors import InputError
from weightspace.experiments.freedom.panels import Panel
from weightspace.experiments.freedom.slices import Slices
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import extent, number
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.tables.logistic import fit
from weightspace.tables.threshold import matrix

SHARES = (0.2, 0.5, 0.95)
"""The success probabilities at whose dimensions runs are spent: about the middle, and beyond d* itself."""
PER_OCTAVE = 8
"""Dimensions told apart between d and 2 d: each is a program of its own, so that there must not be many."""


@dataclasses.dataclass(frozen=True)
class Spending:
    """How many runs are spent beyond those of the dimensions swept, and on which transition."""

    spend: int = extent(0, least=0)
    """Runs to spend where success sets in, for each arm; 0 asks for the dimensions swept alone."""
    target: float = number(0.9, above=0, most=1)
    """The test accuracy that counts as success there."""

    def check(self) -> None:
        """A target counts where runs are spent.

        Raises:
          InputError: For one that nothing would look at.
        """
        usual = type(self)().target
        if not self.spend and self.target != usual:
            raise InputError(
                f"target is {self.target}, but no runs are spent, so that it would change nothing; give "
                f"spend=<runs> too, or leave target at {usual}"
            )

    def ask(self, panels: Sequence[Panel]) -> Generator[list[Row], Frame, None]:
        """All dimensions, arms and seeds of each panel, and the full space; then what is spent, by rounds."""
        asked = ([*each.slices.references(), *each.slices.rows()] for each in panels)
        table = yield [row for each, rows in zip(panels, asked, strict=True) for row in each.labelled(rows)]
        left = self.spend
        round_of = max(len([*panels[0].slices.each_seed()]), 6)
        while left > 0:
            count = min(round_of, left)
            spent = (self._rows(each.slices, each.of(table), count) for each in panels)
            table = yield [
                row for each, rows in zip(panels, spent, strict=True) for row in each.labelled(rows)
            ]
            left -= round_of

    def _rows(self, slices: Slices, table: Frame, count: int) -> Iterator[Row]:
        """The next runs of every arm."""
        for labels, recipe, task in slices.arms():
            mine = table["method"] == "random"
            for label, value in labels.items():
                mine &= table[label] == value
            chosen = self.choices(table[mine], parse_seeds(slices.seeds), slices.size)
            for dim, seed in itertools.islice(chosen, count):
                run = slices.inside(dim, recipe, task, slices.seeded(seed))
                yield slices.row("random", dim, run, labels)

    def choices(self, rows: Frame, seeds: tuple[int, ...], size: int) -> Iterator[tuple[int, int]]:
        """Dimension and seed of the next runs of an arm, the most telling first; without end.

        A dimension is asked of the experiment's seeds in turn, then of new ones.

        Args:
          rows: What is known of the arm: `dim`, `seed`, `test_accuracy`; NaN counts as failure.
          seeds: Of the experiment.
          size: D.
        """
        known = {(int(d), int(s)) for d, s in zip(rows["dim"], rows["seed"], strict=True)}
        wanted = telling(rows, self.target, size)
        turn = 0
        while True:
            seed = seeds[turn] if turn < len(seeds) else max(seeds) + 1 + turn - len(seeds)
            for dim in wanted:
                if (dim, seed) not in known:
                    yield dim, seed
            turn += 1


def telling(rows: Frame, target: float, size: int) -> list[int]:
    """The dimensions where another run tells most of where success sets in.

    Those at which the fitted curve has the `SHARES`; twice the largest asked where no run succeeds, half the
    smallest where all do, and the middle of what was asked where success does not rise with d.

    Args:
      rows: What is known: `dim`, `seed`, `test_accuracy`.
      target: The accuracy that is success.
      size: D.
    """
    reached = (rows["test_accuracy"].astype(float) >= target).astype(float)
    dims, won = matrix(rows.assign(reached=reached), "reached")
    trials = np.isfinite(won).sum(axis=0).astype(float)
    curve = fit(dims, np.nansum(won, axis=0)[None], trials[None])
    if np.isfinite(curve.slope[0]):
        # A first curve may be far off: no further than twice beyond what was asked.
        places = [float(np.clip(curve.at(share)[0], dims[0] / 2, dims[-1] * 2)) for share in SHARES]
    elif not np.nansum(won):
        places = [dims[-1] * 2]
    elif np.nansum(won) == trials.sum():
        places = [dims[0] / 2]
    else:
        places = [math.sqrt(dims[0] * dims[-1])]
    return list(dict.fromkeys(_rounded(place, size) for place in places))


def _rounded(place: Any, size: int) -> int:
    """The nearest of few dimensions, evenly apart in their logarithm."""
    step = round(math.log2(max(float(place), 1.0)) * PER_OCTAVE)
    return min(max(round(2 ** (step / PER_OCTAVE)), 1), size)
