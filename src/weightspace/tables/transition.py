"""Transition: where success sets in, and within how many dimensions.

Conic geometry says that success goes from rare to certain within a number of dimensions of order √d*
(Amelunxen, Lotz, McCoy and Tropp, "Living on the edge", 2014): for a Gaussian of standard deviation √(2 d*),
the widest that the bound on intrinsic volumes allows, 1.28 · 2 · √2 = 3.6 √d* lie between one run in ten and
nine.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table
from weightspace.tables.groups import labels_in, single
from weightspace.tables.logistic import Logistic, fit
from weightspace.tables.threshold import drawn_times, matrix
from weightspace.tables.thresholds import Swept, counted, levels_for
from weightspace.tables.words import Vocabulary

WIDEST = 2 * 1.2815515655446004 * 2**0.5
"""How many √d* the transition takes at most, in the limit of many dimensions."""
_RESAMPLES = 400


@dataclasses.dataclass(frozen=True)
class Transitions(Table):
    """The fitted transition of every arm, metric and level.

    Attributes:
      metrics: What may be reached.
      arms: Labels that tell the arms apart.
      levels: What to reach, by metric; None takes fifty levels for each metric.
      failure: δ, the probability of failure that d* allows.
      reference: A label and the value of rows that are no part of it.
    """

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    levels: tuple[tuple[str, tuple[float, ...]], ...] | None = None
    failure: float = 0.1
    reference: tuple[str, Any] = ("method", "full")

    def of(self, given: Given) -> Frame:
        """The arms' labels, `metric`, `level`, then what `_ends` says, `n` and `runs`.

        `d_half`, where half of the runs succeed, `d_star_fit`, where 1 - δ do, and `width`, the dimensions
        between .1 and .9, each with the ends of its 90 % interval; `width_over_root`, the width over √d_half.
        NaN with a `reason` where runs do not determine it, or where it would lie beyond the dimensions asked:
        no estimate is extrapolated (ends of intervals may be). Intervals resample seeds.
        """
        from pandas import DataFrame

        rows, lines = given.rows, []
        there = given.metrics(self.metrics)
        levels = dict(self.levels) if self.levels is not None else levels_for(rows, there, given.words)
        for arm, part in Swept(self.arms, self.reference, words=given.words).groups(rows):
            for metric in (name for name in levels if name in there):
                runs = single(counted(part, metric, "dim"), ["seed", "dim"], "a transition")
                if runs.empty:
                    continue
                for level in levels[metric]:
                    found = _transition(runs, metric, float(level), self.failure, given.words)
                    labels = dict(zip(labels_in(rows, self.arms), arm, strict=True))
                    lines.append(labels | {"metric": metric, "level": float(level)} | found)
        return DataFrame(lines)


def _transition(rows: Frame, metric: str, level: float, failure: float, words: Vocabulary) -> dict[str, Any]:
    values = rows[metric].astype(float)
    reached = values >= level if words.rising(metric) else values <= level
    dims, won = matrix(rows.assign(reached=reached.fillna(False).astype(float)), "reached")
    seeds, runs = len(won), int(np.isfinite(won).sum())
    # Sums over resampled seeds are those over all seeds, each as often as it was drawn: whole numbers, exact.
    times = np.concatenate([np.ones((1, seeds)), drawn_times(seeds, _RESAMPLES).T.astype(float)])
    curves = fit(dims, times @ np.nan_to_num(won), times @ np.isfinite(won).astype(float))
    ends = _ends(curves, failure, (float(dims[0]), float(dims[-1])))
    reason = _reason(won, curves)
    if not reason and any(np.isnan(ends[name]) for name in ("d_half", "d_star_fit", "width")):
        reason = f"it goes beyond the dimensions asked, {dims[0]:g} to {dims[-1]:g}"
    return ends | {"n": seeds, "runs": runs, "reason": reason}


def _ends(curves: Logistic, failure: float, asked: tuple[float, float]) -> dict[str, float]:
    half, star, low, high = (curves.at(share) for share in (0.5, 1 - failure, 0.1, 0.9))
    within = {"d_half": (half,), "d_star_fit": (star,), "width": (low, high)}
    found: dict[str, float] = {}
    for name, each in (("d_half", half), ("d_star_fit", star), ("width", high - low)):
        there = all(asked[0] <= place[0] <= asked[1] for place in within[name])
        ends = _interval(each[1:]) if there else (np.nan, np.nan)
        found |= dict(
            zip((name, f"{name}_low", f"{name}_high"), (each[0] if there else np.nan, *ends), strict=True)
        )
    return found | {"width_over_root": found["width"] / found["d_half"] ** 0.5}


def _interval(each: Float[np.ndarray, " resample"]) -> tuple[float, float]:
    """The middle 90 %; NaN where more than one resample in ten determines nothing."""
    known = np.sort(each[np.isfinite(each)])
    if len(known) < 0.9 * len(each):
        return float("nan"), float("nan")
    return float(known[int(0.05 * (len(known) - 1))]), float(known[int(np.ceil(0.95 * (len(known) - 1)))])


def _reason(won: Float[np.ndarray, "seed d"], curves: Logistic) -> str:
    if np.isfinite(curves.slope[0]):
        return ""
    known: Bool[np.ndarray, "seed d"] = np.isfinite(won)
    if not won[known].any():
        return "no run reaches the level"
    if won[known].all():
        return "every run reaches the level"
    if known.any(axis=0).sum() < 2:
        return "one dimension alone was asked"
    return "success does not rise with the dimension"
