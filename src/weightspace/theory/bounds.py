"""Bounds on the probability that a random d-dimensional subspace meets a set; NaN where they say nothing."""

import numpy as np


def gordon_hit(dims: np.ndarray, size: int, width: float) -> np.ndarray:
    """Upper bound on Pr[hit], Gordon (1988): 3.5·exp(−(k/√(k+1) − w)²/18), k = D − d.

    NaN (vacuous) where k/√(k+1) ≤ w or the bound is 1 or more. `width` is w of the set on the sphere.
    """
    k = size - np.asarray(dims, np.float64)
    room = k / np.sqrt(k + 1) - width
    bound = 3.5 * np.exp(-(room**2) / 18)
    return np.where((room > 0) & (bound < 1), bound, np.nan)


def conic(
    dims: np.ndarray, size: int, statistical: float, sharp: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(upper, lower) bounds on Pr[hit] of a convex cone, Amelunxen et al. (2014); NaN where vacuous.

    η = 4·exp(−(δ + d − D)²/(8n)); hit ≤ η below the threshold D − δ, hit ≥ 1 − η above it. n = D, or with
    `sharp` min(δ, D − δ) (the fact sheet's form; heuristic, from the variance of intrinsic volumes).
    """
    gap = statistical + np.asarray(dims, np.float64) - size
    n = min(statistical, size - statistical) if sharp else size
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = 4 * np.exp(-(gap**2) / (8 * n))
    said = eta < 1
    return np.where(said & (gap < 0), eta, np.nan), np.where(said & (gap > 0), 1 - eta, np.nan)
