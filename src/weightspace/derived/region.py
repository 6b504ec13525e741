"""Points: networks of a line, a curve or a simplex, compared on one split in one reading of it."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import platform, tree
from weightspace.data.corruptions.copies import Corruption
from weightspace.data.task import Task
from weightspace.derived.compared import check_worse, compared, feature_arrays, worse
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.agreement import BINS, WAYS, barriers
from weightspace.measure.collect import KINDS, collect
from weightspace.measure.network import SPLITS, Network, Subject
from weightspace.models.base import layout_of
from weightspace.models.fit import check_finite_tree
from weightspace.node import Derived, Found
from weightspace.precision import Precision
from weightspace.probes.snapshot import Snapshot
from weightspace.spaces.base import Space
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream
from weightspace.tree import Tree

_BETWEEN = ("total_variation", "disagreement", "disagree_correct", "distance", "cosine_squared")
"""What is told of the two ends of a path."""


def grid(count: int) -> tuple[str, ...]:
    """Names of evenly spaced points from 0 to 1.

    >>> grid(5)
    ('0', '0.25', '0.5', '0.75', '1')
    """
    return tuple(f"{value:.6g}" for value in np.linspace(0, 1, count))


@spec
class Points(Derived):
    """Networks at named points of a trained region, each with statistics of its own.

    Outputs [k], one number a point: `accuracy`, `nll`, `brier`, `ece` (20 bins, bin = min(⌊20 c⌋, 19)), and
    the same by running statistics, without recalibration, as `uncalibrated_accuracy` and so on. Outputs
    [k, k], one number a pair of points: `ensemble_accuracy` (…`_nll`, `_brier`, `_ece`; alone on the
    diagonal), `total_variation`, `disagreement`, `disagree_correct`, `distance`, `cosine_squared` of weights,
    and with `features` their `feature_cosine` and `feature_cosine_squared`. Columns: of all points as one
    ensemble `all_accuracy` (…), means over points `mean_accuracy` (…), means over pairs `pair_disagreement`
    (…); where points are numbers of [0, 1] in rising order `barrier_ends`, `barrier_chord` and
    `barrier_worse` of `error` and `nll` (as `barrier_ends_error`), the `path_length` through all points and
    `mean_error_along` it, differences of both ends `ends_distance` (…); output `alphas` [k], the points.

    Attributes:
      model: The network.
      task: Data and loss; targets are classes.
      space: The region.
      coordinates: Its coordinates, as `Snapshot(coordinates=True)` gives them.
      seeds: Of the run.
      names: Of the points, as the space has them; `grid(21)` are those of the paper.
      state: The model's state in the run; without it there are no uncalibrated numbers.
      statistics: `recalibrated`, as the original does it, weighted by example, or `pooled`, or `running`.
      split: On which part of the data.
      way: How ensembles vote, one of `logit_sum`, `logit_mean`, `probability_mean`.
      bins: Of the calibration error.
      features: The module whose outputs are compared by their cosine; None for none.
      precision: The arithmetic.
      corruption: What is done to the images of the test part; None for nothing.
    """

    model: Any
    task: Task
    space: Any
    coordinates: Any
    seeds: Seeds
    names: tuple[str, ...] = static(default=grid(21))
    state: Any = None
    statistics: str = static(default="recalibrated")
    split: str = static(default="test")
    way: str = static(default="logit_sum")
    bins: int = static(default=BINS)
    features: str | None = static(default=None)
    precision: Precision = Precision()
    corruption: Corruption | None = static(default=None, neutral=None)

    @classmethod
    def of(
        cls, run: Any, names: tuple[str, ...] = grid(21), *, when: str = "end", **options: Any
    ) -> "Points":
        """Those of a run after `when`.

        Raises:
          InputError: If edits change its masks on the way, which points are not measured under.
        """
        if run.edits:
            raise InputError(
                "points of a region are measured under the masks that a run begins with, but edits change "
                f"those of this one ({', '.join(type(edit).__name__ for edit in run.edits)}); measure a run "
                "without edits"
            )
        probe, network = Snapshot(when, coordinates=True), run.network(when)
        state = None if network.state is None else run.read(probe, "state")
        return cls(
            run.model, run.task, run.space, run.read(probe, "coordinates"), run.seeds, names, state,
            precision=run.precision, **options,
        )  # fmt: skip

    def validate(self) -> None:
        """A space with points, points, known choices, images that can be corrupted.

        Raises:
          InputError: Unless they are.
        """
        if not isinstance(self.space, Space) or not self.space.points:
            what = getattr(self.space, "name", type(self.space).__name__)
            raise InputError(f"'{what}' has no named points; Simplex, Bezier and Chain have")
        if not self.names or len(set(self.names)) < len(self.names):
            raise InputError(f"names of points are {self.names!r:.80}, but must be some, each once")
        check_choice("statistics", self.statistics, KINDS)
        check_choice("split", self.split, SPLITS)
        check_choice("way of an ensemble", self.way, WAYS)
        check_number("bins", self.bins, least=1)
        check_worse(self.task.data, self.split, self.corruption)

    def compute(self) -> Found:
        """One reading of the split."""
        check_finite_tree("the region's coordinates", self.coordinates)
        weights = self.weights()
        count = len(self.names)
        subject = Subject(self.model, self.task, self.seeds, self.precision)
        state = self.state
        if state is not None:
            state = jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a), (count, *np.shape(a))), state)
        kinds = (self.statistics,) if self.state is None else ("running", self.statistics)
        seen = collect(
            subject, Network(weights, state), self.split, tuple(dict.fromkeys(kinds)), features=self.features,
            arrays=worse(self.task.data, self.corruption),
        )  # fmt: skip
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype(self.precision.storage))
        found = compared(seen, self.statistics, weights, self.way, self.bins, layout)
        places = self._places()
        if places is not None:
            found.columns.update(_along(found.arrays, places))
            found.arrays["alphas"] = np.asarray(places)
        return Found(found.columns, found.arrays | feature_arrays(seen))

    def weights(self) -> Tree:
        """The weights at all points, along a leading axis."""
        data, storage = self.task.data, jnp.dtype(self.precision.storage)
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype(self.precision.storage))
        blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))

        def at(space: Any, theta: Tree, seeds: Seeds) -> Tree:
            def sample(keys: Keys) -> Tree:
                return tree.cast(self.model.init(keys(Stream.INIT), blank)[0], storage)

            fixed, _ = space.init(Keys(seeds), sample, layout)
            points = [space.weights(fixed, theta, space.point(fixed, theta, name)) for name in self.names]
            return jax.tree.map(lambda *leaves: jnp.stack(leaves), *points)

        with platform.arithmetic(self.precision.storage, self.precision.matmul):
            return jax.jit(at)(self.space, jax.tree.map(jnp.asarray, self.coordinates), self.seeds)

    def _places(self) -> list[float] | None:
        """The points as numbers, where they rise from 0 to 1."""
        try:
            found = [float(name) for name in self.names]
        except ValueError:
            return None
        rising = all(a < b for a, b in itertools.pairwise(found))
        return found if rising and len(found) > 1 and (found[0], found[-1]) == (0, 1) else None


def _along(arrays: dict[str, Any], places: list[float]) -> dict[str, float]:
    """What lies between the ends of a path."""
    values = {"error": 1 - arrays["accuracy"], "nll": arrays["nll"]}
    found = {
        f"{name}_{what}": value for what, v in values.items() for name, value in barriers(v, places).items()
    }
    steps = np.diagonal(arrays["distance"], 1)
    length = float(steps.sum())
    middle = (values["error"][1:] + values["error"][:-1]) / 2
    along = float((middle * steps).sum() / length) if length > 0 else float(values["error"].mean())
    ends = {f"ends_{name}": float(arrays[name][0, -1]) for name in _BETWEEN}
    return found | ends | {"path_length": length, "mean_error_along": along}
