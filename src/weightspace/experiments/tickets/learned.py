"""Masks that are learned, as values: how they are trained, and the spaces that are compared.

training: MaskTraining = MaskTraining()            # where only masks are trained
learning: Learning = Learning()                    # beside a training of weights: `learning.of(training)`
arms: Arms = Arms()

def ask(self):
for labels, space in self.arms.spaces():
for seeds in self.training.each_seed():
yield self.arms.row(self.training, labels, space, seeds)
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from weightspace.derived.mask_like import MaskLike
from weightspace.errors import InputError
from weightspace.experiments.settings import number, passing, swept
from weightspace.experiments.tickets.recipes import TicketTraining
from weightspace.experiments.training import further
from weightspace.masks.criteria import make_criterion
from weightspace.node import Output
from weightspace.probes import Density, Evaluation
from weightspace.probes.mask import SAMPLES, LearnedMask, MaskEvaluation
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run, Watch
from weightspace.spaces.base import DEFAULT_POINT, Space
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.supermask import SAMPLE, THRESHOLD, Supermask
from weightspace.streams import Seeds

_ARMS = {
    ("none", "none"): "plain",
    ("constant", "none"): "signed",
    ("none", "gradient"): "rescaled",
    ("constant", "gradient"): "both",
    ("none", "stopped"): "rescaled_stopped",
    ("constant", "stopped"): "both_stopped",
}
_POPUP = {"none": "popup", "constant": "popup_signed", "kaiming": "popup_kaiming"}
ARMS = (*_ARMS.values(), *_POPUP.values())
"""The names of all arms, in the order in which they are shown."""
STRENGTH = 10.0
POPUP_LR = 0.1
LEARNED = "learned"


@dataclasses.dataclass(frozen=True)
class MaskTraining(TicketTraining):
    """How masks are trained over weights that never are."""

    epochs: float = number(60, above=0)
    optimiser: str = "momentum"
    lr: float = 100.0
    batch_size: int = 250
    eval_every: str = passing("1ep")


@dataclasses.dataclass(frozen=True)
class Learning:
    """How masks are trained, with momentum 0.9, where weights are trained too."""

    mask_epochs: float = number(60, words="mask_epochs", above=0)
    """Passes over the data while a mask is learned."""
    mask_lr: float = number(100.0, words="mask_lr", above=0)
    """Learning rate of the mask."""
    mask_batch_size: int = number(250, words="mask_batch_size", least=1)
    """Examples of a step while a mask is learned."""
    mask_eval_every: str = passing("1ep")
    """Evaluation cadence of the mask's training."""

    def of(self, training: TicketTraining) -> TicketTraining:
        """The training of a mask: the network, data and seeds of another."""
        return dataclasses.replace(
            training, epochs=self.mask_epochs, lr=self.mask_lr, batch_size=self.mask_batch_size,
            eval_every=self.mask_eval_every, optimiser="momentum", weight_decay=0.0,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Arms:
    """The spaces of masks that are compared, and how masks are drawn in them."""

    scale: tuple[str, ...] = swept("none", "constant")
    """Weights under the mask: none (as initialised), constant (the layer's deviation, signed); for popup also
    kaiming."""
    rescale: tuple[str, ...] = swept("none", "gradient")
    """Rescaling of layers by size over ones: none, gradient (passes through it), stopped (does not)."""
    multiplier: float = 1.0
    """Of the signed constants."""
    logit: tuple[float, ...] = swept(0.0, empty=True)
    """Mask logits before training, which set the density that it starts from: 0 keeps half."""
    density: tuple[float, ...] = swept(empty=True)
    """Densities that a penalty aims at; none leaves it to training."""
    strength: float = STRENGTH
    """Of that penalty, which is spread over all weights: a larger network needs a larger one."""
    rounding: bool = False
    """The variant without samples: probabilities are rounded for a random half of the weights."""
    popup: tuple[float, ...] = swept(empty=True)
    """Shares that edge-popup keeps; none leaves it out."""
    popup_lr: float = number(POPUP_LR, words="popup_lr", least=0)
    """Its learning rate: its scores have no sigmoid to pass."""
    parts: int = number(1, least=1)
    """Parts that a batch is cut into, each under a mask of its own; batch-size draws one for each example."""
    samples: int = number(SAMPLES, least=2)
    """Masks that are drawn at the end, whose accuracies are averaged; at least 2."""

    def check(self) -> None:
        """Every option is of a space that is asked for.

        Raises:
          InputError: For the first that is not.
        """
        if not self.logit and not self.popup:
            raise InputError("no logit to sweep; give at least one, or shares for popup")
        if not self.logit and (self.density or self.rounding or self.parts != 1):
            raise InputError(
                "density, rounding and parts are of supermasks, which need a logit; give at least one"
            )
        if self.strength != STRENGTH and not self.density:
            raise InputError(f"strength is {self.strength}, but there is no target; give density")
        if self.popup_lr != POPUP_LR and not self.popup:
            raise InputError(f"popup_lr is {self.popup_lr}, but no popup is asked for; give shares to keep")
        if self.multiplier != 1 and not {"constant", "kaiming"} & set(self.scale):
            raise InputError(f"multiplier is {self.multiplier}, but no scale uses it; add constant")
        _ = tuple(self.spaces())

    @property
    def densities_differ(self) -> bool:
        """Whether something is swept that sets the share of weights kept."""
        return any(len(set(values)) > 1 for values in (self.logit, self.density, self.popup))

    def spaces(self) -> Iterator[tuple[dict[str, Any], Space]]:
        """The spaces, with their labels."""
        # A scale that only edge-popup has is left to it.
        masked = [name for name in self.scale if name != "kaiming" or not self.popup]
        for scale, rescale, logit in itertools.product(masked, self.rescale, self.logit):
            for target in self.density or (None,):
                more = {} if target is None else {"density": target, "strength": self.strength}
                more |= {"multiplier": self._multiplier(scale)}
                space = Supermask(logit, scale=scale, rescale=rescale, rounding=self.rounding, **more)
                aim = {} if target is None else {"target": target}
                yield {"arm": _ARMS[scale, rescale], "logit": logit} | aim, space
        for scale, keep in itertools.product(self.scale, self.popup):
            space = EdgePopup(keep, scale=scale, multiplier=self._multiplier(scale))
            yield {"arm": _POPUP[scale], "keep": keep}, space

    def _multiplier(self, scale: str) -> float:
        return 1.0 if scale == "none" else self.multiplier

    def row(self, training: TicketTraining, labels: dict[str, Any], space: Space, seeds: Seeds) -> Row:
        """The training of a mask, a line of the table."""
        run = training.run(space, seeds)
        # Of edge-popup nothing is drawn, so that parts would change nothing.
        own: dict[str, Any] = {"samples": self.parts}
        if isinstance(space, EdgePopup):
            own = {"optimiser": make_optimiser(training.optimiser, self.popup_lr)}
        run = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **own))
        return Row(labels | training.named, run, mask_watch(run, training, self.samples))


@dataclasses.dataclass(frozen=True)
class LearnedOrLike:
    """A learned mask, and masks with as many weights in each layer."""

    masks: tuple[str, ...] = swept(LEARNED, "random", "large_final")
    """Masks under which weights are trained: learned, or a criterion with the learned mask's densities."""
    point: str = THRESHOLD
    """Which mask is taken of the learned probabilities: threshold, or a sample such as sample0."""
    scale: str = "none"
    """Weights under the mask while it is learned: none (as initialised) or constant."""
    rescale: str = "gradient"
    """Rescaling while it is learned: none, gradient, stopped."""
    logit: float = 0.0
    """Mask logits before training."""

    def check(self) -> None:
        """The point is one of masks, and the others can be made of trained weights.

        Raises:
          InputError: If not.
        """
        for name in self.masks:
            by = None if name == LEARNED else make_criterion(name)
            if by is not None and (by.fixed or by.needs_gradient):
                raise InputError(f"masks compares '{LEARNED}' with criteria of trained weights, not '{name}'")
        if self.point != THRESHOLD and not SAMPLE.fullmatch(self.point):
            raise InputError(
                f"point is '{self.point}', but must be '{THRESHOLD}' or a sample such as sample0"
            )
        _ = self.space

    @property
    def space(self) -> Supermask:
        """Where it is learned."""
        return Supermask(self.logit, scale=self.scale, rescale=self.rescale)

    @property
    def accuracy(self) -> str:
        """The column of its accuracy before weights are trained."""
        return "threshold_test_accuracy" if self.point == THRESHOLD else "sampled_test_accuracy"

    def of(self, found: Run, dense: Run) -> Iterator[tuple[str, Output]]:
        """The masks by name.

        Args:
          found: The training of the mask.
          dense: The training of all weights, which criteria look at.
        """
        learned = found.read(LearnedMask(self.point), "mask")
        for name in self.masks:
            yield name, learned if name == LEARNED else _like(learned, name, dense)


def _like(mask: Output, criterion: str, dense: Run) -> Output:
    return MaskLike(
        model=dense.model, shape=tuple(dense.task.data.shape), mask=mask, criterion=make_criterion(criterion),
        before=dense.at(0), after=dense.final(), seeds=dense.seeds,
    ).output("mask")  # fmt: skip


def mask_watch(run: Run, training: TicketTraining, samples: int = SAMPLES) -> Watch:
    """Validation along the way by one sampled mask, all measures of the masks at the end."""
    random = run.space.random_masks
    point = "sample0" if random else DEFAULT_POINT
    along = Evaluation(("validation",), names=(point,))
    at_the_end = MaskEvaluation(samples if random else 0)
    densities = Density(names=(DEFAULT_POINT, "sample0") if random else (DEFAULT_POINT,))
    extra = further(training.probes, ("evaluation", "density"))
    return Watch(training.eval_every, (along, at_the_end, densities, LearnedMask(), *extra))
