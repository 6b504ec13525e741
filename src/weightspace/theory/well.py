"""Threshold training dimension d* of a quadratic well L(w) = ½(w − w*)ᵀH(w − w*), by four methods.

With H's eigenvalues λᵢ ≥ 0, p = w* − w_t in H's eigenbasis, R = ‖p‖ and L₀ = ½Σ pᵢ²λᵢ. A loss ε ≥ L₀ needs no
dimension: d* = 0. A direction of λ = 0 costs none; at ε = 0 every other one does.
ε is loss above the minimum. All is NumPy in float64. The closed form and the self-consistent equation know
the spectrum by sums alone, so that `Well` takes quadratures too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from weightspace.errors import InputError

_HALVINGS = 200


@dataclass(frozen=True)
class Well:
    """Two measures: Σ countᵢ δ(λᵢ) of the spectrum, Σ massⱼ δ(μⱼ) of the displacement (mass = p²)."""

    eigenvalues: np.ndarray
    counts: np.ndarray
    nodes: np.ndarray
    masses: np.ndarray

    @property
    def loss(self) -> float:
        """L₀ = ½Σ massⱼ μⱼ."""
        return float(self.masses @ self.nodes / 2)

    @property
    def rank(self) -> float:
        """Dimensions of positive curvature."""
        return float(self.counts[self.eigenvalues > 0].sum())


def well(eigenvalues: Any, displacement: Any) -> Well:
    """From all λᵢ and the pᵢ beside them, of one length; a negative or undefined λ is an `InputError`."""
    values, p = (np.asarray(each, np.float64) for each in (eigenvalues, displacement))
    if values.ndim != 1 or values.shape != p.shape:
        raise InputError(
            f"eigenvalues and displacement are two vectors of one length, not {values.shape} and {p.shape}"
        )
    return quadrature(values, np.ones_like(values), values, p**2)


def quadrature(eigenvalues: Any, counts: Any, nodes: Any, masses: Any) -> Well:
    """From Lanczos quadratures: Σ counts = D, Σ masses = R²."""
    made = Well(*(np.asarray(each, np.float64) for each in (eigenvalues, counts, nodes, masses)))
    for name in ("eigenvalues", "counts", "nodes", "masses"):
        each = getattr(made, name)
        if not (np.isfinite(each).all() and (each >= 0).all()):
            wrong = each[~(np.isfinite(each) & (each >= 0))][0]
            raise InputError(
                f"{name} of a well are finite and at least 0, not {wrong}: "
                "take the Gauss-Newton matrix, or clip the Hessian's eigenvalues at 0"
            )
    return made


def closed_form(at: Well, eps: float) -> float:
    """d* ≈ Σ λᵢ/(λᵢ + 2ε/R²), Larsen et al.'s; at least the true one, as it drops a term of the width."""
    _check(eps)
    return 0.0 if eps >= at.loss else _dimension(at, 2 * eps / float(at.masses.sum()))


def self_consistent(at: Well, eps: float) -> float:
    """d* = Σ λᵢ/(λᵢ + κ), where κ solves ½Σ pᵢ²λᵢκ/(λᵢ + κ) = ε (deterministic equivalent)."""
    _check(eps)
    if eps >= at.loss:
        return 0.0
    return _dimension(at, _solve(lambda k: _remaining(at, k) >= eps, at)) if eps > 0 else at.rank


def lowest_loss(at: Well, dims: float) -> float:
    """L_min(d), the inverse of `self_consistent`: L₀ at d = 0, and 0 from the rank of H on."""
    if not dims >= 0:
        raise InputError(f"dims are at least 0, not {dims}")
    if dims == 0 or dims >= at.rank:
        return at.loss if dims == 0 else 0.0
    return _remaining(at, _solve(lambda k: _dimension(at, k) <= dims, at))


def drawn_losses(eigenvalues: Any, displacement: Any, draws: int = 40, seed: int = 0) -> np.ndarray:
    """L_min(A) in the first 0, 1, …, rank H columns of each Gaussian basis A, shape (draws, rank H + 1).

    L_min(A) = ½[pᵀHp − pᵀHA(AᵀHA)⁻¹AᵀHp]; bases are nested in d, so that the QR of H^½A gives all d at once.
    """
    at = well(eigenvalues, displacement)
    alive = at.eigenvalues > 0
    root = np.sqrt(at.eigenvalues[alive])
    target = root * np.asarray(displacement, np.float64)[alive]
    rng, lost = np.random.default_rng(seed), np.empty((draws, root.size + 1))
    for row in lost:
        basis = np.linalg.qr(root[:, None] * rng.standard_normal((root.size, root.size)))[0]
        gained = np.concatenate([[0.0], np.cumsum((basis.T @ target) ** 2)]) / 2
        row[:] = at.loss - gained
        row[-1] = 0.0  # all directions: the minimum itself, without the rounding of the sum
    return lost


def first_reached(losses: np.ndarray, eps: Any) -> np.ndarray:
    """First d whose loss is at most ε, shape (draws, number of ε), of `drawn_losses`; its median is d*."""
    levels = np.atleast_1d(np.asarray(eps, np.float64))
    for level in levels:
        _check(float(level))
    # At d = 0 the loss is L₀ itself; without curvature it is 0 there.
    return np.argmax(losses[:, None, :] <= levels[None, :, None], axis=2)


def monte_carlo(eigenvalues: Any, displacement: Any, eps: Any, draws: int = 40, seed: int = 0) -> np.ndarray:
    """First d of a Gaussian basis A with L_min(A) ≤ ε, shape (draws, number of ε); its median is d*."""
    return first_reached(drawn_losses(eigenvalues, displacement, draws, seed), eps)


def cone(eigenvalues: Any, displacement: Any, eps: float, draws: int = 40, seed: int = 0) -> float:
    """d* = D − δ(C), C = {u : uᵀQu ≥ 0, uᵀHp ≥ 0}, Q = Hp(Hp)ᵀ − 2(L₀ − ε)H; 0 < ε.

    In Q's eigenbasis, q₁ > 0 ≥ qᵢ, a Gaussian g's projection on C is u = (I − μQ)⁻¹g with uᵀQu = 0:
    μ < 1/q₁ where g₁ > 0, μ > 1/q₁ where g₁ < 0, and where Σ gᵢ²/qᵢ ≥ 0 too only what lies in Q's kernel.
    """
    at = well(eigenvalues, displacement)
    _check(eps)
    if eps >= at.loss:
        return 0.0
    if eps == 0:
        return at.rank
    h = at.eigenvalues * np.asarray(displacement, np.float64)
    q = np.linalg.eigvalsh(np.outer(h, h) - np.diag(2 * (at.loss - eps) * at.eigenvalues))[::-1]
    q = np.where(np.arange(q.size) > 0, np.minimum(q, 0), q)
    q[np.abs(q) <= 8 * np.finfo(float).eps * np.abs(q).max()] = 0
    g = np.random.default_rng(seed).standard_normal((draws, q.size))
    missed = sum(_missed(q, each) for each in g)
    # A share of ‖g‖² rather than a mean: the noise of ‖g‖² itself, √(2D), falls out.
    return q.size * float(missed / np.sum(g**2))


def _missed(q: np.ndarray, g: np.ndarray) -> float:
    """‖g − u‖² of one g: its mean is D − δ (Moreau)."""
    if g[0] >= 0 and q @ g**2 >= 0:
        return 0.0
    curved = q != 0
    if g[0] < 0 and np.sum(g[curved] ** 2 / q[curved]) >= 0:
        return float(g[curved] @ g[curved])
    # In s = q₁μ: (0, 1) rises to +∞ at 1, (1, ∞) falls from it.
    ratio, above = q / q[0], g[0] < 0
    low, high = 0.0, 1.0
    for _ in range(100):
        part = (low + high) / 2
        factor = 1 - ratio / part if above else 1 - part * ratio
        if np.sum(ratio * (g / factor) ** 2) >= 0:
            high = part
        else:
            low = part
    u = g / (1 - ratio / high) if above else g / (1 - high * ratio)
    return float((g - u) @ (g - u))


def _dimension(at: Well, shift: float) -> float:
    if shift == 0:
        return at.rank
    return float(at.counts @ (at.eigenvalues / (at.eigenvalues + shift)))


def _remaining(at: Well, shift: float) -> float:
    return float(at.masses @ (at.nodes * (shift / (at.nodes + shift)))) / 2


def _solve(enough: Any, at: Well) -> float:
    """The smallest shift, by halving its logarithm, at which a monotone condition holds."""
    top = max(at.nodes.max(), at.eigenvalues.max())
    low, high = np.log(top) - 200, np.log(top) + 200
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(float(np.exp(middle))) else (middle, high)
    return float(np.exp(high))


def _check(eps: float) -> None:
    if not eps >= 0:
        raise InputError(f"eps, a loss above the minimum, is at least 0, not {eps}")
