"""Gauss quadratures of a symmetric operator by Lanczos' method with full reorthogonalisation, in float64.

From a start v the eigenpairs (θⱼ, yⱼ) of the tridiagonal T give Σⱼ ‖v‖² yⱼ₁² δ(θⱼ), which approaches
Σᵢ (vᵀuᵢ)² δ(λᵢ): from p = w* − w_t the measure that `self_consistent` needs, and averaged over Gaussian v
(whose mean ‖v‖² is D) the spectrum's own (stochastic Lanczos quadrature). It stops at the residual: once the
vectors span all that the start reaches, further ones would be rounding and their values outside the spectrum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from weightspace.errors import InputError
from weightspace.theory.well import Well, quadrature

Product = Callable[[np.ndarray], np.ndarray]
ROUNDING = {"float32": 1e-5, "float64": 1e-10}
"""Residual, as a share of H's scale, that is taken for nothing where products are made in such numbers."""
_NEGATIVE = 100
"""Roundings below 0 beyond which an eigenvalue is no rounding of 0."""


@dataclass(frozen=True)
class Krylov:
    """What Lanczos' method leaves.

    Attributes:
      basis: Orthonormal vectors as rows, shape (k, D).
      diagonal: Of the tridiagonal matrix, shape (k,).
      beside: Beside its diagonal, shape (k - 1,).
      left: Norm of what the last product left outside the basis; 0 where it left nothing.
    """

    basis: np.ndarray
    diagonal: np.ndarray
    beside: np.ndarray
    left: float

    @property
    def matrix(self) -> np.ndarray:
        """The tridiagonal matrix."""
        return np.diag(self.diagonal) + np.diag(self.beside, 1) + np.diag(self.beside, -1)


def krylov(
    product: Product,
    start: np.ndarray,
    steps: int,
    rounding: float,
    again: Callable[[], np.ndarray] | None = None,
) -> Krylov:
    """Lanczos' method with full reorthogonalisation, twice (which is enough: Parlett), in float64.

    Args:
      product: v -> H v, shape (D,).
      start: Not zero.
      steps: At least 1; no more are made than D.
      rounding: Residual, as a share of H's scale, taken for nothing.
      again: Gives a new direction to go on from where what the start reaches is used up; None stops there.

    Raises:
      InputError: If a start is zero, or it or a product is not finite.
    """
    rest = np.asarray(start, np.float64)
    norm = float(np.linalg.norm(rest))
    if not (norm > 0 and np.isfinite(norm)):
        raise InputError(f"a start of Lanczos is finite and not zero; its norm is {norm}")
    if steps < 1:
        raise InputError(f"iterations of Lanczos are at least 1, not {steps}")
    steps = min(steps, rest.size)
    basis, scale = np.zeros((steps, rest.size)), 0.0
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    for k in range(steps):
        basis[k] = _apart(rest, basis[:k])
        made = np.asarray(product(basis[k]), np.float64)
        if not np.isfinite(made).all():
            raise InputError(
                "a product of Lanczos is not finite: the weights or the data give NaN or infinity"
            )
        diagonal[k] = made @ basis[k]
        rest = made - diagonal[k] * basis[k]
        for _ in range(2):
            rest = rest - basis[: k + 1].T @ (basis[: k + 1] @ rest)
        length = float(np.linalg.norm(rest))
        scale = max(scale, abs(diagonal[k]) + length)
        if length > rounding * scale:
            beside[k] = length
        elif again is None:
            return Krylov(basis[: k + 1], diagonal[: k + 1], beside[:k], 0.0)
        else:
            rest = again()
    return Krylov(basis, diagonal, beside[:-1], float(beside[-1]))


def _apart(vector: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of unit norm and orthogonal to the others."""
    for _ in range(2):
        vector = vector - others.T @ (others @ vector)
        vector = vector / np.linalg.norm(vector)
    return vector


def nodes(
    product: Product, start: np.ndarray, iterations: int, rounding: float = ROUNDING["float64"]
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes θ and masses, Σ masses = ‖start‖², from at most `iterations` products, as of `krylov`."""
    made = krylov(product, start, iterations, rounding)
    values, vectors = np.linalg.eigh(made.matrix)
    return values, float(np.linalg.norm(np.asarray(start, np.float64))) ** 2 * vectors[0] ** 2


def predicted_well(
    product: Product,
    displacement: np.ndarray,
    iterations: int,
    draws: int = 4,
    seed: int = 0,
    rounding: float = ROUNDING["float64"],
) -> Well:
    """The well of a positive semidefinite H (Gauss–Newton); Ritz values within rounding of 0 are 0.

    Random measures are scaled to Σ counts = D.

    Raises:
      InputError: If a Ritz value is negative beyond rounding: H is a Hessian, or the arithmetic too coarse.
    """
    if draws < 1:
        raise InputError(f"random starts of Lanczos are at least 1, not {draws}")
    size, rng = displacement.size, np.random.default_rng(seed)
    made = [nodes(product, rng.standard_normal(size), iterations, rounding) for _ in range(draws)]
    values = np.concatenate([each for each, _ in made])
    counts = np.concatenate([mass * size / mass.sum() / draws for _, mass in made])
    own, masses = nodes(product, displacement, iterations, rounding)
    every = np.concatenate([values, own])
    top = float(np.abs(every).max())
    if every.min() < -_NEGATIVE * rounding * top:
        raise InputError(
            f"H has an eigenvalue of {every.min():.3g} beside one of {every.max():.3g}, more than rounding "
            "makes of 0: a well has none below 0; take products of the Gauss-Newton matrix, or float64"
        )
    values, own = (np.where(each <= rounding * top, 0.0, each) for each in (values, own))
    return quadrature(values, counts, own, masses)


def by_examples(products: Sequence[Product], sizes: Sequence[int]) -> Product:
    """V -> Σ_b n_b H_b v / Σ_b n_b of means over batches, so that a smaller last batch counts for less."""
    if len(products) != len(sizes) or not sizes or min(sizes) < 1:
        raise InputError(f"each of {len(products)} batches has a size of at least 1, not {list(sizes)}")
    share = np.asarray(sizes, np.float64) / sum(sizes)

    def product(v: np.ndarray) -> np.ndarray:
        made = np.zeros(v.shape)
        for each, part in zip(products, share, strict=True):
            made += part * np.asarray(each(v), np.float64)
        return made

    return product
