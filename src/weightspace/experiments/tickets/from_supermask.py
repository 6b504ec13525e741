"""`tickets.from-supermask`: a learned mask as a ticket, its weights trained like any others."""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from weightspace.derived.mask_like import MaskLike
from weightspace.errors import InputError
from weightspace.experiments.tickets.dense import SMOKE
from weightspace.experiments.tickets.protocol import PAPER, TicketTraining
from weightspace.experiments.tickets.supermask import MaskTraining, mask_watch
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.masks.criteria import make_criterion
from weightspace.masks.kept import make_kept
from weightspace.node import Output
from weightspace.probes.mask import SAMPLES, LearnedMask
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Row, Run
from weightspace.spaces.supermask import SAMPLE, THRESHOLD, Supermask
from weightspace.streams import Seeds
from weightspace.tickets import ticket

LEARNED, DENSE, UNTRAINED = "learned", "dense", "untrained"
ACCURACY = "accuracy"


@dataclasses.dataclass(frozen=True)
class TicketsFromSupermask(MaskTraining, TicketTraining):
    """Is a mask under which untrained weights do well also one under which weights train well?

    A mask is learned over the initial weights; then these weights are trained under it. Beside it stand masks
    with as many weights in each layer: a random one, and that of the largest weights of the dense network.
    """

    masks: tuple[str, ...] = (LEARNED, "random", "large_final")
    """Masks under which weights are trained: learned, or a criterion with the learned mask's densities."""
    kept: tuple[str, ...] = ("rewind", "rewind:rescaled=true")
    """What kept weights start from: rewind, rewind:rescaled=true (times size / ones), signed_constant, …"""
    point: str = THRESHOLD
    """Which mask is taken of the learned probabilities: threshold, or a sample such as sample0."""
    scale: str = "none"
    """Weights under the mask while it is learned: none (as initialised) or constant."""
    rescale: str = "gradient"
    """Rescaling while it is learned: none, gradient, stopped."""
    logit: float = 0.0
    """Mask logits before training."""

    name = "tickets.from-supermask"
    question = "Do weights train well under a mask that was learned without training them?"
    paper = dataclasses.replace(PAPER, figure="the original code's `--mask_type learned`; no figure")
    reading = (
        "Each dot is a run: the test accuracy at the step of least validation loss, and of the learned mask "
        "before its weights were trained. Masks beside it keep as many weights in each layer. A learned "
        "mask is a good ticket where it does better than a random one, and as well as the dense network."
    )
    by = ("mask", "kept")
    metrics = (ACCURACY, "best_test_accuracy", "test_accuracy", "best_step", "density")
    swept = (*TicketTraining.swept, "masks", "kept")
    passing = ("mask_eval_every",)
    minutes: ClassVar = {"quick": "3.5 on 2 cores"}
    presets: ClassVar = {
        "smoke": SMOKE | {"mask_epochs": 30.0, "mask_batch_size": 50},
        "quick": {"epochs": 6.0, "mask_epochs": 10.0, "seeds": ("3",)},
        # The cadence of tickets.supermask, so that its masks serve here.
        "paper": {"mask_epochs": 2000.0, "mask_eval_every": "20ep", "seeds": ("5",)},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_mask_training()
        for field in ("masks", "kept"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        for name in self.masks:
            by = None if name == LEARNED else make_criterion(name)
            if by is not None and (by.fixed or by.needs_gradient):
                raise InputError(f"masks compares '{LEARNED}' with criteria of trained weights, not '{name}'")
        for name in self.kept:
            if name.partition(":")[0] == "shrunk":
                raise InputError("kept is 'shrunk', but a learned mask has no weights after training")
            make_kept(name)
        if self.point != THRESHOLD and not SAMPLE.fullmatch(self.point):
            raise InputError(
                f"point is '{self.point}', but must be '{THRESHOLD}' or a sample such as sample0"
            )
        _ = self._space, self._recipe

    @property
    def _space(self) -> Supermask:
        return Supermask(self.logit, scale=self.scale, rescale=self.rescale)

    @property
    def _recipe(self) -> Recipe:
        optimiser = make_optimiser("momentum", self.mask_lr)
        return Recipe(optimiser, f"{self.mask_epochs:g}ep", batch=self.mask_batch_size, remainder="drop")

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense network, the training of the mask, and all trainings under masks."""
        rows = []
        for seeds in self.numbered_seeds():
            dense = self.dense(seeds)
            found = Run(self.network, self.task, self._space, self._recipe, seeds, precision=self.precision)
            watch = mask_watch(found, self.mask_eval_every, SAMPLES, self.probes)
            rows.append(self.row(dense, {"mask": DENSE}))
            labels = dict(rows[-1].labels) | {"mask": UNTRAINED}
            rows.append(Row(labels, found, watch))
            rows += [self.row(run, labels) for labels, run in self._tickets(dense, found, seeds)]
        yield rows

    def _tickets(self, dense: Run, found: Run, seeds: Seeds) -> Iterator[tuple[dict[str, Any], Run]]:
        learned = found.read(LearnedMask(self.point), "mask")
        for name in self.masks:
            mask = learned if name == LEARNED else self._like(learned, name, dense)
            for kept in self.kept:
                space = ticket(dense, mask, kept=kept)
                yield {"mask": name, "kept": kept}, self.training(space, seeds)

    def _like(self, learned: Output, name: str, dense: Run) -> Output:
        return MaskLike(
            model=self.network, shape=self.shape, mask=learned, criterion=make_criterion(name),
            before=dense.at(0), after=dense.final(), seeds=dense.seeds,
        ).output("mask")  # fmt: skip

    def measured(self, table: Frame, history: Frame) -> Frame:
        """With `accuracy`: at early stopping, or of the learned mask before training, at its point."""
        column = "threshold_test_accuracy" if self.point == THRESHOLD else "sampled_test_accuracy"
        untrained = table["mask"] == UNTRAINED
        at_stop = table["best_test_accuracy"] if "best_test_accuracy" in table else float("nan")
        before = table[column] if column in table else float("nan")
        found = table.assign(accuracy=at_stop)
        return found.assign(accuracy=found[ACCURACY].where(~untrained, before))

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`pairs`: every two masks and starts, seed by seed."""
        from weightspace.experiments.tickets.paired import between

        return {"pairs": between(self._with_settings(table), "setting", (ACCURACY,))}

    def _with_settings(self, table: Frame) -> Frame:
        """With an ordered name of each mask and start."""
        from pandas import Categorical

        starts = table["kept"] if "kept" in table else table["mask"].map(lambda _: None)
        pairs = list(zip(table["mask"], starts, strict=True))
        order = [(DENSE, None), (UNTRAINED, None), *((m, k) for m in self.masks for k in self.kept)]
        names = [_name(mask, kept, len(self.kept) > 1) for mask, kept in order]
        own = [_name(mask, kept, len(self.kept) > 1) for mask, kept in pairs]
        return table.assign(setting=Categorical(own, names, ordered=True))

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracy by mask, before and after training."""
        from weightspace.figures.supermasks import ticket_panels

        return ticket_panels(self._with_settings(table))


def _name(mask: str, kept: Any, several: bool) -> str:
    text = {UNTRAINED: "learned, untrained"}.get(mask, mask.replace("_", " "))
    return f"{text}, {make_kept(kept).name.replace('_', ' ')}" if several and isinstance(kept, str) else text
