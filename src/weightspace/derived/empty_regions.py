"""Empty regions: how large the local Lipschitz constant can be where there is no training point.

Theorem 2 of Loukas et al. (2021): if the activation vector of a region is a combination of those at training
points, with coefficients k, its local Lipschitz constant is at most (1 + γ) ξ Σ |k_t| λ_t. The best bound is
a linear programme a region, `basis_pursuit.cheapest`. With an identity first layer λ_t is the norm of the
normalised bias update φ_t, so that the bound is known from training alone. Regions are those of a slice.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from weightspace.derived.basis_pursuit import cheapest
from weightspace.derived.chain import Chain, Points, outputs
from weightspace.derived.on_data import OnData
from weightspace.derived.patterns import local_lipschitz
from weightspace.derived.slices import Sample, sample
from weightspace.errors import InputError, check_number
from weightspace.spec import spec, static
from weightspace.tree import Tree


@spec
class EmptyRegions(OnData):
    """The bound in each region of a slice that holds no training point, beside the truth.

    A region without a combination has no bound: the theorem says nothing of it. Columns: `empty_regions`,
    `empty_area` (share of the window), `feasible_regions`, `feasible_share` (of the empty regions),
    `feasible_area` (share of the window), `tightness_median`, `tightness_min`, `tightness_max` (bound /
    truth, never below one), `atoms_median`, `atoms_max` (training regions that are combined),
    `training_regions`, `rank` (dimension of their span), `bound_max`, `lipschitz_max_empty`. Statistics of
    nothing are NaN.

    Outputs, with z₂ along the rows and z₁ along the columns: `ids` (int32, as in `SliceRegions`), `bound`
    (NaN where there is none, which stands for infinity), `atoms` (int32; -1 where there is no combination),
    `lipschitz`; and by number of region `region_bound`, `region_atoms`, `region_lipschitz`.

    Attributes:
      grid: Cells along each side of the window.
      sigmoid: Whether the network's output goes through a sigmoid: then constants are those of the
        probability p, and ξ = 1/4 / (μ (1 - μ)) with μ the least of p and 1 - p at the training points.
      gamma: γ ≥ 0, by which factor 1 + γ the costs may have changed since they were measured.
      costs: Of each training point [n], not negative; None for their λ. σ₁(W₁) times the largest normalised
        bias update of each point makes the bound one that is known from training.
    """

    grid: int = static(default=200)
    sigmoid: bool = static(default=False)
    gamma: float = 0.0
    costs: Any = None

    def validate(self) -> None:
        """Two cells along a side at least; γ is not negative."""
        super().validate()
        check_number("grid", self.grid, least=2, hint="It is the number of cells along each side.")
        check_number("gamma", self.gamma, least=0)

    def compute(self) -> dict[str, Tree]:
        """Bound every empty region of the slice."""
        chain, x = self.chain(), self.points()
        found = sample(chain, self.needed_plane(), self.grid, x)
        if self.sigmoid and chain[-1].units != 1:
            raise InputError(f"a sigmoid takes one output, but {self.model.name} has {chain[-1].units}")
        factor, costs = self._costs(chain, found, x)
        truth = self._truth(chain, found)
        made = cheapest(chain, found.patterns[: found.held], costs, found.patterns[found.held :])
        bound = factor * np.append(costs, made.cost)
        atoms = np.append(np.ones(found.held, np.int32), made.atoms)
        return _columns(found, bound, atoms, truth) | {
            "rank": made.rank,
            "ids": found.ids,
            "bound": bound[found.ids],
            "atoms": atoms[found.ids],
            "lipschitz": truth[found.ids],
            "region_bound": bound,
            "region_atoms": atoms,
            "region_lipschitz": truth,
        }

    def _costs(self, chain: Chain, found: Sample, x: Points) -> tuple[float, Float[np.ndarray, " held"]]:
        """(1 + γ) ξ, and the least cost among the training points of each region."""
        at_points = found.point_ids
        costs, xi = local_lipschitz(chain, found.patterns[: found.held])[at_points], 1.0
        if self.sigmoid:
            logits = outputs(chain, x)[:, 0]
            sure = np.abs(logits).max()
            xi = 0.25 / float(expit(sure) * expit(-sure))
            costs = costs * expit(logits) * expit(-logits)
        if self.costs is not None:
            costs = np.asarray(self.costs, np.float64)
            if costs.shape != (len(x),) or not (costs >= 0).all():
                raise InputError(
                    f"costs are {len(x)} numbers, one a training point and none below zero; these have shape "
                    f"{costs.shape}"
                )
        least = np.full(found.held, np.inf)
        np.minimum.at(least, at_points, costs)
        return (1 + float(self.gamma)) * xi, least

    def _truth(self, chain: Chain, found: Sample) -> Float[np.ndarray, " regions"]:
        """λ of each region; under a sigmoid the largest at the cells of the slice, NaN where it has none."""
        constants = local_lipschitz(chain, found.patterns)
        if not self.sigmoid:
            return constants
        slopes = expit(found.outputs[..., 0]) * expit(-found.outputs[..., 0])
        steepest = np.full(len(constants), -np.inf)
        np.maximum.at(steepest, found.ids.ravel(), slopes.ravel())
        return np.where(np.isfinite(steepest), steepest, np.nan) * constants


def _columns(
    found: Sample,
    bound: Float[np.ndarray, " regions"],
    atoms: np.ndarray,
    truth: Float[np.ndarray, " regions"],
) -> dict[str, Tree]:
    """The numbers of the table."""
    empty = np.arange(len(bound)) >= found.held
    bounded = empty & (atoms >= 0)
    sloping = bounded & (truth > 0)
    tightness = bound[sloping] / truth[sloping]
    return {
        "empty_regions": int(empty.sum()),
        "empty_area": float(empty[found.ids].mean()),
        "feasible_regions": int(bounded.sum()),
        "feasible_share": float(bounded.sum() / empty.sum()) if empty.any() else np.nan,
        "feasible_area": float(bounded[found.ids].mean()),
        "tightness_median": _over(np.median, tightness),
        "tightness_min": _over(np.min, tightness),
        "tightness_max": _over(np.max, tightness),
        "atoms_median": _over(np.median, atoms[bounded]),
        "atoms_max": _over(np.max, atoms[bounded]),
        "training_regions": found.held,
        "bound_max": _over(np.max, bound[bounded]),
        "lipschitz_max_empty": _over(np.max, truth[empty]),
    }


def _over(statistic: Any, values: np.ndarray) -> float:
    return float(statistic(values)) if len(values) else float("nan")
