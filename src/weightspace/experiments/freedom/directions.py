"""Directions that a full-space training gives: what is recorded, what is made of it, each way by name."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from weightspace.data.task import Task
from weightspace.derived.eigenvectors import Eigenvectors
from weightspace.derived.principal import Leading, Principal
from weightspace.errors import InputError, check_number, unknown
from weightspace.experiments.freedom.slices import Slices
from weightspace.experiments.settings import number
from weightspace.probes.trajectory import Trajectory
from weightspace.run import Row, Run
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.learned import Learned
from weightspace.streams import Seeds


@dataclasses.dataclass(frozen=True)
class Way:
    """How columns are learned from a training.

    Attributes:
      recorded: `steps` or `gradients` for principal directions of these, `hessian` or `ggn` for eigenvectors
        at the end.
      variant: What of the recorded is decomposed.
      scaled: Whether columns are as long as their singular values.
    """

    recorded: str = "steps"
    variant: str = "steps"
    scaled: bool = False

    @property
    def principal(self) -> bool:
        """Whether the directions are those of a trajectory."""
        return self.recorded in ("steps", "gradients")


WAYS = {
    "lottery": Way(),
    "lottery-scaled": Way(scaled=True),
    "displacement": Way(variant="displacement"),
    "iterates": Way(variant="iterates"),
    "gradients": Way("gradients"),
    "hessian": Way("hessian"),
    "ggn": Way("ggn"),
}
"""The learned bases. A further one is an entry here."""


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What is recorded of a training."""

    trajectory_steps: int = number(10_240, least=1)
    """Steps of full-space training (momentum 0.9, constant rate) that are recorded, whatever dims are."""
    spacing: int = number(5, least=1)
    """Steps between two snapshots."""
    legacy_steps: bool = False
    """Train and record one step more, in the first window, as the original code does."""

    def check(self) -> None:
        """Windows are whole."""
        check_number("spacing", self.spacing, least=1)
        if self.trajectory_steps % self.spacing:
            raise InputError(
                f"trajectory_steps is {self.trajectory_steps}, no multiple of the spacing of {self.spacing} "
                f"steps; give {self.trajectory_steps // self.spacing * self.spacing or self.spacing}"
            )

    def check_dims(self, dims: tuple[int, ...]) -> None:
        """Trajectories are long enough for all dimensions."""
        if max(dims) > self.count:
            raise InputError(
                f"dimension d = {max(dims)} exceeds the {self.count} snapshots of a trajectory of "
                f"{self.trajectory_steps} steps at spacing {self.spacing}; choose d ≤ {self.count}, or "
                f"trajectory_steps of at least {max(dims) * self.spacing}"
            )

    @property
    def count(self) -> int:
        """Snapshots n, the most dimensions."""
        return self.trajectory_steps // self.spacing

    def donor(self, slices: Slices, task: Task, seeds: Seeds) -> Run:
        """The full-space training."""
        return slices.full(task, seeds, f"{self.trajectory_steps + self.legacy_steps}it")

    def principal(self, way: Way, *donors: Run) -> Principal:
        """The principal directions of one training, or of several pooled."""
        probe = Trajectory(self.count, self.spacing, int(self.legacy_steps), way.recorded)
        return Principal(tuple(donor.read(probe, way.recorded) for donor in donors), way.variant)


@dataclasses.dataclass(frozen=True)
class Directions(Recorded):
    """How directions are learned: of what is recorded, or of the curvature at the end."""

    eigenvectors: int = number(16, least=1)
    """Eigenvectors of the Hessian and the Gauss-Newton matrix that are found; larger d have no such arm."""
    curvature_examples: int = number(1_000, least=1)
    """Training examples that these matrices are of, spread evenly over the split."""

    def check_methods(self, methods: tuple[str, ...], known: tuple[str, ...], dims: tuple[int, ...]) -> None:
        """Methods are known, and trajectories long enough for all dimensions."""
        for name in methods:
            if name not in (*known, *WAYS):
                raise unknown("method", name, (*known, *WAYS))
        if any(name in WAYS and WAYS[name].principal for name in methods):
            self.check_dims(dims)

    def rows(self, slices: Slices, method: str) -> Iterator[Row]:
        """A run for each arm, dimension and seed, along the directions of the seed's own training.

        Dimensions of which the way has no columns have none.

        Args:
          slices: What is trained.
          method: A name of `WAYS`.
        """
        for labels, recipe, task in slices.arms():
            for dim, seeds in itertools.product(slices.dims, slices.each_seed()):
                basis = self.basis(WAYS[method], dim, self.donor(slices, task, seeds))
                if basis is not None:
                    yield slices.row(method, dim, slices.run(Affine(basis), task, recipe, seeds), labels)

    def basis(self, way: Way, dim: int, *donors: Run) -> Learned | None:
        """The first d columns; None where a way has not so many."""
        if way.principal:
            leading: Any = Leading.of(self.principal(way, *donors), dim, scaled=way.scaled)
            return Learned(dim, leading.output("columns"))
        if dim > self.eigenvectors:
            return None
        (donor,) = donors
        found = Eigenvectors(
            donor.model, donor.task, donor.network(), donor.seeds, self.eigenvectors, way.recorded,
            self.curvature_examples,
        )  # fmt: skip
        return Learned(dim, found.output("columns"))
