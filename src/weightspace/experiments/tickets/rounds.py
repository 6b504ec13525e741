"""Rounds of pruning, a recipe: which weights are kept, what they restart from, what the others are frozen at.

Three questions are asked of the same loop. All parts go together: criteria × kept × pruned is a product.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from weightspace.derived.restart import Restart
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.settings import extent, swept
from weightspace.experiments.tickets.recipes import START, Pruning, TicketTraining
from weightspace.figures.charts import Curve
from weightspace.masks.criteria import make_criterion
from weightspace.masks.kept import keeps_sign, make_kept
from weightspace.masks.prune import SCOPES
from weightspace.masks.pruned import Zero, make_pruned
from weightspace.recipes.length import Length
from weightspace.run import Row, Run
from weightspace.streams import Seeds
from weightspace.tables.columns import Filled
from weightspace.tables.curves import Curves
from weightspace.tables.paired import DENSE, NearestRounds, RoundPairs, Starred
from weightspace.tables.words import Metric

ARMS = ("criterion", "kept", "pruned")
BY = (*ARMS, "round")
DENSITY = Filled("density", ("criterion", DENSE), 1.0)
"""Of a dense network all weights are left."""
READING = (
    "Each point is the mean over seeds of the test accuracy at the step of least validation loss, after "
    "pruning to a share of the weights and training again. A ticket is found where a sparse network does "
    "at least as well as the dense one."
)
WORDS = (
    Metric("best_test_accuracy", "test accuracy at early stopping", "acc", "fraction", "higher",
           "test accuracy at the reading of least validation loss"),
    Metric("test_accuracy", "test accuracy at the end", "acc", "fraction", "higher",
           "share of the test examples whose largest output is the label, after the last step"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Rounds:
    """Training, pruning and restarting, again and again."""

    criteria: tuple[str, ...] = swept("large_final")
    """By which weights are kept: large_final, magnitude_increase, movement, random, …"""
    kept: tuple[str, ...] = swept("rewind")
    """What kept weights restart from: rewind, reinit, reshuffle, constant, signed_reinit, …"""
    pruned: tuple[str, ...] = swept("zero")
    """What pruned weights are frozen at: zero, at_init, zero_shrunk, zero_shuffled, zero_grown, …"""
    rounds: int = extent(24, least=1)
    """Rounds of pruning; each begins where the last one ended."""
    one_shot: bool = False
    """Prune from the dense network to the level of each round at once."""
    scope: str = "layer"
    """Weights are ranked within each layer, or over all together (global: all go by the dense rate)."""
    rewind: str = START
    """The step of the dense run that kept weights go back to: 0it, or later; rounds then train for the steps
    that are left."""
    compounding: bool = True
    """Actions work on what the last round began with (as in the original), not on the first weights; rescaled
    ones on the first weights, and frozen values that are not zero always last."""

    def check(self) -> None:
        """Criteria and actions are known, and go with the step that is gone back to."""
        check_choice("pruning scope", self.scope, SCOPES)
        Length.parse(self.rewind)
        for name in self.criteria:
            if make_criterion(name).needs_gradient and not self._from_start:
                raise InputError(
                    f"criterion '{name}' goes by the gradient at the start of training, but rewind is "
                    f"{self.rewind}; give rewind={START}, or another criterion"
                )
        nothing_yet = {"after": None, "last": None}
        for name in self.kept:
            make_kept(name, nothing_yet)
        for name in self.pruned:
            make_pruned(name, nothing_yet)

    @property
    def _from_start(self) -> bool:
        return Length.parse(self.rewind) == Length.parse(START)

    def rows(self, training: TicketTraining, pruning: Pruning) -> Iterator[Row]:
        """The dense runs and all rounds of all arms; rounds wait for those before them."""
        for seeds in training.each_seed():
            dense = training.dense(seeds)
            yield pruning.row(training, {"criterion": DENSE, "round": 0}, dense)
            for arm in itertools.product(self.criteria, self.kept, self.pruned):
                for number, run in self._chain(training, pruning, dense, seeds, *arm):
                    yield pruning.row(training, dict(zip(ARMS, arm, strict=True)) | {"round": number}, run)

    def _chain(
        self, training: TicketTraining, pruning: Pruning, dense: Run, seeds: Seeds, name: str, kept: str,
        pruned: str,
    ) -> Iterator[tuple[int, Run]]:  # fmt: skip
        """The rounds of one arm."""
        run, mask = dense, None
        begun = None if self._from_start else training.step_of(self.rewind)
        rates = pruning.rates if self.scope == "layer" else pruning.dense_rate
        start = before = dense.at(self.rewind)
        for number in range(1, self.rounds + 1):
            last = None if self.one_shot else mask
            after = pruning.scored(training, dense if self.one_shot else run)
            mask = pruning.mask(
                training, dense, name, number, before=before, after=after, mask=last, rates=rates,
                scope=self.scope, power=number if self.one_shot else 1,
            )  # fmt: skip
            at_hand = {"after": after, "last": last}
            restart = Restart(
                training.network, training.shape, mask, start, seeds, make_kept(kept, at_hand),
                make_pruned(pruned, at_hand), number - 1,
            )  # fmt: skip
            run = training.run(restart.space, seeds, begun=begun)
            yield number, run
            if self.one_shot:
                continue
            before = restart.space.start
            if self._builds_on(restart):
                start = restart.onward

    def _builds_on(self, restart: Restart) -> bool:
        """Whether the next round's actions work on what this one began with.

        Values frozen in earlier rounds must last, whatever is asked; a rescaling starts from the first
        weights each time, as in the original: else its factors would multiply.
        """
        if not isinstance(restart.pruned, Zero):
            return True
        return self.compounding and not restart.kept.rescaled

    def answers(self) -> tuple[Answer, ...]:
        """Paired comparisons; accuracy and early-stopping step against the share of weights left."""
        without = tuple(name for name in self.kept if not keeps_sign(name))
        told = (
            "Means over seeds ({n} at each point), bands from the least to the greatest. Grey: the dense "
            "network, mean and range. Early stopping takes the step of least validation loss."
        )
        told += " Dotted: restarts that do not keep the signs of the initial weights." if without else ""
        look: dict[str, Any] = {
            "arms": ARMS, "told": told, "dotted": ("kept", without), "stretched": True,
            "baseline": ("criterion", DENSE), "baseline_words": (DENSE, "the dense network"),
        }  # fmt: skip

        def curves(*metrics: str) -> Curves:
            return Curves(metrics, "round", ARMS, averaged=("density",), runs=False)

        accuracies = Starred(curves("best_test_accuracy", "test_accuracy"), ARMS)
        return (
            Answer("pairs", RoundPairs(ARMS), shown=NearestRounds(ARMS)),
            Answer("accuracies", accuracies, Curve(
                "density", name="accuracy", title="Accuracy against weights left", **look), shown=0),
            Answer("speeds", curves("best_step"), Curve(
                "density", name="speed", title="Early stopping against weights left", **look), shown=0),
        )  # fmt: skip
