"""What the ticket experiments share, as values: how networks are trained, and how trained ones are pruned.

Zhou, Lan, Liu and Yosinski (2019): train, score every weight by its values at both ends, prune, restart the
kept weights, freeze the others, train again. `TicketTraining` gives the runs and what is recorded of them;
`Pruning` gives the masks of such runs.

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()

    def ask(self):
        for seeds in self.training.each_seed():
            dense = self.training.dense(seeds)
            mask = self.pruning.mask(self.training, dense, "large_final", rounds=8)
            yield self.pruning.row(self.training, {"round": 8}, self.training.run(Masked(mask), seeds))
"""

import dataclasses
import functools
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.prune import Prune
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.settings import number
from weightspace.experiments.training import Repeats, further
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
METRICS = (
    "best_test_accuracy", "test_accuracy", "best_step", "best_train_accuracy", "best_validation_loss",
    "density",
)  # fmt: skip
"""What the summary of pruned networks averages."""


@dataclasses.dataclass(frozen=True)
class TicketTraining(Repeats):
    """A network that is trained with early stopping, whole or in part."""

    model: str = "fc:initialiser=glorot_normal"
    """Network: a name of `list models`, such as lth_conv2:width=16, or package.module:factory."""
    data: str = "mnist"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    validation: int = 5000
    """Training examples set aside by seed: early stopping looks at these alone."""
    epochs: float = number(55, above=0)
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
    """Evaluation cadence: 1ep or 50it."""

    def check(self) -> None:
        """The optimiser has the decay that it needs."""
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

    def run(self, space: Space, seeds: Seeds, *, begun: int | None = None) -> Run:
        """A training in a space; from weights that have trained for `begun` steps, only for those left."""
        run = Run(self.network, self.task, space, self.recipe, seeds, precision=self.precision)
        if begun is None:
            return run
        left = self.recipe.steps(self.task.data.size) - begun
        return dataclasses.replace(run, recipe=dataclasses.replace(self.recipe, length=f"{left}it"))

    def dense(self, seeds: Seeds) -> Run:
        """The training of all weights that everything starts from."""
        return self.run(Full(), seeds)

    def step_of(self, rewind: str) -> int:
        """The step of the dense run that is gone back to.

        Raises:
          InputError: If no steps are left after it.
        """
        data = self.task.data
        data.check()
        total = self.recipe.steps(data.size, data.counted)
        step = Length.parse(rewind).steps(self.recipe.steps_per_epoch(data.size), total)
        hint = f"The dense run has {total} steps."
        check_number(f"step of rewind '{rewind}'", step, below=total, hint=hint)
        return step

    @property
    def best(self) -> Best:
        """Early stopping, among the readings."""
        return Best(self.eval_every)

    def watch(self, run: Run, own: tuple[str, ...] = (), *more: Probe) -> Watch:
        """Validation along the way, train and test once, early stopping; the density of masks, if any.

        Args:
          run: What is watched.
          own: Names of probes that the question asks for itself, as outputs.
          more: Further probes of the question.

        Raises:
          InputError: If no examples are set aside for validation.
        """
        if not self.validation:
            raise InputError("tickets are chosen by validation loss; give validation=<examples>")
        evaluation = Evaluation(("validation",), last=("train", "test"))
        masks = (Density(layers=False),) if isinstance(run.space, Masked) else ()
        extra = further(self.probes, ("evaluation", "best", "density", *own))
        return Watch(self.eval_every, (evaluation, self.best, *masks, *extra, *more))

    def row(self, labels: dict[str, Any], run: Run, *more: Probe) -> Row:
        """A line of the table."""
        return Row(labels | self.named, run, self.watch(run, (), *more))

    @property
    def named(self) -> dict[str, str]:
        """Labels of every row: network and data, as they were given."""
        return {"model": self.model, "data": self.data}


@dataclasses.dataclass(frozen=True)
class Pruning:
    """How much a round removes, and which of a training's weights are scored."""

    dense_rate: float = 0.2
    """Share of the weights left that a round removes from dense layers."""
    conv_rate: float = 0.1
    """The same for convolutions."""
    output_rate: float = 0.1
    """The same for the output layer."""
    rule: str = "round"
    """How shares become whole numbers: round (exact), or legacy (the original's floating point)."""
    gradient_examples: int = number(100, words="gradient_examples", least=1)
    """Examples of the batch whose gradient at the start snip and grad go by."""
    score_at: str = END
    """Which weights are scored: at the end, at early-stop (least validation loss), after 500it, or when
    validation accuracy first reaches 50% at an reading."""

    def check(self) -> None:
        """Rates are shares, and the weights to be scored are named in one of the four ways."""
        check_choice("pruning rule", self.rule, RULES)
        _ = self.rates
        if self.accuracy_to_reach is None and self.score_at not in (END, EARLY):
            Length.parse(self.score_at)

    @property
    def rates(self) -> Rates:
        """Shares removed, by kind of layer."""
        return Rates(self.dense_rate, self.conv_rate, self.output_rate)

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

    def scoring(self, training: TicketTraining) -> Probe:
        """What keeps the weights after a training that criteria look at."""
        if self.accuracy_to_reach is not None:
            return Reached(training.eval_every, level=self.accuracy_to_reach)
        return training.best if self.score_at == EARLY else Snapshot(self.score_at)

    def scored(self, training: TicketTraining, run: Run) -> Output:
        """The weights after a training that criteria look at."""
        return run.read(self.scoring(training), "weights")

    def gradient(self, run: Run, criterion: str) -> Output | None:
        """The loss gradient at the start of a training, for a criterion that needs it."""
        if not make_criterion(criterion).needs_gradient:
            return None
        return run.read(InitialGradient(self.gradient_examples), "gradient")

    def mask(self, training: TicketTraining, dense: Run, criterion: str, rounds: int, **own: Any) -> Output:
        """The mask of a dense run after so many rounds, done in one from a full mask.

        Args:
          training: How the run was trained.
          dense: The run.
          criterion: By which weights are kept, a name.
          rounds: How many; it also numbers the mask, so that ties fall anew.
          own: Fields of `Prune` that are others: an iterative round gives its own weights at both ends, the
            last mask, and `power` 1.
        """
        fields: dict[str, Any] = {
            "model": training.network,
            "shape": training.shape,
            "criterion": make_criterion(criterion),
            "before": dense.at(START),
            "after": self.scored(training, dense),
            "seeds": dense.seeds,
            "gradient": self.gradient(dense, criterion),
            "rates": self.rates,
            "power": rounds,
            "round": rounds,
            "rule": self.rule,
        }
        return Prune(**fields | own).output("mask")

    def row(self, training: TicketTraining, labels: dict[str, Any], run: Run) -> Row:
        """A line of the table."""
        own = () if self.accuracy_to_reach is None else ("reached",)
        return Row(labels | training.named, run, training.watch(run, own))
