"""What the degrees-of-freedom experiments share: slices of weight space, levels, and their answers."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.errors import check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Paper
from weightspace.experiments.settings import number, passing, swept
from weightspace.experiments.training import Repeats
from weightspace.figures.chart import AT_THE_END, BEST
from weightspace.figures.charts import Curve, Heat, Threshold, threshold_words
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
from weightspace.tables.base import On, Rows, Table, Where
from weightspace.tables.curves import Best, Curves
from weightspace.tables.thresholds import Success, Thresholds
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
class Slices(Repeats):
    """Networks that are trained in slices w = offset + B θ, and in the full space."""

    model: str = "conv2"
    """Network: a name of `list models`, with options as in `fc:widths=512,512`, or package.module:factory."""
    data: str = "digits"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    dims: tuple[int, ...] = swept(4, 8, 16, 32, 64, 128, 256, words="dimension d", least=1)
    """Training dimensions d to sweep."""
    epochs: float = number(5, above=0)
    """Passes over the training data."""
    optimiser: tuple[str, ...] = swept("adam")
    """How the coordinates are trained: sgd, momentum, adam, adamw, rmsprop, adam-legacy (the original's)."""
    lr: tuple[float, ...] = swept(0.05)
    """Learning rates."""
    batch_size: int = 128
    """Examples of a step."""
    basis: str = "gaussian"
    """Columns of B: gaussian (unit norm), orthonormal, sparse (few entries, as in sparse:density=0.01), or
    regenerated (gaussian, drawn anew in each step: almost no memory). Above d = D/2 all but orthonormal are
    ill-conditioned. Adam is not invariant to rotations of the basis: they are different optimisers."""
    noise: tuple[float, ...] = swept(0.0)
    """Shares of training labels replaced by uniform ones."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient; acts on the coordinates."""
    validation: int = 0
    """Training examples set aside by seed for validation."""
    reference: bool = passing(True)
    """Train the full space too (momentum 0.9)."""
    reference_lr: float = 0.05
    """Learning rate of full-space training."""
    statistics: str = "running"
    """Normalisation at evaluation: running, batch (the original's) or recalibrated on training data."""
    basis_seed: int | None = None
    """One basis for all runs."""

    def check(self) -> None:
        """The basis is known."""
        make_basis(self.basis, dim=1)

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

    def arms(self) -> Iterator[tuple[dict[str, Any], Recipe, Task]]:
        """Recipes and tasks to sweep, with their labels."""
        for name in self.optimiser:
            for lr in self.lr:
                recipe = self._recipe(make_optimiser(name, lr), decay=make_decay(name, self.weight_decay))
                for noise in self.noise:
                    yield {"optimiser": name, "lr": lr} | self._noisy(noise), recipe, self.task(noise)

    def slice_seeds(self) -> Iterator[Seeds]:
        """The seeds of each run, with one basis for all where it is asked for."""
        return self.each_seed(basis=self.basis_seed)

    def inside(self, dim: int, recipe: Recipe, task: Task, seeds: Seeds, offset: Any = None) -> Run:
        """A run in w = offset + B θ."""
        space = Affine(make_basis(self.basis, dim), offset=offset)
        return Run(self.network, task, space, recipe, seeds, precision=self.precision)

    def full(self, task: Task, seeds: Seeds, length: str | None = None) -> Run:
        """Full-space momentum training, as for burn-in and reference."""
        recipe = self._recipe(make_optimiser("momentum", self.reference_lr), length)
        return Run(self.network, task, Full(), recipe, seeds, precision=self.precision)

    def row(self, method: str, dim: int, run: Run, labels: dict[str, Any]) -> Row:
        """A line of the table, with the axis all methods share: degrees of freedom and compression D/d."""
        own = {
            "method": method,
            "dim": dim,
            "compression": self._size / dim,
            **labels,
            "seed": run.seeds.base,
        }
        splits = ("train", "validation", "test") if self.validation else ("train", "test")
        watch = self.watching(Evaluation(splits, statistics=self.statistics))
        return Row(own | {"model": self.model, "data": self.data}, run, watch)

    def references(self) -> Iterator[Row]:
        """Full-space runs: one a seed and noise."""
        for noise in self.noise if self.reference else ():
            labels = {"optimiser": "momentum", "lr": self.reference_lr} | self._noisy(noise)
            for seeds in self.slice_seeds():
                yield self.row(FULL, self._size, self.full(self.task(noise), seeds), labels)

    def _recipe(self, optimiser: Any, length: str | None = None, **more: Any) -> Recipe:
        return Recipe(optimiser, length or f"{self.epochs:g}ep", batch=self.batch_size, **more)

    def _noisy(self, noise: float) -> dict[str, float]:
        return {"noise": noise} if any(self.noise) else {}

    @functools.cached_property
    def _size(self) -> int:
        """D, the number of weights."""
        return layout_of_run(self.full(self.task(0.0), Seeds(0), "1ep")).size


@dataclasses.dataclass(frozen=True)
class Levels:
    """What training has to reach, and how the question is answered."""

    levels: tuple[float, ...] = swept(
        0.5, 0.7, 0.8, 0.9, 0.95, words="accuracy level", empty=True, above=0, most=1
    )
    """Accuracies to reach; d* is given for each."""
    loss_levels: tuple[float, ...] = swept(1.0, 0.5, 0.3, 0.1, words="loss level", empty=True)
    """Losses to reach; d* is given for each."""
    failure: float = number(0.1, above=0, below=1)
    """The probability of failure that d* allows."""
    success: str = "final"
    """A run's value in thresholds and figures: `final`, or `best` over all readings (flatters)."""

    def check(self) -> None:
        """The value of a run is one of two."""
        check_choice("success", self.success, ("final", "best"))

    def answers(self, methods: tuple[str, ...] = ()) -> tuple[Answer, ...]:
        """Accuracy against d; success over (d, level); d* against the level and against the burn-in.

        Args:
          methods: Those whose rows are trainings; none where all are.
        """
        values = BEST if self.success == "best" else AT_THE_END
        rows: Table = Best(METRICS) if self.success == "best" else Rows()
        rows = On(Where((("method", methods),)), rows) if methods else rows
        wanted = tuple((name, self.levels if name in ACCURACIES else self.loss_levels) for name in METRICS)
        shared: dict[str, Any] = {"metrics": METRICS, "arms": ARMS, "failure": self.failure}
        look: dict[str, Any] = {"arms": ARMS, "values": values}

        def threshold(x: str, name: str, metrics: tuple[str, ...], what: str) -> Threshold:
            title = f"Threshold dimension against {what}"
            return Threshold(
                x, name=f"threshold-{name}", title=title, metrics=metrics, failure=self.failure, **look
            )

        def answer(name: str, table: Table, *charts: Any, **more: Any) -> Answer:
            return Answer(name, On(rows, table), *charts, **more)

        return (
            answer("curves", Curves(METRICS, "dim", ARMS, beside=("compression",)), Curve(
                "dim", name="accuracy", title="Accuracy against dimension", metrics=ACCURACIES,
                top="compression", baseline=("method", FULL),
                baseline_words=("full space", "training in the full space"), **look,
            ), shown=0),
            answer("success", Success(**shared), Heat(
                "dim", "level", "probability", "d_star", columns="burn_in", name="success",
                title="Success probability", caption=_MAP.format(threshold_words(self.failure)), **look,
            ), shown=0),
            answer(
                "lines", Thresholds(**shared), threshold("level", "accuracy", ACCURACIES, "accuracy"),
                threshold("level", "loss", LOSSES, "loss"), shown=0,
            ),
            answer(
                "thresholds", Thresholds(**shared, levels=wanted),
                threshold("burn_in", "burn-in", ACCURACIES, "burn-in"), shown={"metric": "test_accuracy"},
                note="Estimates with 90 % bootstrap intervals over n seeds.",
            ),
        )  # fmt: skip


_MAP = (
    "Share of runs whose {{metric}} reaches a level (vertical) in d dimensions, from black (none) to white "
    "(all), {{n}} at each d. Line: {}."
)
