"""Weights before and after training, and which of them each criterion keeps.

Figures 1 and 2 of Zhou et al. (2019) show this as a cartoon; here the criteria themselves choose, of a cloud
of correlated Gaussian weights (`Cloud`) and of the first kernel of a stored network (`FirstKernel`). Both
tables have columns `before` (w_i), `after` (w_f), one of truth values for each criterion, and `of`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from weightspace.errors import WeightspaceError
from weightspace.frames import Frame
from weightspace.masks.counts import drop_count
from weightspace.masks.criteria import make_criterion
from weightspace.masks.prune import keep
from weightspace.masks.score import score
from weightspace.models.fit import check_finite
from weightspace.models.layout import KINDS, Leaf
from weightspace.streams import Seeds, Stream, key
from weightspace.tables.base import Given, Outputs, Table
from weightspace.tree import flat_dict

POINTS = 6_000
CORRELATION = 0.7
REMOVED = 0.6
"""The share of weights that is pruned."""
_OTHERS = ("before", "after", "of")

Weights = Float[np.ndarray, "n 2"]


def cloud(points: int = POINTS, correlation: float = CORRELATION, spread: float = 1.3) -> Weights:
    """Weights (w_i, w_f), Gaussian and correlated, whose standard deviation grows; always the same.

    Args:
      points: How many.
      correlation: Of w_i and w_f.
      spread: Standard deviation of w_f over that of w_i.
    """
    draws = np.random.default_rng(0).standard_normal((points, 2))
    after = correlation * draws[:, 0] + np.sqrt(1 - correlation**2) * draws[:, 1]
    return np.stack([draws[:, 0], spread * after], axis=1)


def kept_by(name: str, weights: Weights, removed: float = REMOVED) -> Bool[np.ndarray, " n"]:
    """Which of the weights a criterion keeps, pruned once."""
    before, after = weights.astype(np.float32).T
    by, salt = make_criterion(name), key(Seeds(0), Stream.MASK)
    leaf = Leaf("weights", before.shape, "kernel", "weights", 0)
    scores = score(by, {"before": before, "after": after}, leaf, salt)
    if by.fixed:
        return scores > 0
    count = len(weights) - drop_count(len(weights), removed)
    return keep(scores, np.ones(len(weights), bool), count, salt)


def in_plane(names: Sequence[str]) -> list[str]:
    """The criteria that look at w_i and w_f alone, wherever in a layer a weight lies."""
    known = [(name, make_criterion(name)) for name in names]
    return [name for name, by in known if not by.needs_gradient and not by.by_place]


def criteria_of(frame: Frame) -> list[str]:
    """The criteria that a table of this kind has columns of."""
    return [str(name) for name in frame if name not in _OTHERS]


def plane(weights: Weights, of: str, names: Sequence[str]) -> Frame:
    """What each of the criteria keeps of the weights; those that look at other things are left out."""
    from pandas import DataFrame

    kept = {name: kept_by(name, weights) for name in in_plane(names)}
    return DataFrame({"before": weights[:, 0], "after": weights[:, 1], **kept, "of": of})


@dataclasses.dataclass(frozen=True)
class Cloud(Table):
    """What criteria keep of Gaussian weights; no run is needed.

    Attributes:
      criteria: Names.
    """

    criteria: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """The cloud."""
        return plane(cloud(), "the cloud", self.criteria)


@dataclasses.dataclass(frozen=True)
class FirstKernel(Table):
    """What criteria keep of the kernel that is used first, of the least seed's run.

    Attributes:
      criteria: Names.
      before: Key of the output that has the run's weights before training.
      after: After it.
      label: A label and its value of the runs that are meant.
    """

    criteria: tuple[str, ...]
    before: str
    after: str
    label: tuple[str, Any]

    def of(self, given: Given) -> Frame:
        """The kernel's weights; no lines where the store does not have them."""
        name, value = self.label
        rows = given.rows
        mine = rows[rows["status"] == "ok"]
        mine = mine[mine[name] == value].sort_values("seed") if {name, "seed"} <= set(mine) else mine.iloc[:0]
        if len(mine):
            try:
                return self._kept(given.outputs, mine["run"].iloc[0], mine["seed"].iloc[0])
            except WeightspaceError:
                pass  # Without the weights the cloud must do.
        return plane(np.zeros((0, 2)), "", ())

    def _kept(self, outputs: Outputs, run: str, seed: Any) -> Frame:
        before, after = (flat_dict(outputs(run, key)) for key in (self.before, self.after))
        path = first_kernel(before, run, outputs)
        check_finite("after", after[path], path)
        weights = np.stack([np.ravel(each[path]) for each in (before, after)], axis=1).astype(np.float64)
        return plane(weights[np.isfinite(weights).all(axis=1)], f"{path}, seed {seed}", self.criteria)


def first_kernel(weights: Mapping[str, Any], run: str, outputs: Outputs) -> str:
    """The path of the kernel that is used first, as the store tells: no network is made.

    Args:
      weights: The run's weights by path.
      run: Its digest.
      outputs: What the store keeps; of a store of old, which does not tell, the largest kernel is taken.
    """
    paths = sorted(weights)
    try:
        told = outputs(run, "network")
    except WeightspaceError:
        return max(paths, key=lambda path: (np.ndim(weights[path]) > 1, np.size(weights[path])))
    kernels = [place for place, kind in enumerate(told["kind"]) if KINDS[int(kind)] == "kernel"]
    return paths[min(kernels, key=lambda place: int(told["order"][place]))]
