"""What the degrees-of-freedom experiments share: network, data, recipe, levels, and how they answer."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.base import Paper
from weightspace.experiments.freedom import answers
from weightspace.experiments.training import TrainingSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.models.base import Model
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe, make_decay
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases import make_basis
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.training.step import layout_of_run

PAPER = Paper(
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


@dataclasses.dataclass(frozen=True)
class FreedomSweep(TrainingSweep):
    """Fields that all degrees-of-freedom experiments have."""

    reading = READING
    by = (*answers.ARMS, "dim", "compression")
    metrics = answers.METRICS
    swept = ("dims", "seeds", "optimiser", "lr", "noise", "levels", "loss_levels", "probes")
    passing = ("reference", "eval_every")

    model: str = "conv2"
    """Network: a name of `list models`, with options as in `fc:widths=512,512`, or package.module:factory."""
    data: str = "digits"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    dims: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    """Training dimensions d to sweep."""
    epochs: float = 5
    """Passes over the training data."""
    optimiser: tuple[str, ...] = ("adam",)
    """How the coordinates are trained: sgd, momentum, adam, adamw, rmsprop, adam-legacy (the original's)."""
    lr: tuple[float, ...] = (0.05,)
    """Learning rates."""
    batch_size: int = 128
    """Examples of a step."""
    basis: str = "gaussian"
    """Columns of B: gaussian (unit norm), orthonormal, sparse (few entries, as in sparse:density=0.01), or
    regenerated (gaussian, drawn anew in each step: almost no memory). Above d = D/2 all but orthonormal are
    ill-conditioned. Adam is not invariant to rotations of the basis: they are different optimisers."""
    noise: tuple[float, ...] = (0.0,)
    """Shares of training labels replaced by uniform ones."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient; acts on the coordinates."""
    validation: int = 0
    """Training examples set aside by seed for validation."""
    levels: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9, 0.95)
    """Accuracies to reach; d* is given for each."""
    loss_levels: tuple[float, ...] = (1.0, 0.5, 0.3, 0.1)
    """Losses to reach; d* is given for each."""
    failure: float = 0.1
    """The probability of failure that d* allows."""
    success: str = "final"
    """A run's value in thresholds and figures: `final`, or `best` over all readings (flatters)."""
    reference: bool = True
    """Train the full space too (momentum 0.9)."""
    reference_lr: float = 0.05
    """Learning rate of full-space training."""
    statistics: str = "running"
    """Normalisation at evaluation: running, batch (the original's) or recalibrated on training data."""
    basis_seed: int | None = None
    """One basis for all runs."""

    def __post_init__(self) -> None:
        make_basis(self.basis, dim=1)
        check_choice("success", self.success, ("final", "best"))
        check_number("epochs", self.epochs, above=0)
        check_number("failure", self.failure, above=0, below=1)
        if not self.dims:
            raise InputError("no dimension d to sweep; give at least one")
        for dim in self.dims:
            check_number("dimension d", dim, least=1)
        for level in self.levels:
            check_number("accuracy level", level, above=0, most=1)

    @functools.cached_property
    def network(self) -> Model:
        """The model, for the data's shape."""
        from weightspace.models.zoo import make

        data = self.task(0.0).data
        return make(self.model, data.shape, data.outputs, data.input_dtype("float32"))

    def task(self, noise: float) -> Task:
        """Data and loss; no label noise at all where none is asked for."""
        share = noise if any(self.noise) else None
        data = make_data(self.data, validation=self.validation, noise=share)
        return Task(data, CrossEntropy())

    def arms(self) -> Iterator[tuple[dict[str, Any], Recipe, Task]]:
        """Recipes and tasks to sweep, with their labels."""
        for name in self.optimiser:
            for lr in self.lr:
                for noise in self.noise:
                    labels = {"optimiser": name, "lr": lr} | ({"noise": noise} if any(self.noise) else {})
                    yield labels, self.recipe(name, lr), self.task(noise)

    def recipe(self, name: str, lr: float) -> Recipe:
        """How coordinates are trained."""
        decay = make_decay(name, self.weight_decay)
        return Recipe(make_optimiser(name, lr), f"{self.epochs:g}ep", batch=self.batch_size, decay=decay)

    @property
    def evaluation(self) -> Evaluation:
        """Both splits, and the validation split if there is one."""
        splits = ("train", "validation", "test") if self.validation else ("train", "test")
        return Evaluation(splits, statistics=self.statistics)

    def affine_run(self, dim: int, recipe: Recipe, task: Task, seeds: Seeds, offset: Any = None) -> Run:
        """A run in w = offset + B θ."""
        space = Affine(make_basis(self.basis, dim), offset=offset)
        return Run(self.network, task, space, recipe, seeds, precision=self.precision)

    def full_run(self, length: str, task: Task, seeds: Seeds) -> Run:
        """Full-space momentum training, as for burn-in and reference."""
        recipe = Recipe(make_optimiser("momentum", self.reference_lr), length, batch=self.batch_size)
        return Run(self.network, task, Full(), recipe, seeds, precision=self.precision)

    def size(self) -> int:
        """D, the number of weights."""
        return layout_of_run(self.full_run("1ep", self.task(0.0), Seeds(0))).size

    def row(self, method: str, dim: int, run: Run, labels: dict[str, Any]) -> Row:
        """A line of the table, with the axis all methods share: degrees of freedom and compression D/d."""
        seed = run.seeds.base
        labels = {"method": method, "dim": dim, "compression": self.size() / dim, **labels, "seed": seed}
        return Row(labels | {"model": self.model, "data": self.data}, run, self.watch)

    def reference_rows(self) -> list[Row]:
        """Full-space runs: one a seed and noise."""
        if not self.reference:
            return []
        rows = []
        for noise in self.noise:
            labels = {"optimiser": "momentum", "lr": self.reference_lr}
            labels |= {"noise": noise} if any(self.noise) else {}
            for seeds in self.numbered_seeds(basis=self.basis_seed):
                run = self.full_run(f"{self.epochs:g}ep", self.task(noise), seeds)
                rows.append(self.row("full", self.size(), run, labels))
        return rows

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`thresholds`: d* of every level, metric and arm, with D - d* as local angular dimension."""
        scored = answers.scored(table, history, self.success)
        return {"thresholds": answers.thresholds(scored, self.all_levels(scored), self.failure)}

    def all_levels(self, table: Frame) -> dict[str, tuple[float, ...]]:
        """The levels of each metric that was measured."""
        return {
            metric: self.levels if answers.rising(metric) else self.loss_levels
            for metric in answers.METRICS
            if metric in table
        }

    def shown(self, name: str, frame: Frame) -> Frame:
        """The thresholds of the test accuracy."""
        if name != "thresholds" or "metric" not in frame:
            return frame
        return frame[frame["metric"] == "test_accuracy"].reset_index(drop=True)

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracy against d; success over (d, level); d* against the level and against the burn-in."""
        from weightspace.figures.captions import Notes
        from weightspace.figures.freedom import panels

        scored = answers.scored(table, history, self.success)
        grid = answers.levels_for(scored)
        return panels(
            curves=answers.curves(scored),
            probabilities=answers.probabilities(scored, grid),
            lines=answers.thresholds(scored, grid, self.failure),
            levels=answers.thresholds(scored, self.all_levels(scored), self.failure),
            notes=Notes(answers.weights_of(scored), self.failure, self.success, table["status"]),
        )
