"""What the complexity experiments share: trainings that are watched step by step, their tasks, the answers.

Loukas, Poiitis and Jegelka (2021): during training the first layer's bias travels a longer way for a more
complex function, because each of its steps is as long as the network is steep at the example of the step.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from weightspace.data import make_data
from weightspace.data.cosine import CosineProduct
from weightspace.data.examples import Examples
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment, Paper
from weightspace.experiments.settings import number, swept
from weightspace.experiments.training import Repeats
from weightspace.figures.charts import Curve, Violins
from weightspace.models.zoo import make
from weightspace.recipes.base import Recipe, make_decay
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError
from weightspace.recipes.optimisers import make_optimiser
from weightspace.recipes.schedules import Constant, Exponential
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.tables.base import On
from weightspace.tables.correlations import Ordering
from weightspace.tables.curves import Traces
from weightspace.tables.history import LastReadings, Moment, Windows
from weightspace.tables.means import Means

LOUKAS_2021 = Paper(
    title="What training reveals about neural network complexity",
    bibtex="""@inproceedings{loukas2021training,
  title = {What training reveals about neural network complexity},
  author = {Loukas, Andreas and Poiitis, Marinos and Jegelka, Stefanie},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2021},
  url = {https://arxiv.org/abs/2106.04186}
}""",
)
READING = (
    "φ is the length of one update of the first layer's bias, divided by the learning rate and by the "
    "derivative of the loss. With an identity as first matrix it equals the local Lipschitz constant λ at "
    "the example of the step, so its mean over an epoch estimates the average steepness of the learned "
    "function at the training examples: more complex functions travel farther. The variance of the bias "
    "says that a complex function cannot sit still; the distance from the start grows with complexity for "
    "the squared error only."
)
BY = ("frequency", "corruption", "examples", "architecture", "batch", "rate")
METRICS = (
    "train_loss_last10", "test_loss", "trajectory_last10", "trajectory_total_mean",
    "bias_variance_normalised_last10", "bias_distance", "lipschitz_last10", "lipschitz_max", "test_accuracy",
)  # fmt: skip
MATCHED = (
    "steps", "train_loss", "trajectory_mean", "lipschitz_sampled", "bias_variance_normalised",
    "bias_distance", "test_loss",
)  # fmt: skip
_AVERAGED = (
    "train_loss", "trajectory_mean", "phi_batch", "phi_q99", "loss_derivative", "lipschitz_sampled",
    "lipschitz_mean", "bias_variance", "bias_variance_normalised", "bias_distance_mean", "flip_rate",
)  # fmt: skip
_SHORT = {
    "trajectory_mean": "trajectory", "lipschitz_sampled": "lipschitz", "bias_distance_mean": "bias_distance"
}  # fmt: skip
WINDOWS = Windows(
    tuple((name, f"{_SHORT.get(name, name)}_last10") for name in _AVERAGED), (("phi_max", "steadiness"),)
)
"""A run's value is its mean over the last ten readings; ϕ(τ) = max φ after τ the largest there."""
LOSSES = {
    "mse/2": SquaredError(0.5), "bce/2": BinaryCrossEntropy(0.5), "cross-entropy": CrossEntropy(),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Paths(Repeats):
    """Trainings whose first layer's bias is watched; a subclass says what is learnt."""

    model: tuple[str, ...] = swept("mlp")
    """Networks: names of `list models`, with options as in `mlp:first=linear`, or package.module:factory."""
    epochs: float = number(300, above=0)
    """Passes over the training data."""
    optimiser: str = "sgd"
    """How the weights are trained: sgd, momentum, adam, adamw, rmsprop."""
    lr: tuple[float, ...] = swept(0.001, least=0)
    """Learning rates."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient."""
    decay: float | None = number(None, above=0)
    """Epochs in which the learning rate falls by a factor of ten; none keeps it constant."""
    batch_size: tuple[int, ...] = swept(1, least=1)
    """Examples of a step."""
    loss: str = "mse/2"
    """mse/2, bce/2 or cross-entropy (an output for each class, so that λ is not recorded)."""

    def check(self) -> None:
        """The loss is known."""
        check_choice("loss", self.loss, LOSSES)

    @property
    def own_probes(self) -> tuple[str, ...]:
        """The paper's quantities; λ is of one output."""
        sampled = () if self.loss == "cross-entropy" else ("lipschitz",)
        return ("bias-path", "bias-variance", "bias-distance", *sampled)

    def streams(self) -> dict[str, int | None]:
        """Seeds of streams that all runs share."""
        return {}

    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """What is learnt, with the labels that tell it apart."""
        raise NotImplementedError

    def networks(self) -> Iterator[tuple[dict[str, Any], str]]:
        """The names of the networks, with the labels that tell them apart."""
        for name in self.model:
            yield ({"architecture": name} if len(self.model) > 1 else {}), name

    def runs(
        self, networks: Iterable[tuple[dict[str, Any], str]] = ()
    ) -> Iterator[tuple[dict[str, Any], Run]]:
        """The trainings of these networks, or of all, with labels; runs of one structure are one program."""
        kinds = tuple(networks) or tuple(self.networks())
        for labels, data in self.tasks():
            for (of_network, name), batch, lr in itertools.product(kinds, self.batch_size, self.lr):
                own = of_network | ({"batch": batch} if len(self.batch_size) > 1 else {})
                own |= {"rate": lr} if len(self.lr) > 1 else {}
                own |= {"model": "several" if len(self.model) > 1 else next(iter(self.model))}
                for seeds in self.each_seed(**self.streams()):
                    yield labels | own, self._run(data, name, batch, lr, seeds)

    def _run(self, data: Examples, name: str, batch: int, lr: float, seeds: Seeds) -> Run:
        loss: Loss = LOSSES[self.loss]
        schedule = Constant() if self.decay is None else Exponential(self.decay)
        decay = make_decay(self.optimiser, self.weight_decay)
        optimiser = make_optimiser(self.optimiser, lr)
        recipe = Recipe(optimiser, f"{self.epochs:g}ep", batch=batch, schedule=schedule, decay=decay)
        model = make(name, data.shape, loss.width(data))
        return Run(model, Task(data, loss), Full(), recipe, seeds, precision=self.precision)

    def row(self, labels: dict[str, Any], run: Run, *probes: str) -> Row:
        """A line of the table, with further probes of the question."""
        return Row(labels, run, self.watching(own=(*self.own_probes, *probes)))

    def rows(self, *probes: str) -> Iterator[Row]:
        """A line a training."""
        for labels, run in self.runs():
            yield self.row(labels, run, *probes)

    def answers(self, by: tuple[str, ...] = BY) -> tuple[Answer, ...]:
        """Orderings; measures where each training loss first falls to the least level that all runs reach.

        So runs which have not fitted yet do not look simple. Then curves in time, and the bias's motion.
        """

        def curves(name: str, title: str, *metrics: str) -> Answer:
            chart = Curve(
                "epoch", by, name=name, title=title, metrics=metrics, spread="sd", smooth=_NOISY,
                smooth_beyond=200, values="Each run is measured before runs are averaged",
            )  # fmt: skip
            return Answer(name, Traces(metrics, by, epochs=self.epochs), chart, shown=0)

        motion = Violins(
            by, _MOTION, name="motion", title="Variance and distance of the bias",
            caption="The variance is that of the first layer's bias within an epoch.",
        )  # fmt: skip
        return (
            Answer("ordering", Ordering(by)),
            Answer("matched", On(Moment("common"), Means(MATCHED, by))),
            curves("training", "Losses and bias trajectory", "train_loss", "trajectory_mean", "test_loss"),
            curves("totals", "Further quantities over training", "trajectory_total_mean", "lipschitz_sampled",
                   "phi_batch", "flip_rate", "test_accuracy"),
            Answer("motion", LastReadings(tuple(name for name, _ in _MOTION), by, epochs=self.epochs), motion,
                   shown=0),
        )  # fmt: skip


_NOISY = ("trajectory_mean", "lipschitz_sampled", "phi_batch")
_MOTION = (("bias_variance_normalised", True), ("bias_distance_mean", False))
"""Metrics, and whether their distribution is that of the logarithm."""


@dataclasses.dataclass(frozen=True)
class Cosines(Paths):
    """A product of cosines is learnt; every run draws its own examples."""

    frequencies: tuple[float, ...] = swept(0.25, 0.5, 0.75, 1.0, words="frequency", above=0)
    """Cycles a unit of the product of cosines to be learnt."""
    examples: tuple[int, ...] = swept(100, least=4)
    """Training examples N; three tenths as many are drawn for testing."""

    def check(self) -> None:
        """The loss is known, and there is a batch of examples."""
        super().check()
        if max(self.batch_size) > min(self.examples):
            raise InputError(
                f"a batch has {max(self.batch_size)} examples, but there are {min(self.examples)}; give a "
                "smaller batch or more examples"
            )

    @property
    def own_probes(self) -> tuple[str, ...]:
        """λ over the whole training set too, in and off the plane of the data."""
        return (*super().own_probes, "lipschitz-set")

    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """Each number of examples and frequency."""
        for count, f in itertools.product(self.examples, self.frequencies):
            labels = {"frequency": f} | ({"examples": count} if len(self.examples) > 1 else {})
            yield labels, CosineProduct(f, examples=count)


@dataclasses.dataclass(frozen=True)
class Pairs(Paths):
    """Two classes of images are told apart; their labels are true or random, and the same in all runs."""

    data: str = "cifar10:classes=0,5"
    """Two classes of a data set, as in cifar10:classes=0,5 (airplane and dog)."""
    examples: int | None = None
    """Training images of a run, drawn by its seed; none takes all."""
    corruptions: tuple[float, ...] = swept(0.0, words="corruption", least=0, most=1)
    """Probabilities that a training label is replaced by a uniform one."""
    noise_seed: int = 12345
    """Which labels are replaced, and by what: the same in all runs."""
    loss: str = "bce/2"

    def streams(self) -> dict[str, int | None]:
        """One corruption for all runs."""
        return {"noise": self.noise_seed}

    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """Each rate of corruption."""
        for rate in self.corruptions:
            share = rate if any(self.corruptions) else None
            labels = {"data": self.data} | ({} if share is None else {"corruption": rate})
            yield labels, make_data(self.data, normalise="half", subset=self.examples, noise=share)


class OfPaths(Experiment):
    """All trainings of a recipe, and its answers."""

    training: Paths

    def ask(self) -> Iterator[Row]:
        """Every task, network, batch, rate and seed."""
        yield from self.training.rows()

    def answered_by(self) -> tuple[Answer, ...]:
        """Orderings, measures at one loss, curves and violins."""
        return self.training.answers()
