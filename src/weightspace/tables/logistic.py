"""Logistic: the success probability as a curve in log d, P(d) = σ(a + b ln d).

The curve gives what counts of successes at a few d cannot: where half of all runs succeed, how wide the
transition is, and where another run tells most. Maximum likelihood is infinite where all runs below some d
fail and all above succeed; with the prior of Jeffreys (Firth, "Bias reduction of maximum likelihood
estimates", 1993) it is finite, and its bias is of second order.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

_ROUNDS, _TOLERANCE, _STEP = 200, 1e-9, 2.0
NARROWEST = 50.0
"""The steepest slope told apart, in units of 1/ln d: a transition within about one part in eleven."""


@dataclasses.dataclass(frozen=True)
class Logistic:
    """Fitted curves, one a resample.

    Attributes:
      middle: ln d at which half of the runs succeed.
      slope: b; NaN where success does not rise with d, or where all runs, or none, succeed.
    """

    middle: Float[np.ndarray, " resample"]
    slope: Float[np.ndarray, " resample"]

    def at(self, probability: float) -> Float[np.ndarray, " resample"]:
        """The d at which runs succeed with a probability."""
        with np.errstate(over="ignore"):
            return np.exp(self.middle + math.log(probability / (1 - probability)) / self.slope)

    @property
    def width(self) -> Float[np.ndarray, " resample"]:
        """How many dimensions lie between success in one run of ten and in nine of ten."""
        return self.at(0.9) - self.at(0.1)


def fit(
    dims: Float[np.ndarray, " d"],
    successes: Float[np.ndarray, "resample d"],
    trials: Float[np.ndarray, "resample d"],
) -> Logistic:
    """The curves of Firth's estimate, by scoring; NaN where the counts do not determine one.

    Args:
      dims: d, positive.
      successes: How many runs succeed at each.
      trials: How many runs there are, 0 where none.
    """
    x = np.log(dims)
    centre, scale = x.mean(), max(float(x.std()), 1e-12)
    design = np.stack([np.ones_like(x), (x - centre) / scale], axis=1)
    beta = np.zeros((len(successes), 2))
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.exp(-np.clip(beta @ design.T, -500, 500)))
        weight = trials * share * (1 - share)
        information = np.einsum("rd,di,dj->rij", weight, design, design)
        inverse = _inverse(information)
        leverage = weight * np.einsum("di,rij,dj->rd", design, inverse, design)
        score = (successes - trials * share + leverage * (0.5 - share)) @ design
        # The prior adds up to as much curvature as the data have, where there are as few points as numbers:
        # whole steps would go to and fro for ever, two thirds converge at either end.
        step = np.einsum("rij,rj->ri", inverse, score) * (2 / 3)
        longest = np.abs(step).max(axis=1, keepdims=True)
        beta = beta + step * np.minimum(1.0, _STEP / np.maximum(longest, 1e-300))
        if not len(step) or longest.max() < _TOLERANCE:
            break
    there = trials.sum(axis=1)
    total = successes.sum(axis=1)
    known = (total > 0) & (total < there) & ((trials > 0).sum(axis=1) > 1) & (beta[:, 1] > 0)
    slope = np.where(known, np.minimum(beta[:, 1] / scale, NARROWEST), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(known, centre - scale * beta[:, 0] / beta[:, 1], np.nan)
    return Logistic(middle, slope)


def _inverse(matrices: Any) -> Any:
    """Of 2 × 2 matrices; a little is added where one is singular."""
    a, b, c = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    determinant = np.maximum(a * c - b * b, 1e-12)
    return np.stack([np.stack([c, -b], 1), np.stack([-b, a], 1)], 1) / determinant[:, None, None]
