"""Principal directions of what a training recorded, and the basis of the first d of them.

```
run --Trajectory--> rows [n, D] --Principal--> σ, coefficients --Leading(d)--> columns [d, D]
```

`Principal` is made once a training and knows no d; `Leading` is made for each d. So no result depends on
which other dimensions are swept, bases are nested, and no run is given more columns than it trains.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.factor import TOLERANCE, Rows, combined, rank_of, singular
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.tree import Tree

VARIANTS = ("steps", "displacement", "iterates")
"""The rows of X, of recorded steps s₁ … s_n: s_k; w_k - w₀ = s₁ + … + s_k; the same less its mean."""
TOP = (1, 10, 20, 50, 100)


def rows_of(recorded: tuple[Any, ...], variant: str) -> tuple[Rows, int, int]:
    """X of a variant, with n and D; several recordings are put one under the other.

    Args:
      recorded: Each [n, D].
      variant: One of `VARIANTS`.

    Raises:
      InputError: If they are no matrices of one D, or are not finite.
    """
    given = [np.asarray(each) for each in recorded]
    for each in given:
        if each.ndim != 2 or not each.size:
            raise InputError(f"a trajectory has shape {each.shape}, but must have [n, D], n at least 1")
        if not np.isfinite(each).all():
            raise InputError("a trajectory is not finite; take that of a run that did not diverge")
    sizes = sorted({each.shape[1] for each in given})
    if len(sizes) > 1:
        raise InputError(
            f"trajectories of {' and '.join(map(str, sizes))} weights do not go together: take donors of one "
            "architecture"
        )

    def rows(part: slice) -> Float[np.ndarray, "n b"]:
        return np.concatenate([_varied(each[:, part].astype(np.float64), variant) for each in given])

    return rows, sum(len(each) for each in given), sizes[0]


def _varied(steps: Float[np.ndarray, "n b"], variant: str) -> Float[np.ndarray, "n b"]:
    if variant == "steps":
        return steps
    way = np.cumsum(steps, axis=0)
    return way if variant == "displacement" else way - way.mean(axis=0)


@spec
class Principal(Derived):
    """Singular values and directions of X [n, D], whose rows are steps, displacements or centred iterates.

    Columns `trajectory_rank`, `trajectory_rows` (n), `trajectory_participation` = (Σσ²)² / Σσ⁴ and
    `trajectory_energy_<k>` = Σ_{i ≤ k} σ_i² / Σσ². Outputs `sigma`, `energy` (its running share) and `number`
    [r], and `coefficients` C [n, r] with U = Xᵀ C in float64; U itself is made for each d by `Leading`. Each
    direction points where the rows' sum does (of iterates, the last row). Nothing is centred (but iterates),
    normalised or weighted.

    Attributes:
      recorded: Of each donor, [n, D].
      variant: `steps`, `displacement` or `iterates`.
    """

    recorded: tuple[Any, ...]
    variant: str = static(default="steps")

    def validate(self) -> None:
        """A known variant of something."""
        check_choice("variant", self.variant, VARIANTS)
        if not self.recorded:
            raise InputError("principal directions need a trajectory; give that of one run or more")

    def compute(self) -> dict[str, Tree]:
        """By a QR decomposition in blocks."""
        rows, count, size = rows_of(self.recorded, self.variant)
        sigma, vectors = singular(rows, count, size)
        rank = rank_of(sigma)
        if not rank:
            raise InputError("a trajectory does not move: all its steps are zero; train with a rate above 0")
        # Iterates are centred, so that their sum is rounding; their last row leads to the end.
        towards = vectors[-1] if self.variant == "iterates" else vectors.sum(axis=0)
        vectors = vectors * np.where(towards < 0, -1.0, 1.0)
        # Beyond the rank there are no directions: zeros stand for them, and `Leading` refuses them.
        coefficients = np.zeros_like(vectors)
        coefficients[:, :rank] = vectors[:, :rank] / sigma[:rank]
        power = np.square(sigma)
        energy = np.cumsum(power) / power.sum()
        return {
            "trajectory_rank": rank,
            "trajectory_rows": count,
            "trajectory_participation": float(power.sum() ** 2 / np.square(power).sum()),
            **{f"trajectory_energy_{k}": float(energy[min(k, energy.size) - 1]) for k in TOP},
            "sigma": sigma,
            "energy": energy,
            "number": np.arange(1, sigma.size + 1),
            "coefficients": coefficients,
        }


@spec
class Leading(Derived):
    """Output `columns` [d, D]: the first d principal directions, orthonormal, as float32.

    Attributes:
      recorded: As of the `Principal` that gave the others.
      sigma: Its singular values.
      coefficients: Its C.
      dim: d.
      variant: As of it.
      scaled: Whether direction k is σ_k/σ₁ long: all optimisers then step less along those that training
        hardly took. Nested in d as well.
    """

    recorded: tuple[Any, ...]
    sigma: Any
    coefficients: Any
    dim: int = static()
    variant: str = static(default="steps")
    scaled: bool = static(default=False)

    def validate(self) -> None:
        """D is a number."""
        check_number("dimension d", self.dim, least=1)

    @classmethod
    def of(cls, principal: Principal, dim: int, *, scaled: bool = False) -> "Leading":
        """The first d directions of a trajectory."""
        sigma, coefficients = (principal.output(name) for name in ("sigma", "coefficients"))
        return cls(principal.recorded, sigma, coefficients, dim, principal.variant, scaled)

    def blank(self) -> dict[str, Tree]:
        """Its shape."""
        zero = np.zeros((), np.float32)
        return {"columns": np.broadcast_to(zero, (self.dim, np.shape(self.recorded[0])[-1]))}

    def compute(self) -> dict[str, Tree]:
        """U_d, block by block."""
        rows, count, size = rows_of(self.recorded, self.variant)
        sigma, coefficients = np.asarray(self.sigma), np.asarray(self.coefficients)
        rank = rank_of(sigma)
        if self.dim > rank:
            raise InputError(
                f"dimension d = {self.dim} exceeds the rank {rank} of {count} snapshots "
                f"(singular values above {TOLERANCE:.1e} of the largest); choose d ≤ {rank}, or record a "
                "longer trajectory"
            )
        chosen = coefficients[:, : self.dim]
        if self.scaled:
            chosen = chosen * (sigma[: self.dim] / sigma[0])
        return {"columns": combined(rows, chosen, size)}
