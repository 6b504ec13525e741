"""What the ticket experiments share: network, data, recipe, evaluation, and the dense run.

Zhou, Lan, Liu and Yosinski (2019): train, score every weight by its values at both ends, prune, restart the
kept weights, freeze the others, train again.
"""

import dataclasses
import functools
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.prune import Prune
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.tickets.paper import GPU, PAPER, published
from weightspace.experiments.training import TrainingSweep, further
from weightspace.masks.counts import RULES, Rates
from weightspace.masks.criteria import make_criterion
from weightspace.models.base import Model
from weightspace.models.zoo import make
from weightspace.node import Output
from weightspace.probes import Best, Density, Evaluation, Probe, Reached, Snapshot
from weightspace.probes.initial_gradient import InitialGradient
from weightspace.recipes.base import Recipe, make_decay
from weightspace.recipes.length import Length
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run, Watch
from weightspace.spaces.base import Space
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds

START, END, EARLY = "0it", "end", "early-stop"
__all__ = ["GPU", "PAPER", "TicketSweep", "TicketTraining", "published"]
METRICS = (
    "best_test_accuracy", "test_accuracy", "best_step", "best_train_accuracy", "best_validation_loss",
    "density",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TicketTraining(TrainingSweep):
    """Fields of all experiments on tickets and masks: what is trained, and how."""

    metrics = METRICS
    # The cadence is no passing matter here: early stopping takes the best of the points it is given.
    swept = ("seeds", "probes")

    model: str = "fc:initialiser=glorot_normal"
    """Network: a name of `list models`, such as lth_conv2:width=16, or package.module:factory."""
    data: str = "mnist"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    validation: int = 5000
    """Training examples set aside by seed: early stopping looks at these alone."""
    epochs: float = 55
    """Passes over the training data of each round; the last incomplete batch of a pass is dropped."""
    optimiser: str = "adam"
    """How the weights are trained: sgd, momentum, adam, adamw, rmsprop."""
    lr: float = 0.0012
    """Learning rate."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient; acts on what is trained."""
    batch_size: int = 60
    """Examples of a step."""
    eval_every: str = "100it"

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, above=0)
        make_decay(self.optimiser, self.weight_decay)

    @functools.cached_property
    def task(self) -> Task:
        """Images in [0, 1], cross-entropy."""
        return Task(make_data(self.data, normalise="unit", validation=self.validation), CrossEntropy())

    @functools.cached_property
    def network(self) -> Model:
        """The model, for the data's shape."""
        data = self.task.data
        return make(self.model, data.shape, data.outputs)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return tuple(self.task.data.shape)

    @functools.cached_property
    def recipe(self) -> Recipe:
        """How a round is trained."""
        return Recipe(
            make_optimiser(self.optimiser, self.lr), f"{self.epochs:g}ep", batch=self.batch_size,
            decay=make_decay(self.optimiser, self.weight_decay), remainder="drop",
        )  # fmt: skip

    def training(self, space: Space, seeds: Seeds, *, begun: int | None = None) -> Run:
        """A training in a space; from weights that have trained for `begun` steps, only for those left."""
        run = Run(self.network, self.task, space, self.recipe, seeds, precision=self.precision)
        if begun is None:
            return run
        left = self.recipe.steps(self.task.data.size) - begun
        return dataclasses.replace(run, recipe=dataclasses.replace(self.recipe, length=f"{left}it"))

    def step_of(self, rewind: str) -> int:
        """The step of the dense run that is gone back to.

        Raises:
          InputError: If no steps are left after it.
        """
        size = self.task.data.size
        total = self.recipe.steps(size)
        step = Length.parse(rewind).steps(self.recipe.steps_per_epoch(size), total)
        hint = f"The dense run has {total} steps."
        check_number(f"step of rewind '{rewind}'", step, below=total, hint=hint)
        return step

    def dense(self, seeds: Seeds) -> Run:
        """The training of all weights that everything starts from."""
        return self.training(Full(), seeds)

    @property
    def best(self) -> Best:
        """Early stopping, among the readings."""
        return Best(self.eval_every)

    @property
    def _scoring_probes(self) -> tuple[str, ...]:
        """Names of probes whose weights are scored, beside the evaluation's."""
        return ()

    @property
    def evaluation(self) -> Evaluation:
        """Validation along the way, train and test once."""
        return Evaluation(("validation",), last=("train", "test"))

    def watch_of(self, run: Run) -> Watch:
        """Evaluation and early stopping; the density of masks where there are any."""
        if not self.validation:
            raise InputError("tickets are chosen by validation loss; give validation=<examples>")
        masks = (Density(layers=False),) if isinstance(run.space, Masked) else ()
        extra = further(self.probes, ("evaluation", "best", "density", *self._scoring_probes))
        return Watch(self.eval_every, (self.evaluation, self.best, *masks, *extra))

    def row(self, run: Run, labels: dict[str, Any]) -> Row:
        """A line of the table."""
        named = {"model": self.model, "data": self.data, "seed": run.seeds.base}
        return Row(labels | named, run, self.watch_of(run))


@dataclasses.dataclass(frozen=True)
class TicketSweep(TicketTraining):
    """Fields of the experiments that prune trained weights."""

    dense_rate: float = 0.2
    """Share of the weights left that a round removes from dense layers."""
    conv_rate: float = 0.1
    """The same for convolutions."""
    output_rate: float = 0.1
    """The same for the output layer."""
    rule: str = "round"
    """How shares become whole numbers: round (exact), or legacy (the original's floating point)."""
    gradient_examples: int = 100
    """Examples of the batch whose gradient at the start snip and grad go by."""
    score_at: str = END
    """Which weights are scored: at the end, at early-stop (least validation loss), after 500it, or when
    validation accuracy first reaches 50% at an reading."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pruning rule", self.rule, RULES)
        check_number("gradient_examples", self.gradient_examples, least=1)
        _ = self.rates, self.accuracy_to_reach
        if self.score_at not in (END, EARLY) and self.accuracy_to_reach is None:
            Length.parse(self.score_at)

    @property
    def rates(self) -> Rates:
        """Shares removed, by kind of layer."""
        return Rates(self.dense_rate, self.conv_rate, self.output_rate)

    @property
    def _scoring_probes(self) -> tuple[str, ...]:
        return () if self.accuracy_to_reach is None else ("reached",)

    @property
    def accuracy_to_reach(self) -> float | None:
        """The validation accuracy at whose first reaching weights are scored; None where they are elsewhere.

        Raises:
          InputError: If what stands before the per cent sign is no number between 0 and 100.
        """
        if "%" not in self.score_at:
            return None
        try:
            accuracy = float(self.score_at.removesuffix("%")) / 100
        except ValueError:
            raise InputError(f"score_at is '{self.score_at}'; write an accuracy as in 50%") from None
        check_number("accuracy of score_at", accuracy, above=0, most=1, hint="Write 50% for one half.")
        return accuracy

    @property
    def scoring(self) -> Probe:
        """What keeps the weights after a training that criteria look at."""
        if self.accuracy_to_reach is not None:
            return Reached(self.eval_every, level=self.accuracy_to_reach)
        return self.best if self.score_at == EARLY else Snapshot(self.score_at)

    def scored(self, run: Run) -> Output:
        """The weights after a training that criteria look at."""
        return run.read(self.scoring, "weights")

    def gradient(self, run: Run, criterion: str) -> Output | None:
        """The loss gradient at the start of a training, for a criterion that needs it."""
        if not make_criterion(criterion).needs_gradient:
            return None
        return run.read(InitialGradient(self.gradient_examples), "gradient")

    def mask(self, dense: Run, criterion: str, rounds: int, **own: Any) -> Output:
        """The mask of a dense run after so many rounds, done in one from a full mask.

        Args:
          dense: The run.
          criterion: By which weights are kept, a name.
          rounds: How many; it also numbers the mask, so that ties fall anew.
          own: Fields of `Prune` that are others: an iterative round gives its own weights at both ends, the
            last mask, and `power` 1.
        """
        fields: dict[str, Any] = {
            "model": self.network,
            "shape": self.shape,
            "criterion": make_criterion(criterion),
            "before": dense.at(START),
            "after": self.scored(dense),
            "seeds": dense.seeds,
            "gradient": self.gradient(dense, criterion),
            "rates": self.rates,
            "power": rounds,
            "round": rounds,
            "rule": self.rule,
        }
        return Prune(**fields | own).output("mask")
