"""What the complexity experiments share: network, recipe, probes, and how they answer.

Loukas, Poiitis and Jegelka (2021): during training the first layer's bias travels a longer way for a more
complex function, because each of its steps is as long as the network is steep at the example of the step.
"""

import abc
import dataclasses
import itertools
from collections.abc import Generator, Iterator
from typing import Any

from weightspace.data.examples import Examples
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.base import Paper
from weightspace.experiments.complexity import measures
from weightspace.experiments.summary import over_seeds
from weightspace.experiments.training import TrainingSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.models.zoo import make
from weightspace.recipes.base import Recipe, make_decay
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError
from weightspace.recipes.optimisers import make_optimiser
from weightspace.recipes.schedules import Constant, Exponential
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds

PAPER = Paper(
    title="What training reveals about neural network complexity",
    bibtex=(
        "@inproceedings{loukas2021training,\n"
        "  title = {What training reveals about neural network complexity},\n"
        "  author = {Loukas, Andreas and Poiitis, Marinos and Jegelka, Stefanie},\n"
        "  booktitle = {Advances in Neural Information Processing Systems},\n"
        "  year = {2021},\n"
        "  url = {https://arxiv.org/abs/2106.04186}\n"
        "}"
    ),
    figure="Figures 1 and 2: losses, bias trajectory, variance and distance",
)
READING = (
    "φ is the length of one update of the first layer's bias, divided by the learning rate and by the "
    "derivative of the loss. With an identity as first matrix it equals the local Lipschitz constant λ at "
    "the example of the step, so its mean over an epoch estimates the average steepness of the learned "
    "function at the training examples: more complex functions travel farther. The variance of the bias "
    "says that a complex function cannot sit still; the distance from the start grows with complexity for "
    "the squared error only."
)
PROBES = ("bias-path", "bias-variance", "bias-distance", "lipschitz")
METRICS = (
    "train_loss_last10", "test_loss", "trajectory_last10", "trajectory_total_mean",
    "bias_variance_normalised_last10", "bias_distance", "lipschitz_last10", "lipschitz_max", "test_accuracy",
)  # fmt: skip
MATCHED = (
    "steps", "train_loss", "trajectory_mean", "lipschitz_sampled", "bias_variance_normalised",
    "bias_distance", "test_loss",
)  # fmt: skip
LOSSES = {
    "mse/2": SquaredError(0.5), "bce/2": BinaryCrossEntropy(0.5), "cross-entropy": CrossEntropy(),
}  # fmt: skip
ONE_OUTPUT = ("lipschitz",)
"""Probes that cross-entropy, with an output for each class, leaves out."""


@dataclasses.dataclass(frozen=True)
class ComplexitySweep(TrainingSweep):
    """Fields that all complexity experiments have."""

    reading = READING
    by = ("frequency", "corruption", "examples", "architecture", "batch", "rate")
    metrics = METRICS
    swept = ("seeds", "probes", "model", "lr", "batch_size")
    passing = ("eval_every",)

    model: tuple[str, ...] = ("mlp",)
    """Networks: names of `list models`, with options as in `mlp:first=linear`, or package.module:factory."""
    epochs: float = 300
    """Passes over the training data."""
    optimiser: str = "sgd"
    """How the weights are trained: sgd, momentum, adam, adamw, rmsprop."""
    lr: tuple[float, ...] = (0.001,)
    """Learning rates."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient."""
    decay: float | None = None
    """Epochs in which the learning rate falls by a factor of ten; none keeps it constant."""
    batch_size: tuple[int, ...] = (1,)
    """Examples of a step."""
    loss: str = "mse/2"
    """mse/2, bce/2 or cross-entropy (an output for each class, so that λ is not recorded)."""

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, above=0)
        check_number("decay", self.decay, above=0)
        check_choice("loss", self.loss, LOSSES)
        check_values("batch size", self.batch_size, least=1)
        check_values("lr", self.lr, least=0)
        if not self.model:
            raise InputError("no model to train; give at least one")

    @abc.abstractmethod
    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """What is learnt, with the labels that tell it apart."""

    def networks(self) -> Iterator[tuple[dict[str, Any], str]]:
        """The names of the networks, with the labels that tell them apart."""
        for name in self.model:
            yield ({"architecture": name} if len(self.model) > 1 else {}), name

    def streams(self) -> dict[str, int | None]:
        """Seeds of streams that all runs share."""
        return {}

    def ask(self) -> Generator[list[Row], Frame, None]:
        """Every task, network, batch, rate and seed at once; runs of one structure are one program."""
        yield [self.row(run, labels) for labels, run in self.runs()]

    def runs(self) -> Iterator[tuple[dict[str, Any], Run]]:
        """The trainings, with labels for what is swept."""
        for labels, data in self.tasks():
            for (of_network, name), batch, lr in itertools.product(self.networks(), self.batch_size, self.lr):
                own = of_network | ({"batch": batch} if len(self.batch_size) > 1 else {})
                own |= {"rate": lr} if len(self.lr) > 1 else {}
                for seeds in self.numbered_seeds(**self.streams()):
                    yield labels | own, self.training(data, name, batch, lr, seeds)

    @property
    def own_probes(self) -> tuple[str, ...]:
        """The quantities of the paper."""
        if self.loss == "cross-entropy":
            return tuple(name for name in PROBES if name not in ONE_OUTPUT)
        return PROBES

    def training(self, data: Examples, name: str, batch: int, lr: float, seeds: Seeds) -> Run:
        """A run of the protocol."""
        loss: Loss = LOSSES[self.loss]
        schedule = Constant() if self.decay is None else Exponential(self.decay)
        optimiser = make_optimiser(self.optimiser, lr)
        decay = make_decay(self.optimiser, self.weight_decay)
        recipe = Recipe(optimiser, f"{self.epochs:g}ep", batch=batch, schedule=schedule, decay=decay)
        model = make(name, data.shape, loss.width(data))
        return Run(model, Task(data, loss), Full(), recipe, seeds, precision=self.precision)

    def row(self, run: Run, labels: dict[str, Any]) -> Row:
        """A line of the table."""
        several = {"model": "several" if len(self.model) > 1 else next(iter(self.model))}
        return Row(labels | several | {"seed": run.seeds.base}, run, self.watch)

    def measured(self, table: Frame, history: Frame) -> Frame:
        """Means over the last ten readings."""
        return measures.measured(table, history)

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`ordering`: rank correlation of each measure with what is swept and with the test loss.

        And `matched`: the measures where each run's training loss first falls to the least level that all
        runs reach, so that runs which have not fitted yet do not look simple.
        """
        from weightspace.experiments.complexity.correlation import ordering

        return {"ordering": ordering(table, self.by), "matched": self.matched(table, history)}

    def matched(self, table: Frame, history: Frame) -> Frame:
        """Means and spreads over seeds at the common training loss."""
        if history.empty or "train_loss" not in history:
            return table.iloc[:0]
        at = measures.reached(history, measures.common_level(history)).rename(columns={"step": "steps"})
        labels = [name for name in self.by if name in table]
        rows = table[["run", "status", *labels]].drop_duplicates("run").merge(at, on="run")
        return over_seeds(rows, labels, list(MATCHED))

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Losses and trajectory, totals, and the bias's variance and distance, by what is swept."""
        from weightspace.figures.complexity import panels

        return panels(table, history, self.by, self.epochs)


def check_values(name: str, values: tuple[float, ...], **bounds: float) -> None:
    """Raise `InputError` unless there are values and each is allowed."""
    if not values:
        raise InputError(f"no {name} to sweep; give at least one")
    for value in values:
        check_number(name, value, **bounds)  # pyright: ignore[reportArgumentType]
