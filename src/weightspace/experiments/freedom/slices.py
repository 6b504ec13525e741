"""What the degrees-of-freedom experiments share: slices of weight space, levels, and their answers."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.experiments.base import Paper
from weightspace.experiments.settings import number, passing, swept
from weightspace.experiments.training import Repeats
from weightspace.models.base import Model
from weightspace.models.layout import Layout
from weightspace.probes import Evaluation, Probe
from weightspace.recipes.base import Recipe, make_decay
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.base import Space
from weightspace.spaces.bases import make_basis
from weightspace.spaces.bases.base import Basis
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.tables.vocabulary import ARMS, FULL
from weightspace.training.step import layout_of_run

LARSEN_2022 = Paper(
    title="How many degrees of freedom do we need to train deep networks: a loss landscape perspective",
    bibtex=(
        "@inproceedings{larsen2022degrees,\n"
        "  title = {How many degrees of freedom do we need to train deep networks:\n"
        "           a loss landscape perspective},\n"
        "  author = {Larsen, Brett W. and Fort, Stanislav and Becker, Nic and Ganguli, Surya},\n"
        "  booktitle = {International Conference on Learning Representations},\n"
        "  year = {2022},\n"
        "  url = {https://openreview.net/forum?id=ChMLTGRjFcU}\n"
        "}"
    ),
    figure="Figures 2 and 5: success and accuracy against the training dimension",
)
READING = (
    "A run trains θ in w = offset + B θ, with d columns in B; the weights it can reach form a random "
    "d-dimensional slice. The success probability is the share of runs at d whose metric reaches a level. "
    "d* is the smallest d at which at least 1 − δ of the seeds reach it: training needs about d* degrees of "
    "freedom, and D − d* is the local angular dimension of the set of good weights as seen from the offset."
)
BY = (*ARMS, "dim", "compression")
ACCURACIES, LOSSES = ("test_accuracy", "train_accuracy"), ("test_loss", "train_loss")
METRICS = (*ACCURACIES, *LOSSES)


@dataclasses.dataclass(frozen=True)
class Networks(Repeats):
    """Networks whose degrees of freedom are counted, and their training in the full space."""

    model: str = "conv2"
    """Network: a name of `list models`, with options as in `fc:widths=512,512`, or package.module:factory."""
    data: str = "digits"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    epochs: float = number(5, above=0)
    """Passes over the training data."""
    batch_size: int = 128
    """Examples of a step."""
    noise: tuple[float, ...] = swept(0.0)
    """Shares of training labels replaced by uniform ones."""
    validation: int = 0
    """Training examples set aside by seed for validation."""
    reference: bool = passing(True)
    """Train the full space too (momentum 0.9)."""
    reference_lr: float = 0.05
    """Learning rate of full-space training."""
    statistics: str = "running"
    """Normalisation at evaluation: running, batch (the original's) or recalibrated on training data."""

    @functools.cached_property
    def network(self) -> Model:
        """The model, for the data's shape."""
        from weightspace.models.zoo import make

        data = self.task(0.0).data
        return make(self.model, data.shape, data.outputs, data.input_dtype("float32"))

    def task(self, noise: float) -> Task:
        """Data and loss; no label noise at all where none is asked for."""
        share = noise if any(self.noise) else None
        return Task(make_data(self.data, validation=self.validation, noise=share), CrossEntropy())

    def run(self, space: Space, task: Task, recipe: Recipe, seeds: Seeds) -> Run:
        """A training in a space."""
        return Run(self.network, task, space, recipe, seeds, precision=self.precision)

    def full(self, task: Task, seeds: Seeds, length: str | None = None) -> Run:
        """Full-space momentum training, as for burn-in and reference."""
        return self.run(
            Full(), task, self.recipe(make_optimiser("momentum", self.reference_lr), length), seeds
        )

    def recipe(self, optimiser: Any, length: str | None = None, **more: Any) -> Recipe:
        """How a run is trained, for `epochs` unless a length is given."""
        return Recipe(optimiser, length or f"{self.epochs:g}ep", batch=self.batch_size, **more)

    def row(self, method: str, dim: int, run: Run, labels: dict[str, Any], *more: Probe) -> Row:
        """A line of the table, with the axis all methods share: degrees of freedom and compression D/d."""
        own = {
            "method": method,
            "dim": dim,
            "compression": self.size / dim,
            **labels,
            "seed": run.seeds.base,
        }
        watch = self._watch
        watch = dataclasses.replace(watch, probes=(*watch.probes, *more)) if more else watch
        return Row(own | {"model": self.model, "data": self.data}, run, watch)

    @functools.cached_property
    def _watch(self) -> Watch:
        splits = ("train", "validation", "test") if self.validation else ("train", "test")
        return self.watching(Evaluation(splits, statistics=self.statistics))

    def references(self) -> Iterator[Row]:
        """Full-space runs: one a seed and noise."""
        for noise in self.noise if self.reference else ():
            labels = {"optimiser": "momentum", "lr": self.reference_lr} | self.noisy(noise)
            task = self.task(noise)
            for seeds in self.each_seed():
                yield self.row(FULL, self.size, self.full(task, seeds), labels)

    def noisy(self, noise: float) -> dict[str, float]:
        """The label of a share of noise, where any is asked for."""
        return {"noise": noise} if any(self.noise) else {}

    @functools.cached_property
    def layout(self) -> Layout:
        """What each leaf of the weights is."""
        return layout_of_run(self.full(self.task(0.0), Seeds(0), "1ep"))

    @property
    def size(self) -> int:
        """D, the number of weights."""
        return self.layout.size


def _initial(task: Task, seeds: Seeds) -> None:
    """The initialisation itself."""


@dataclasses.dataclass(frozen=True)
class Slices(Networks):
    """Networks that are trained in slices w = offset + B θ, and in the full space."""

    dims: tuple[int, ...] = swept(4, 8, 16, 32, 64, 128, 256, words="dimension d", least=1)
    """Training dimensions d to sweep."""
    optimiser: tuple[str, ...] = swept("adam")
    """How the coordinates are trained: sgd, momentum, adam, adamw, rmsprop, adam-legacy (the original's)."""
    lr: tuple[float, ...] = swept(0.05)
    """Learning rates."""
    basis: str = "gaussian"
    """Columns of B: gaussian (unit norm), orthonormal, sparse (few entries, as in sparse:density=0.01 or
    sparse:nnz=8192,disjoint=true), regenerated (gaussian, drawn anew in each step: almost no memory),
    fastfood and srht (fast transforms, D log D a step; fastfood columns are √2 less orthogonal than gaussian
    ones, rms cosine √(2/D) for 1/√D, srht ones orthonormal where D is a power of two), or a basis for each
    leaf or layer (blocks:sparse, layers:srht). Above d = D/2 all but orthonormal are ill-conditioned,
    fastfood above some D/5. Adam is not invariant to rotations of the basis: they are different optimisers.
    """
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient; acts on the coordinates."""
    basis_seed: int | None = None
    """One basis for all runs."""

    def check(self) -> None:
        """The basis is known."""
        make_basis(self.basis, dim=1)

    def arms(self) -> Iterator[tuple[dict[str, Any], Recipe, Task]]:
        """Recipes and tasks to sweep, with their labels."""
        for name in self.optimiser:
            for lr in self.lr:
                recipe = self.recipe(make_optimiser(name, lr), decay=make_decay(name, self.weight_decay))
                for noise in self.noise:
                    yield {"optimiser": name, "lr": lr} | self.noisy(noise), recipe, self.task(noise)

    def seeded(self, base: int, **streams: int | None) -> Seeds:
        """The seeds of one run, with one basis for all where it is asked for."""
        return super().seeded(base, **{"basis": self.basis_seed} | streams)

    def rows(
        self, method: str = "random", offset: Callable[[Task, Seeds], Any] = _initial, **labels: Any
    ) -> Iterator[Row]:
        """A run for each arm, dimension and seed.

        Args:
          method: What it is called.
          offset: What slices pass through, by task and seeds; the initialisation where it is None.
          labels: Of all these rows, before the arms'.
        """
        for arm, recipe, task in self.arms():
            for dim, seeds in itertools.product(self.dims, self.each_seed()):
                run = self.inside(dim, recipe, task, seeds, offset(task, seeds))
                yield self.row(method, dim, run, labels | arm)

    def inside(self, dim: int, recipe: Recipe, task: Task, seeds: Seeds, offset: Any = None) -> Run:
        """A run in w = offset + B θ."""
        if dim not in self._bases:
            self._bases[dim] = make_basis(self.basis, dim)
        return self.run(Affine(self._bases[dim], offset=offset), task, recipe, seeds)

    @functools.cached_property
    def _bases(self) -> dict[int, Basis]:
        return {}
