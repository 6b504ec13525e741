"""Predicted: threshold dimensions that a quadratic well gives, beside those that training measures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import groups, labels_in, once, single
from weightspace.theory.well import Well, closed_form, quadrature, self_consistent

CLOSED, CONSISTENT, MATCHED = "closed form", "self-consistent", "matched height"
WAYS = (CLOSED, CONSISTENT, MATCHED)
NEEDED = ("loss_start", "loss_end", "well_loss")
_MEASURES = ("eigenvalues", "counts", "nodes", "masses")


def predictions(at: Well, eps: float, height: float) -> dict[str, float]:
    """d* at a loss ε > 0 above the minimum, by each of `WAYS`.

    Args:
      at: The well.
      eps: Loss above the minimum.
      height: L(w_t) - L(w*), what the loss itself rises. `MATCHED` is the self-consistent equation in a well
        whose curvature is so scaled that it rises as much, which is to ask for ε · L₀ / height.
    """
    matched: Callable[[], float] = lambda: self_consistent(at, eps * at.loss / height)  # noqa: E731
    return {
        CLOSED: closed_form(at, eps),
        CONSISTENT: self_consistent(at, eps),
        MATCHED: matched() if height > 0 else np.nan,
    }


@dataclasses.dataclass(frozen=True)
class Predicted(Table):
    """d* of each level of the training loss as spectra predict it, beside the measured one.

    A prediction at a level ℓ is that of ε = ℓ - L(w*): the mean over the seeds whose w* lies below ℓ, from
    the least to the greatest.

    Attributes:
      levels: Of the training loss.
      arms: Labels of spectra that tell predictions apart; those that the measured lines have too, and the
        level, say which of them belong together.
      measured: Gives lines of `d_star` and its ends, as `Thresholds` does, of the training loss.
    """

    levels: tuple[float, ...]
    arms: tuple[str, ...]
    measured: Table

    def of(self, given: Given) -> Frame:
        """A line for each arm, level and way, and each measured arm of the same labels.

        The labels, `way`, `level`, `eps`, `d_predicted` with `_low` and `_high`, `n`, `reason`, `d_star` with
        its ends, and `ratio`, d_predicted over d_star.

        A prediction is NaN with a reason where no seed's w* lies below the level, or where w_t does not lie
        above w*; d_star and the ratio where d* lies outside the dimensions asked.
        """
        from pandas import DataFrame

        rows = finished(given.rows)
        rows = rows.dropna(subset=[NEEDED[-1]]) if set(NEEDED) <= set(rows) else rows.iloc[:0]
        arms = labels_in(rows, self.arms)
        lines = []
        for key, part in groups(single(once(rows, [*arms, "seed"]), [*arms, "seed"], "a prediction"), arms):
            wells = [(row, _well(given, row["run"])) for _, row in part.iterrows()]
            for level in self.levels:
                own = dict(zip(arms, key, strict=True)) | {"level": float(level)}
                lines += [own | line for line in _lines(wells, float(level))]
        found, measured = DataFrame(lines), given.of(self.measured)
        if found.empty:
            return found
        star = ["d_star", "d_star_low", "d_star_high", "censored"]
        on = [name for name in (*arms, "level") if name in measured]
        if measured.empty:
            return found.assign(**dict.fromkeys([*star[:-1], "ratio"], np.nan))
        labels = [name for name in measured if name in (*_BESIDE, *on)]
        both = found.merge(measured[[*labels, *star]], on=on, how="left").replace(np.inf, np.nan)
        # A threshold outside the dimensions asked is an end of a range, no number to compare with.
        outside = both["censored"].map(_OUTSIDE).fillna("")
        both.loc[outside != "", star[:-1]] = np.nan
        ratio = both["d_predicted"] / both["d_star"]
        reason = both["reason"].where(both["reason"] != "", outside)
        return both.drop(columns="censored").assign(ratio=ratio, reason=reason)


_OUTSIDE = {"below": "the smallest d asked reaches the level", "above": "no d asked reaches the level"}
_BESIDE = ("method", "optimiser", "lr")
"""Labels of measured lines that spectra have not."""


def _well(given: Given, run: str) -> Well:
    return quadrature(*(np.asarray(given.outputs(run, name)) for name in _MEASURES))


def _lines(wells: list[tuple[Any, Well]], level: float) -> list[dict[str, Any]]:
    below = [(row, at) for row, at in wells if row["loss_end"] < level]
    heights = [row["loss_start"] - row["loss_end"] for row, _ in below]
    each = [
        predictions(at, level - row["loss_end"], height)
        for (row, at), height in zip(below, heights, strict=True)
    ]
    eps = float(np.mean([level - row["loss_end"] for row, _ in below])) if below else np.nan
    lines = []
    for way in WAYS:
        values = [one[way] for one in each if np.isfinite(one[way])]
        ends = (float(np.mean(values)), min(values), max(values)) if values else (np.nan,) * 3
        named = dict(zip(("d_predicted", "d_predicted_low", "d_predicted_high"), ends, strict=True))
        lines.append({"way": way, "eps": eps} | named | {"n": len(values), "reason": _reason(each, values)})
    return lines


def _reason(each: list[dict[str, float]], values: list[float]) -> str:
    if values:
        return ""
    return "w_t does not lie above w*" if each else "no w* lies below the level"
