"""Theorem 3 of Loukas et al. (2021), term by term: why steady training with dropout generalises.

For a classifier 1[f > 1/2] with a sigmoid output, trained with binary cross-entropy and dropout of rate 1/2,
whose updates are (τ, ϕ)-steady, with probability at least 1 - δ

    |err_train - err| ≤ √((4 log 2 · Cov(X; r) + 2 log(1/δ)) / N),
    r = min_i |1 - 2 f(x_i)| / (c ϕ log Σ_l n_l),   c = (1 + γ) β / (μ (1 - μ) p_min).

β is the first layer's largest singular value, μ the least of f and 1 - f at the training points, p_min the
smallest frequency of a hidden unit over them, n_l the layers' widths, and Cov(X; r) the balls of radius r
that cover the data. Every term is computed and stands in the table.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from weightspace.derived.chain import hidden_widths
from weightspace.derived.lipschitz import extreme_singular_values
from weightspace.derived.on_data import OnData
from weightspace.derived.patterns import evaluate, local_lipschitz
from weightspace.errors import InputError, check_number
from weightspace.spec import spec
from weightspace.tree import Tree


@spec
class DropoutBound(OnData):
    """The terms of Theorem 3 and the bound.

    Columns: `steadiness_bound` (ϕ), `beta`, `mu`, `margin` (min |1 - 2f|), `p_min` (over units that
    are ever active), `dead_units`, `units`, `radius` (r), `covering` (balls of a greedy cover of the
    training points, at least as many as needed), `bound`, `lipschitz_steady` (the intermediate estimate
    ϕ c log(Σ n_l) / 4), `lipschitz_max_data` (σ'λ at the training points). Where no unit is ever active p_min
    has no value, and what follows from it is NaN.

    Attributes:
      steadiness: ϕ, the largest normalised update of the first bias after τ.
      gamma: γ ≥ 0, by which factor 1 + γ local constants may still change.
      delta: δ, the probability that the bound fails.
    """

    steadiness: Any = None
    gamma: float = 0.0
    delta: float = 0.05

    def validate(self) -> None:
        """γ is not negative, δ a probability."""
        super().validate()
        check_number("gamma", self.gamma, least=0)
        check_number("delta", self.delta, above=0, below=1)
        if self.steadiness is None:
            raise InputError("DropoutBound needs the steadiness ϕ; give run.read(BiasPath(), 'phi_max')")

    def compute(self) -> dict[str, Tree]:
        """All terms."""
        chain, x = self.chain(), self.points()
        found = evaluate(chain, x)
        if found.outputs.shape[1] != 1:
            raise InputError(
                f"the theorem is of one output, but {self.model.name} has {found.outputs.shape[1]}"
            )
        logits = found.outputs[:, 0]
        f = expit(logits)
        often = found.patterns.mean(axis=0)
        alive = often > 0
        beta, phi = extreme_singular_values(chain[0])[0], float(np.asarray(self.steadiness))
        mu = float(expit(-np.abs(logits).max()))
        least = float(often[alive].min()) if alive.any() else float("nan")
        width = float(np.log(sum(hidden_widths(chain))))
        c = (1 + float(self.gamma)) * beta / (mu * (1 - mu) * least)
        margin = float(np.abs(1 - 2 * f).min())
        radius = margin / (c * width * phi) if phi else float("inf")
        covering = float("nan") if np.isnan(radius) else greedy_cover(x, radius)
        slack = 4 * np.log(2) * covering + 2 * np.log(1 / float(self.delta))
        slopes = local_lipschitz(chain, found.patterns) * f * expit(-logits)
        return {
            "steadiness_bound": phi,
            "beta": beta,
            "mu": mu,
            "margin": margin,
            "p_min": least,
            "dead_units": int((~alive).sum()),
            "units": int(alive.size),
            "radius": radius,
            "covering": covering,
            "bound": float(np.sqrt(slack / len(x))),
            "lipschitz_steady": phi * c * width / 4,
            "lipschitz_max_data": float(slopes.max()),
        }


def greedy_cover(x: Float[np.ndarray, "n inputs"], radius: float) -> int:
    """Balls of a radius around points of the set that cover it, each next one around a point not yet covered.

    No more than the least number of balls of half the radius, and no fewer than that of the radius itself.
    """
    left, count = x, 0
    while len(left):
        left = left[np.linalg.norm(left - left[0], axis=1) > radius]
        count += 1
    return count
