"""SwagSample: a network drawn from the Gaussian that `probes.swag` has collected."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from weightspace.errors import InputError, check_number
from weightspace.models.fit import check_finite_tree
from weightspace.node import Derived
from weightspace.probes.swag import Swag
from weightspace.spec import spec
from weightspace.tree import Tree, flat_dict, nested_dict


@spec
class SwagSample(Derived):
    """Output `weights`: w = mean + σ ⊙ z₁ / √2 + D̂ z₂ / √(2 (K - 1)), with z₁ and z₂ standard normal.

    Its covariance is ½ diag(σ²) + D̂ D̂ᵀ / (2 (K - 1)) (Maddox et al., 2019, equation 1). K is the number of
    columns of D̂ that were collected, not that for which there was room.

    Attributes:
      weights: The mean.
      variance: σ², of the mean's structure.
      deviations: The columns of D̂ along a first axis; those after the K-th are zero.
      models: K.
      seed: Of the draws.
      number: Which of the draws of a seed.
    """

    weights: Any
    variance: Any
    deviations: Any
    models: Any
    seed: int
    number: int = 0

    like: ClassVar[Mapping[str, tuple[str, str | None]]] = {"weights": ("weights", None)}

    @classmethod
    def of(cls, run: Any, probe: Swag, seed: int, number: int = 0) -> "SwagSample":
        """One of a run that is watched by such a probe."""
        parts = {name: run.read(probe, name) for name in ("weights", "variance", "deviations", "models")}
        return cls(**parts, seed=seed, number=number)

    def validate(self) -> None:
        """Seeds are not negative."""
        check_number("seed", self.seed, least=0)
        check_number("number", self.number, least=0)

    def compute(self) -> dict[str, Tree]:
        """One draw."""
        return {"weights": drawn(self, 1)[0]}


def drawn(given: SwagSample, count: int) -> list[Tree]:
    """So many draws, in double precision, in the type of the mean.

    Raises:
      InputError: If fewer than two models were collected, or they are not finite.
    """
    models = int(np.asarray(given.models))
    if models < 2:
        raise InputError(
            f"a network is to be drawn about a mean of {models} models, but their spread needs two; collect "
            "from earlier on or more often (Swag(since=..., every=...))"
        )
    check_finite_tree("the mean of models", given.weights)
    check_finite_tree("the deviations of models", given.deviations)
    rng = np.random.default_rng((int(given.seed), int(given.number)))
    mean, variance, columns = (flat_dict(each) for each in (given.weights, given.variance, given.deviations))
    shared = rng.normal(size=(count, models)) / np.sqrt(2 * (models - 1))
    found = {}
    for path, centre in mean.items():
        own = rng.normal(size=(count, *np.shape(centre)))
        spread = np.sqrt(np.maximum(np.asarray(variance[path], np.float64), 0) / 2)
        away = np.tensordot(shared, np.asarray(columns[path], np.float64)[:models], 1)
        found[path] = (np.asarray(centre, np.float64) + spread * own + away).astype(np.asarray(centre).dtype)
    return [nested_dict({path: leaf[i] for path, leaf in found.items()}) for i in range(count)]
