"""Bounds on the probability that a random subspace meets a set; NaN with a reason where vacuous."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from weightspace.errors import InputError

SAYS, BEYOND, WEAK = "", "beyond the threshold", "weaker than certainty"


@dataclass(frozen=True)
class Bound:
    """A bound at each d.

    Attributes:
      values: NaN where it says nothing.
      reasons: Why not, shape as of values: `BEYOND` where d lies on the side of the threshold of which the
        bound does not speak, `WEAK` where it comes out as a probability that all have; else empty.
    """

    values: np.ndarray
    reasons: np.ndarray


def gordon_hit(dims: Any, size: int, width: float) -> Bound:
    """Upper bound on Pr[hit], Gordon (1988): 3.5·exp(−(k/√(k+1) − w)²/18), k = D − d.

    Args:
      dims: Each d, 0 to D.
      size: D.
      width: Gaussian width w of the set on the sphere, or more.
    """
    dims = _dims(dims, size)
    _within("the Gaussian width", width, np.sqrt(size), "√D")
    k = size - dims
    room = k / np.sqrt(k + 1) - width
    return _bound(3.5 * np.exp(-(room**2) / 18), room > 0)


def conic(dims: Any, size: int, statistical: float, sharp: bool = False) -> tuple[Bound, Bound]:
    """(upper, lower) bounds on Pr[hit] of a convex cone, Amelunxen et al. (2014).

    η = 4·exp(−(δ + d − D)²/(8n)); hit ≤ η below the threshold D − δ, hit ≥ 1 − η above it. n = D, or with
    `sharp` min(δ, D − δ) (the fact sheet's form; heuristic, from the variance of intrinsic volumes).

    Args:
      dims: Each d, 0 to D.
      size: D.
      statistical: Statistical dimension δ of the cone, 0 to D.
      sharp: Which n.
    """
    dims = _dims(dims, size)
    _within("the statistical dimension", statistical, size, "D")
    gap = statistical + dims - size
    n = max(min(statistical, size - statistical), np.finfo(float).tiny) if sharp else size
    eta = 4 * np.exp(-np.minimum(gap**2 / (8 * n), 700))
    above = _bound(eta, gap > 0)
    return _bound(eta, gap < 0), Bound(1 - above.values, above.reasons)


def _bound(values: np.ndarray, speaks: np.ndarray) -> Bound:
    reasons = np.where(speaks, np.where(values < 1, SAYS, WEAK), BEYOND)
    return Bound(np.where(reasons == SAYS, values, np.nan), reasons)


def _dims(dims: Any, size: int) -> np.ndarray:
    if size < 1:
        raise InputError(f"a bound is of D ≥ 1 dimensions, not {size}")
    dims = np.asarray(dims, np.float64)
    wrong = dims[~((dims >= 0) & (dims <= size))]
    if wrong.size:
        raise InputError(f"dims of a bound lie between 0 and D = {size}, not {wrong.flat[0]:g}")
    return dims


def _within(what: str, value: float, most: float, called: str) -> None:
    if not 0 <= value <= most * (1 + 1e-12):
        raise InputError(f"{what} lies between 0 and {called} = {most:g}, not {value}")
