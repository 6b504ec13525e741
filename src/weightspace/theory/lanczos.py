"""Gauss quadratures of a symmetric operator by Lanczos' method with full reorthogonalisation, in float64.

From a start v the eigenpairs (θⱼ, yⱼ) of the tridiagonal T give Σⱼ ‖v‖² yⱼ₁² δ(θⱼ), which approaches
Σᵢ (vᵀuᵢ)² δ(λᵢ): from p = w* − w_t the measure that `self_consistent` needs, and averaged over Gaussian v
(whose mean ‖v‖² is D) the spectrum's own (stochastic Lanczos quadrature). It stops at the residual: once the
vectors span all that the start reaches, further ones would be rounding and their values outside the spectrum.
"""

from collections.abc import Callable, Sequence

import numpy as np

from weightspace.errors import InputError
from weightspace.theory.well import Well, quadrature

Product = Callable[[np.ndarray], np.ndarray]


def nodes(
    product: Product, start: np.ndarray, iterations: int, rounding: float = 1e-10
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes θ and masses, Σ masses = ‖start‖², from at most `iterations` products.

    Args:
      product: v -> H v, shape (D,).
      start: Not zero.
      iterations: At least 1; no more are made than D.
      rounding: Residual, as a share of H's scale, taken for nothing; about 1e-5 for products in float32.
    """
    start = np.asarray(start, np.float64)
    norm = float(np.linalg.norm(start))
    if not (norm > 0 and np.isfinite(norm)):
        raise InputError(f"a start of Lanczos is finite and not zero; its norm is {norm}")
    if iterations < 1:
        raise InputError(f"iterations of Lanczos are at least 1, not {iterations}")
    basis, diagonal, beside, scale = [start / norm], [], [], 0.0
    while True:
        made = np.asarray(product(basis[-1]), np.float64)
        if not np.isfinite(made).all():
            raise InputError(
                "a product of Lanczos is not finite: the weights or the data give NaN or infinity"
            )
        diagonal.append(float(basis[-1] @ made))
        for _ in range(2):  # twice is enough (Parlett)
            for each in basis:
                made = made - (each @ made) * each
        length = float(np.linalg.norm(made))
        scale = max(scale, abs(diagonal[-1]) + length)
        if length <= rounding * scale or len(diagonal) >= min(iterations, start.size):
            break
        beside.append(length)
        basis.append(made / length)
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return values, norm**2 * vectors[0] ** 2


def predicted_well(
    product: Product,
    displacement: np.ndarray,
    iterations: int,
    draws: int = 4,
    seed: int = 0,
    rounding: float = 1e-10,
) -> Well:
    """The well of a positive semidefinite H (Gauss–Newton); Ritz values below 0 are clipped at 0.

    Random measures are scaled to Σ counts = D.
    """
    size, rng = displacement.size, np.random.default_rng(seed)
    made = [nodes(product, rng.standard_normal(size), iterations, rounding) for _ in range(draws)]
    values = np.concatenate([each for each, _ in made])
    counts = np.concatenate([mass * size / mass.sum() / draws for _, mass in made])
    own, masses = nodes(product, displacement, iterations, rounding)
    top = max(values.max(), own.max(), 0.0)
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
