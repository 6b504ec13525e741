"""`tickets.supermask`: masks that are trained, while the weights under them never are."""

import dataclasses
import itertools
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from weightspace.errors import InputError, check_number
from weightspace.experiments.tickets.dense import SMOKE
from weightspace.experiments.tickets.protocol import PAPER, TicketTraining
from weightspace.experiments.training import further
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.probes import Density, Evaluation
from weightspace.probes.mask import SAMPLES, LearnedMask, MaskEvaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run, Watch
from weightspace.spaces.base import DEFAULT_POINT, Space
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.supermask import Supermask
from weightspace.streams import Seeds

LABELS = ("arm", "logit", "target", "keep")
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
ACCURACIES = ("sampled_test_accuracy", "threshold_test_accuracy")
MASK_SMOKE: dict[str, Any] = SMOKE | {"lr": 100.0, "batch_size": 50, "eval_every": "5ep"}


@dataclasses.dataclass(frozen=True)
class MaskTraining:
    """Fields of experiments that train masks and weights: how the masks are trained, with momentum 0.9."""

    mask_epochs: float = 60
    """Passes over the data while a mask is learned."""
    mask_lr: float = 100.0
    """Learning rate of the mask."""
    mask_batch_size: int = 250
    """Examples of a step while a mask is learned."""
    mask_eval_every: str = "1ep"
    """Evaluation cadence of the mask's training."""

    def check_mask_training(self) -> None:
        """Raise InputError where a number makes no sense, by its own name."""
        check_number("mask_epochs", self.mask_epochs, above=0)
        check_number("mask_lr", self.mask_lr, above=0)
        check_number("mask_batch_size", self.mask_batch_size, least=1)


@dataclasses.dataclass(frozen=True)
class TicketsSupermask(TicketTraining):
    """How well can an untrained network do under the best mask that training finds?

    Each weight of a kernel has a probability of being kept, and only these are trained; biases are zero. Arms
    differ in the weights under the mask (as initialised, or signed constants) and in whether layers are
    rescaled by their size over the number of ones. Edge-popup, which keeps a fixed share of each layer, can
    be set beside them.
    """

    epochs: float = 60
    optimiser: str = "momentum"
    lr: float = 100.0
    batch_size: int = 250
    eval_every: str = "1ep"
    scale: tuple[str, ...] = ("none", "constant")
    """Weights under the mask: none (as initialised), constant (the layer's deviation, signed); for popup also
    kaiming."""
    rescale: tuple[str, ...] = ("none", "gradient")
    """Rescaling of layers by size over ones: none, gradient (passes through it), stopped (does not)."""
    multiplier: float = 1.0
    """Of the signed constants."""
    logit: tuple[float, ...] = (0.0,)
    """Mask logits before training, which set the density that it starts from: 0 keeps half."""
    density: tuple[float, ...] = ()
    """Densities that a penalty aims at; none leaves it to training."""
    strength: float = STRENGTH
    """Of that penalty, which is spread over all weights: a larger network needs a larger one."""
    rounding: bool = False
    """The variant without samples: probabilities are rounded for a random half of the weights."""
    popup: tuple[float, ...] = ()
    """Shares that edge-popup keeps; none leaves it out."""
    popup_lr: float = 0.1
    """Its learning rate: its scores have no sigmoid to pass."""
    parts: int = 1
    """Parts that a batch is cut into, each under a mask of its own; batch-size draws one for each example."""
    samples: int = SAMPLES
    """Masks that are drawn at the end, whose accuracies are averaged; at least 2."""

    name = "tickets.supermask"
    question = "How well can an untrained network do under the best mask that training finds?"
    paper = dataclasses.replace(PAPER, figure="Table 1 and section 5: learned supermasks")
    reading = (
        "Sampled accuracies are means over masks drawn from the learned probabilities, thresholded ones are "
        "of the mask of all probabilities above one half. Rescaling and signed constants both help, and "
        "rescaled masks are sparser."
    )
    by = LABELS
    metrics = (
        "sampled_test_accuracy", "sampled_sd_test_accuracy", "threshold_test_accuracy",
        "threshold_train_accuracy", "expected_density", "sample0_density", "density",
    )  # fmt: skip
    swept = (*TicketTraining.swept, "scale", "rescale", "logit", "density", "popup")
    passing = ("eval_every",)
    minutes: ClassVar = {"paper": "some 500 on 2 cores, by 60 epochs' 14"}
    presets: ClassVar = {
        "smoke": MASK_SMOKE,
        "quick": {"epochs": 10.0, "seeds": ("3",)},
        "paper": {"epochs": 2000.0, "seeds": ("5",), "eval_every": "20ep"},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.logit and not self.popup:
            raise InputError("no logit to sweep; give at least one, or shares for popup")
        if not self.logit and (self.density or self.rounding or self.parts != 1):
            raise InputError(
                "density, rounding and parts are of supermasks, which need a logit; give at least one"
            )
        for field in ("scale", "rescale"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        if self.strength != STRENGTH and not self.density:
            raise InputError(f"strength is {self.strength}, but there is no target; give density")
        if self.multiplier != 1 and not {"constant", "kaiming"} & set(self.scale):
            raise InputError(f"multiplier is {self.multiplier}, but no scale uses it; add constant")
        check_number("popup_lr", self.popup_lr, least=0)
        check_number("samples", self.samples, least=2)
        check_number("parts", self.parts, least=1)
        if self.batch_size % self.parts:
            raise InputError(f"parts is {self.parts}, but must divide the batch_size of {self.batch_size}")
        _ = tuple(self.arms())

    def arms(self) -> Iterator[tuple[dict[str, Any], Space]]:
        """The spaces that are compared, with their labels."""
        for scale, rescale, logit in itertools.product(self._masked(), self.rescale, self.logit):
            for target in self.density or (None,):
                more = {} if target is None else {"density": target, "strength": self.strength}
                more |= {"multiplier": self._multiplier(scale)}
                space = Supermask(logit, scale=scale, rescale=rescale, rounding=self.rounding, **more)
                aim = {} if target is None else {"target": target}
                yield {"arm": _ARMS[scale, rescale], "logit": logit} | aim, space
        for scale, keep in itertools.product(self.scale, self.popup):
            space = EdgePopup(keep, scale=scale, multiplier=self._multiplier(scale))
            yield {"arm": _POPUP[scale], "keep": keep}, space

    def _masked(self) -> tuple[str, ...]:
        """The scales that supermasks have: one of edge-popup's is left to it."""
        return tuple(name for name in self.scale if name != "kaiming" or not self.popup)

    def _multiplier(self, scale: str) -> float:
        return 1.0 if scale == "none" else self.multiplier

    def ask(self) -> Generator[list[Row], Frame, None]:
        """All arms and seeds at once."""
        seeds = tuple(self.numbered_seeds())
        yield [self.row(self.learned(space, s), labels) for labels, space in self.arms() for s in seeds]

    def learned(self, space: Space, seeds: Seeds) -> Run:
        """The training of a mask."""
        return Run(self.network, self.task, space, self._recipe(space), seeds, precision=self.precision)

    def _recipe(self, space: Space) -> Recipe:
        if isinstance(space, EdgePopup):  # nothing is drawn, so that parts would change nothing
            return dataclasses.replace(self.recipe, optimiser=make_optimiser(self.optimiser, self.popup_lr))
        return dataclasses.replace(self.recipe, samples=self.parts)

    def watch_of(self, run: Run) -> Watch:
        """Validation along the way by one sampled mask, all measures of the masks at the end."""
        return mask_watch(run, self.eval_every, self.samples, self.probes)

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`pairs`: every two arms, seed by seed. `densities`: of each arm and layer."""
        from weightspace.experiments.tickets.paired import between

        rows = with_settings(table)
        return {"pairs": between(rows, "setting", ACCURACIES), "densities": densities(rows)}

    def shown(self, name: str, frame: Frame) -> Frame:
        """The first lines."""
        return frame.head(30)

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracy and densities by arm, accuracy against density, the first layer's mask."""
        from weightspace.figures.supermasks import panels

        rows = with_settings(table)
        return panels(rows, densities(rows), outputs)


def mask_watch(run: Run, steps: str, samples: int, more: tuple[str, ...]) -> Watch:
    """What is recorded of the training of a mask."""
    random = run.space.random_masks
    point = "sample0" if random else DEFAULT_POINT
    along = Evaluation(("validation",), names=(point,))
    at_the_end = MaskEvaluation(samples if random else 0)
    densities = Density(names=(DEFAULT_POINT, "sample0") if random else (DEFAULT_POINT,))
    extra = further(more, ("evaluation", "density"))
    return Watch(steps, (along, at_the_end, densities, LearnedMask(), *extra))


def with_settings(table: Frame) -> Frame:
    """The table with `setting`, an ordered name of each arm that says only in what the arms differ."""
    from pandas import Categorical, DataFrame

    labels = [label for label in LABELS if label in table and table[label].notna().any()]
    known: DataFrame = table[labels].drop_duplicates()
    place = known["arm"].map(ARMS.index)
    known = known.assign(place=place).sort_values(["place", *labels[1:]]).drop(columns="place")
    several = [label for label in labels[1:] if known[label].nunique() > 1]

    def name(row: Any) -> str:
        parts = [f"{label} {row[label]:g}" for label in several if row[label] == row[label]]
        return ", ".join([row["arm"].replace("_", " "), *parts])

    names = list(dict.fromkeys(name(row) for _, row in known.iterrows()))
    own = [name(row) for _, row in table.iterrows()]
    return table.assign(setting=Categorical(own, names, ordered=True))


def densities(rows: Frame) -> Frame:
    """The share of ones in each layer's mask, and in all (`layer` "all"): means over seeds.

    Args:
      rows: A row a run, with `setting`.

    Returns:
      Columns `setting`, `layer`, `kind` (expected, thresholded, sampled), `mean`, `least`, `greatest`, `n`.
    """
    from pandas import DataFrame

    kinds = {"expected": "expected_density", "thresholded": "density", "sampled": "sample0_density"}
    lines = []
    for setting, part in rows.groupby("setting", observed=True):
        for kind, column in kinds.items():
            own = [name for name in part if name == column or str(name).startswith(f"{column}_")]
            for name in own:
                values = part[name].dropna()
                layer = str(name).removeprefix(column).removeprefix("_") or "all"
                if len(values):
                    spread = (values.mean(), values.min(), values.max(), len(values))
                    lines.append((setting, layer, kind, *spread))
    return DataFrame(lines, columns=["setting", "layer", "kind", "mean", "least", "greatest", "n"])
