"""Drawn well: a quadratic well of a known spectrum, its threshold dimension by every method, and bounds."""

import functools
from collections.abc import Callable

import numpy as np

from weightspace.errors import check_number, unknown
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.theory.bounds import Bound, conic, gordon_hit
from weightspace.theory.well import closed_form, cone, drawn_losses, first_reached, self_consistent, well
from weightspace.tree import Tree

STIFF, TOP = 20, 5
"""Stiff directions of a step, and those that a displacement in the stiffest has."""
SPECTRA: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "even": np.ones_like,
    "harmonic": lambda i: 1 / i,
    "square": lambda i: 1 / i**2,
    "step": lambda i: np.where(i <= STIFF, 1.0, 1e-4),
}
"""λ_i of i = 1 … D: all 1; 1/i; 1/i²; 20 at 1 and the others at 1e-4."""
DISPLACEMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat": lambda i: np.full(i.shape, i.size**-0.5),
    "top": lambda i: np.where(i <= TOP, TOP**-0.5, 0.0),
}
"""p_i with R = 1: the same in all directions; in the five stiffest alone."""


def shape_of(name: str) -> tuple[str, str]:
    """A spectrum and a displacement, as in `harmonic/flat`.

    Raises:
      InputError: If one of them is not known.
    """
    spectrum, _, displacement = name.partition("/")
    for what, each, known in (
        ("spectrum of a well", spectrum, SPECTRA),
        ("displacement of a well", displacement, DISPLACEMENTS),
    ):
        if each not in known:
            raise unknown(what, each, tuple(known))
    return spectrum, displacement


@spec
class DrawnWell(Derived):
    """d* of one well at one level, and how probably a random subspace of d dimensions reaches it.

    Columns: `d_monte_carlo` (the median of drawn bases), `d_cone`, `d_consistent`, `d_closed`;
    `gordon_until` and `conic_until`, the greatest d asked up to which these bounds say that hits are rare,
    `conic_from`, the smallest from which the conic one says that they are common (with `sharp_` in front for
    its sharper, heuristic form; NaN where a bound says nothing at all). Outputs, at the dimensions `dims`:
    `drawn`, the share of drawn bases that reach the level, and the bounds `gordon`, `conic_above`,
    `conic_below`, `sharp_above`, `sharp_below`, NaN where they are vacuous.

    Attributes:
      shape: A spectrum and a displacement, as in `harmonic/flat`.
      size: D.
      share: The level, ε over the well's height L₀.
      draws: Bases, and Gaussian vectors of the cone.
      seed: Of both.
    """

    shape: str = static()
    size: int = static(default=600)
    share: float = static(default=0.1)
    draws: int = static(default=40)
    seed: int = static(default=0)

    def validate(self) -> None:
        """Known shapes, of enough dimensions to have them."""
        shape_of(self.shape)
        check_number("dimensions of a well", self.size, least=STIFF + 1)
        check_number("the level, as a share of a well's height", self.share, above=0, below=1)
        check_number("draws", self.draws, least=1)

    def compute(self) -> dict[str, Tree]:
        """All methods and bounds."""
        values, p = _parts(self.shape, self.size)
        at = well(values, p)
        eps = self.share * at.loss
        first = first_reached(_losses(self.shape, self.size, self.draws, self.seed), eps)[:, 0]
        exact = cone(values, p, eps, self.draws, self.seed)
        dims = dims_of(self.size)
        angular = self.size - exact
        # The cone's width is at most √δ: the bound holds for more, less sharply.
        bounds = {"gordon": gordon_hit(dims, self.size, np.sqrt(angular))}
        for name, sharp in (("conic", False), ("sharp", True)):
            above, below = conic(dims, self.size, angular, sharp)
            bounds |= {f"{name}_above": above, f"{name}_below": below}
        return {
            "d_monte_carlo": float(np.median(first)),
            "d_cone": exact,
            "d_consistent": self_consistent(at, eps),
            "d_closed": closed_form(at, eps),
            **_ranges(dims, bounds),
            "dims": dims,
            "drawn": (first[:, None] <= dims).mean(0),
            **{name: bound.values for name, bound in bounds.items()},
        }


def _parts(shape: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    spectrum, displacement = shape_of(shape)
    i = np.arange(1, size + 1.0)
    return SPECTRA[spectrum](i), DISPLACEMENTS[displacement](i)


@functools.lru_cache(maxsize=64)
def _losses(shape: str, size: int, draws: int, seed: int) -> np.ndarray:
    """One drawing serves all levels of a well."""
    return drawn_losses(*_parts(shape, size), draws, seed)


def dims_of(size: int) -> np.ndarray:
    """Some sixty dimensions from 1 to D: evenly apart, and more where they are few."""
    return np.unique(np.round(np.r_[np.geomspace(1, size, 20), np.linspace(1, size, 41)])).astype(int)


def _ranges(dims: np.ndarray, bounds: dict[str, Bound]) -> dict[str, float]:
    said = {name: dims[np.isfinite(bound.values)] for name, bound in bounds.items()}
    found = {
        name.replace("_above", "") + "_until": each.max() if each.size else np.nan
        for name, each in said.items()
        if not name.endswith("_below")
    }
    common = {name.replace("_below", "_from"): each for name, each in said.items() if "_below" in name}
    found |= {name: each.min() if each.size else np.nan for name, each in common.items()}
    return {name: float(value) for name, value in found.items()}
