"""`symmetry.prune`: what is left of a mask's symmetry while training prunes or exchanges its weights?

The mask is kept at each event of a run's edit and at its end, and its symmetry counted exactly.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.derived.pattern_mask import PatternMask
from weightspace.derived.prune import Prune
from weightspace.derived.sparse_start import SparseStart
from weightspace.derived.symmetry import Symmetry
from weightspace.edits.base import Edit
from weightspace.edits.exchange import RigL, Set
from weightspace.edits.gradual import Gradual
from weightspace.edits.stepwise import Stepwise
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.symmetry.masks import COUNTED, IOANNOU_2020
from weightspace.experiments.symmetry.shown import (
    DRAWN,
    LOST,
    PARTIAL,
    POOLED,
    against_lost,
    against_sparsity,
)
from weightspace.experiments.symmetry.training import PAPER, PROBES, WAY, StudyTraining
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.masks.counts import Rates
from weightspace.probes import MaskAt
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds
from weightspace.tables.base import Given, On, Table
from weightspace.tables.correlations import Related
from weightspace.tables.curves import Curves, Traces
from weightspace.tables.means import Means
from weightspace.tables.paired import Pairs
from weightspace.tables.words import Label

DENSE = "dense"
ARMS = ("start", "stepwise", "stepwise-global", "gradual", "gradual-global", "set", "rigl")
METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", *WAY, *COUNTED)


@dataclasses.dataclass(frozen=True)
class Changes:
    """How masks come about, and when they change."""

    arms: tuple[str, ...] = swept(*ARMS, words="arm")
    """Arms: start prunes before the first step, stepwise at the moments, gradual along a cubic ramp (both by
    layer, or -global), set and rigl exchange the weights of a random mask."""
    sparsities: tuple[float, ...] = swept(0.9, words="sparsity", above=0, below=1)
    """Shares of the masked kernels' weights that are zero in the end; the output layer stays dense."""
    moments: tuple[str, ...] = ("20%", "40%", "60%")
    """When stepwise pruning acts: shares of the training, epochs or steps."""
    shares: tuple[float, ...] = (0.5, 0.8, 1.0)
    """Of the sparsity, which stepwise pruning reaches at each moment."""
    every: str = "10%"
    """Between two changes of the other arms."""
    until: str = "75%"
    """When masks of the other arms change for the last time."""

    def check(self) -> None:
        """Arms are known, and named once.

        Raises:
          InputError: For the first that is not.
        """
        for arm in self.arms:
            check_choice("arm", arm, ARMS)
        if len(set(self.arms)) != len(self.arms):
            raise InputError(f"an arm is named twice in {', '.join(self.arms)}; name each once")

    def run(self, training: StudyTraining, seeds: Seeds, arm: str, sparsity: float) -> Run:
        """An arm's training."""
        model, shape = training.network(), tuple(training.task.data.shape)
        if arm == "start":
            before = training.run(Full(), seeds).at(0)
            mask = Prune(
                model, shape, "large_final", before, before, seeds,
                rates=Rates(sparsity, sparsity, 0.0), empty=True,
            ).output("mask")  # fmt: skip
            return training.run(Masked(mask), seeds)
        own = PatternMask(model, shape, seeds, "random", sparsity if arm in ("set", "rigl") else 0.0)
        mask = own.output("mask")
        start = SparseStart(model, shape, mask, seeds).output("weights") if arm in ("set", "rigl") else None
        return dataclasses.replace(
            training.run(Masked(mask, start=start), seeds), edits=self._edits(arm, sparsity)
        )

    def _edits(self, arm: str, sparsity: float) -> tuple[Edit, ...]:
        method, _, scope = arm.partition("-")
        more: dict[str, Any] = {"scope": scope or "layer"}
        when: dict[str, Any] = {"every": self.every, "until": self.until}
        if method == "stepwise":
            return (Stepwise(sparsity, self.moments, self.shares, **more),)
        if method == "gradual":
            return (Gradual(sparsity, layers=None, **when, **more),)
        return () if arm == DENSE else (Set(**when) if arm == "set" else RigL(**when),)


@dataclasses.dataclass(frozen=True)
class AtTheEnd(Table):
    """The rows of the last moment of each training: what is counted before it goes with no accuracy."""

    def of(self, given: Given) -> Frame:
        """The rows."""
        rows = given.rows
        if "after" not in rows or rows.empty:
            return rows
        last = rows.groupby(["arm", "sparsity", "seed"])["after"].transform("max")
        return rows[rows["after"] == last].reset_index(drop=True)


class SymmetryPrune(
    Experiment,
    name="symmetry.prune",
    gpu=("paper",),
    question="What is left of a mask's symmetry while training prunes or exchanges its weights?",
    paper=IOANNOU_2020,
    reading="Symmetry is that of the units alive, after each change. Pruning goes by magnitude, so "
    "that hardly two units keep the same connections. A pruned mask and a random one may have equally little "
    "symmetry: by itself it does not tell which of them trains well.",
    presets={
        "smoke": {"model": "mnist_fc:widths=8,8", "epochs": 2.0, "seeds": ("2",), "every": "25%",
                  "arms": ("start", "stepwise", "rigl")},
        "quick": {},
        "mnist": {"data": "mnist", "seeds": ("5",), "sparsities": (0.5, 0.75, 0.9, 0.95)},
        "paper": PAPER | {"sparsities": (0.5, 0.75, 0.9, 0.95)},
    },
    by=("arm", "sparsity", "after"),
    metrics=METRICS,
    words=(Label("after", "steps done", "after {:g} steps", order="always"),),
):  # fmt: skip
    """What is left of a mask's symmetry while training prunes or exchanges its weights?"""

    training: StudyTraining = StudyTraining(model="mnist_fc", epochs=10.0, optimiser="adam", lr=0.01)
    changes: Changes = Changes()
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """The dense network and every arm at every sparsity, and the symmetry of their masks."""
        for seeds in self.training.each_seed():
            yield from self._arm(seeds, DENSE, 0.0)
            for arm in self.changes.arms:
                for sparsity in self.changes.sparsities:
                    yield from self._arm(seeds, arm, sparsity)

    def _arm(self, seeds: Seeds, arm: str, sparsity: float) -> Iterator[Row]:
        run = self.changes.run(self.training, seeds, arm, sparsity)
        data = self.training.task.data
        data.check()
        total, per_epoch = run.recipe.steps(data.size, data.counted), run.recipe.steps_per_epoch(data.size)
        labels = {"arm": arm, "sparsity": sparsity, "seed": seeds.base}
        yield Row({**labels, "after": total}, run, self.training.watching(own=PROBES))
        events = {step for edit in run.edits for step in edit.steps(total, per_epoch)}
        for step in sorted({*events, total}):
            mask = run.read(MaskAt(f"{step}it"), "mask")
            counted = Symmetry(run.model, tuple(run.task.data.shape), mask)
            yield Row({**labels, "after": step}, counted)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means at each event and at the end, arms compared, symmetry in time, correlations at the end."""
        arms, every = ("arm", "sparsity"), ("arm", "sparsity", "after")
        counted = ("alive_lost_digits", "alive_order_digits", "alive_units")
        shown = (against_sparsity(("arm",), self.confidence), against_lost(("arm",), self.confidence))
        return (
            Answer("means", Means(METRICS, by=every, interval=self.confidence), shown=0),
            Answer(
                "end", On(AtTheEnd(), Means(METRICS, by=arms, interval=self.confidence)), *shown, shown=0
            ),
            Answer(
                "pairs",
                Pairs(("test_accuracy",), arm="arm", against=self.changes.arms[0], within=("sparsity",)),
            ),
            Answer(
                "events",
                Curves(counted, x="after", arms=arms),
                Curve(x="after", arms=arms, name="events", title="Symmetry after each change of the mask",
                      spread="sd"),
                shown=0,
            ),
            Answer("correlation", Related(DRAWN, LOST, within=("sparsity",)), note=POOLED),
            Answer("partial", Related(DRAWN, LOST, ("sparsity",), fixed=("alive_units",)), note=PARTIAL),
            Answer("layers", Traces(("mask_density", "mask_dropped", "mask_grown"), arms=arms), shown=0),
        )  # fmt: skip
