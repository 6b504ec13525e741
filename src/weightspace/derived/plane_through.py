"""The plane through three networks, and weights at a point of a region: what such planes are laid through."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import tree
from weightspace.data.task import Task
from weightspace.derived.averages import check_alike
from weightspace.derived.region import Points
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.agreement import BINS, log_probabilities, scores
from weightspace.measure.collect import KINDS, collect
from weightspace.measure.host import keeps_statistics
from weightspace.measure.network import SPLITS, Network, Subject
from weightspace.node import Derived, Found
from weightspace.precision import Precision
from weightspace.probes.snapshot import Snapshot
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree, flat_dict, nested_dict

_TOGETHER = 32
"""Networks that are measured in one reading of the data."""


@spec
class RegionPoint(Derived):
    """Output `weights`: a network of a line, a curve or a simplex, by its name.

    Attributes:
      model: The network.
      task: What the region learnt.
      space: The region.
      coordinates: Its coordinates.
      seeds: Of the run.
      name: Of the point.
      precision: The arithmetic.
    """

    model: Any
    task: Task
    space: Any
    coordinates: Any
    seeds: Seeds
    name: str = static(default="midpoint")
    precision: Precision = Precision()

    @classmethod
    def of(cls, run: Any, name: str = "midpoint", *, when: str = "end") -> "RegionPoint":
        """That of a run after `when`.

        Raises:
          InputError: If the run's space has no points.
        """
        points = Points.of(run, (name,), when=when)
        coordinates = run.read(Snapshot(when, coordinates=True), "coordinates")
        return cls(run.model, run.task, points.space, coordinates, run.seeds, name, run.precision)

    def compute(self) -> dict[str, Tree]:
        """The weights there."""
        points = Points(
            self.model, self.task, self.space, self.coordinates, self.seeds, (self.name,),
            precision=self.precision,
        )  # fmt: skip
        flat = flat_dict(points.weights())
        return {"weights": nested_dict({path: np.asarray(leaf[0]) for path, leaf in flat.items()})}


@spec
class PlaneThrough(Derived):
    """Networks on a grid of the plane through three: w₁ + x u + y v, each with statistics of its own.

    u is the direction of w₃ - w₁, v that of w₂ - w₁ less its part along u, over all weights as one vector
    (Garipov et al., 2018). Outputs `accuracy` and `nll` [points, points], whose rows are y and columns x,
    `x` and `y` [points], and `corners` [3, 2], where the three networks lie. Column `plane_worst_accuracy`.

    Attributes:
      model: The network.
      task: Data and loss; targets are classes.
      weights: Of the three.
      seeds: Of a run, by which its examples were chosen.
      points: Of the grid along each side.
      margin: How far the grid goes beyond the three, as a share of their extent.
      split: On which part of the data.
      statistics: What normalisation goes by.
      precision: The arithmetic.
    """

    model: Any
    task: Task
    weights: tuple[Any, ...]
    seeds: Seeds
    points: int = static(default=21)
    margin: float = static(default=0.2)
    split: str = static(default="test")
    statistics: str = static(default="recalibrated")
    precision: Precision = Precision()

    def validate(self) -> None:
        """Three networks, a grid."""
        if len(self.weights) != 3:
            raise InputError(f"a plane goes through three networks, but {len(self.weights)} are given")
        check_number("points", self.points, least=2)
        check_number("margin", self.margin, least=0)
        check_choice("split", self.split, SPLITS)
        check_choice("statistics", self.statistics, KINDS)
        if self.statistics == "running" and keeps_statistics(self.model, tuple(self.task.data.shape)):
            raise InputError(
                "networks of a plane have no running statistics, which are of trainings; give "
                "statistics='recalibrated' or 'pooled'"
            )

    def compute(self) -> Found:
        """In readings of the data for some networks each."""
        check_alike(self.weights)
        flat = [flat_dict(each) for each in self.weights]
        paths = list(flat[0])
        first, second, third = (_joined(each, paths) for each in flat)
        along, corners = _frame(first, second, third)
        sides = [np.linspace(*self._reach(corners[:, i]), self.points) for i in (0, 1)]
        x, y = (each.ravel() for each in np.meshgrid(*sides))
        subject = Subject(self.model, self.task, self.seeds, self.precision)
        found = {name: np.zeros(len(x)) for name in ("accuracy", "nll")}
        for start in range(0, len(x), _TOGETHER):
            # The last reading is of as many networks as the others: one program serves all.
            taken = np.minimum(np.arange(start, start + _TOGETHER), len(x) - 1)
            many = first + x[taken, None] * along[0] + y[taken, None] * along[1]
            networks = Network(self._apart(many, flat[0], paths), None)
            seen = collect(subject, networks, self.split, (self.statistics,))
            for place, outputs in zip(taken, seen.outputs[self.statistics], strict=True):
                each = scores(log_probabilities(outputs), seen.y, BINS)
                for name, values in found.items():
                    values[place] = each[name]
        shape = (self.points, self.points)
        arrays: dict[str, Any] = {name: values.reshape(shape) for name, values in found.items()}
        columns = {"plane_worst_accuracy": float(found["accuracy"].min())}
        return Found(columns, arrays | {"x": sides[0], "y": sides[1], "corners": corners})

    def _reach(self, places: Float[np.ndarray, " 3"]) -> tuple[float, float]:
        low, high = float(places.min()), float(places.max())
        return low - self.margin * (high - low), high + self.margin * (high - low)

    def _apart(self, many: np.ndarray, like: dict[str, Any], paths: list[str]) -> Tree:
        """Vectors [k, D] as weights along a leading axis."""
        ends = np.cumsum([np.size(like[path]) for path in paths])
        parts = np.split(many, ends[:-1], axis=1)
        storage = jnp.dtype(self.precision.storage)
        leaves = {
            path: part.reshape((len(many), *np.shape(like[path])))
            for path, part in zip(paths, parts, strict=True)
        }
        return tree.cast(
            nested_dict({path: np.asarray(leaf, storage) for path, leaf in leaves.items()}), storage
        )


def _joined(flat: dict[str, Any], paths: list[str]) -> Float[np.ndarray, " D"]:
    return np.concatenate([np.ravel(np.asarray(flat[path], np.float64)) for path in paths])


def _frame(first: Any, second: Any, third: Any) -> tuple[tuple[Any, Any], Float[np.ndarray, "3 2"]]:
    """Two orthonormal directions, and where the three lie."""
    base = third - first
    width = float(np.linalg.norm(base))
    side = second - first
    u = base / max(width, np.finfo(np.float64).tiny)
    right = float(side @ u)
    rest = side - right * u
    height = float(np.linalg.norm(rest))
    if width == 0 or height <= 1e-9 * float(np.linalg.norm(side)) or height == 0:
        raise InputError("the three networks lie on one line, which is no plane; take three that differ")
    return (u, rest / height), np.asarray([[0, 0], [right, height], [width, 0]])
