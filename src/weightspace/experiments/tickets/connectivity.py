"""`tickets.connectivity`: from which step on does training not depend on the order of the data?

Instability analysis: two copies of the network at step k of the dense run go on with other data orders, all
weights or those that a mask keeps, for the steps that are left. If the error does not rise between their ends
they lie in one linearly connected basin. A ticket that rewinds to k is expected to be found where its copies
are stable.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.derived.barrier import Barrier
from weightspace.errors import check_number
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.tickets.copies import STABLE, WORDS, Copies, barriers, lines
from weightspace.experiments.tickets.paper import FRANKLE_2020, SMOKE_PRUNED
from weightspace.experiments.tickets.recipes import Pruning, TicketTraining
from weightspace.masks.criteria import make_criterion
from weightspace.recipes.length import Length
from weightspace.run import Row, Run
from weightspace.spaces.base import Space
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked

COPIES = 2
_APART = 1_000_000


class TicketsConnectivity(
    Experiment,
    name="tickets.connectivity",
    question="From which step on do two copies with other data orders end in one linearly connected basin?",
    paper=FRANKLE_2020,
    reading="The error barrier is the largest error on the line between two copies that part at step k, less "
    f"the mean error of the two. Below {100 * STABLE:g} % (dotted) training counts as stable from k on: "
    "noise of the data order no longer decides where it ends.",
    presets={
        "smoke": SMOKE_PRUNED | {"rewind": ("0it", "20it", "100it"), "rounds": (0, 2)},
        "quick": {"epochs": 6.0, "rewind": ("0it", "100it", "1000it"), "rounds": (0, 8), "seeds": ("3",)},
        "paper": {"seeds": ("5",)},
    },
    by=("criterion", "round", "rewind"),
    metrics=(
        "density", "barrier_error", "stable", "barrier_loss", "train_barrier_error", "copies_test_accuracy",
        "distance_ab",
    ),
    columns=Copies(),
    words=WORDS,
):  # fmt: skip
    """Are two copies that part at step k, dense or masked, linearly connected at the end?

    The optimiser of a copy starts anew, and the copies train for the steps that are left. Masks are made of
    the dense run's weights at its start and as `score-at` says, all rounds in one.
    """

    training: TicketTraining = TicketTraining(eval_every="1ep")
    pruning: Pruning = Pruning()
    rewind: tuple[str, ...] = swept("0it", "100it", "500it", "2000it", "10000it")
    """Steps of the dense run at which two copies part, such as 0it 500it 2ep."""
    rounds: tuple[int, ...] = swept(0, 4, 8, 12)
    """Sparsities, as rounds of pruning done in one; 0 is the dense network."""
    criteria: tuple[str, ...] = swept("large_final")
    """By which weights are kept in the masks: large_final, random, …"""
    points: int = number(11)
    """Points on the line between the copies, both ends among them."""

    def check(self) -> None:
        """Numbers, criteria and steps make sense."""
        check_number("points", self.points, least=2, hint="Both ends of the line are among them.")
        for rounds in self.rounds:
            check_number("rounds", rounds, least=0, hint="0 is the dense network.")
        for name in self.criteria:
            make_criterion(name)
        for when in self.rewind:
            Length.parse(when)

    def ask(self) -> Iterator[Row]:
        """The dense runs, two copies for each step and sparsity, and the line between them."""
        training = self.training
        for seeds in training.each_seed():
            dense = training.dense(seeds)
            yield self.pruning.row(training, {"part": "training", "criterion": "dense"}, dense)
            for when in self.rewind:
                step = training.step_of(when)
                for labels, space in self._spaces(dense, when):
                    labels = labels | {"rewind": step}
                    copies = [self._copy(dense, space, step, place) for place in range(COPIES)]
                    for place, copy in enumerate(copies):
                        yield self.pruning.row(training, labels | {"part": "copy", "copy": place}, copy)
                    a, b = (copy.final() for copy in copies)
                    line = Barrier(training.network, training.task, a, b, seeds, self.points)
                    yield Row(labels | {"part": "barrier"} | training.named, line)

    def _spaces(self, dense: Run, when: str) -> Iterator[tuple[dict[str, Any], Space]]:
        """Where the copies of a step train: all weights, or those of a mask."""
        start = dense.at(when)
        if 0 in self.rounds:
            yield {"criterion": "dense", "round": 0}, Full(start)
        for name in self.criteria:
            for rounds in (rounds for rounds in self.rounds if rounds):
                mask = self.pruning.mask(self.training, dense, name, rounds)
                yield {"criterion": name, "round": rounds}, Masked(mask, start)

    def _copy(self, dense: Run, space: Space, step: int, place: int) -> Run:
        """A copy that sees an order of its own for the steps that are left."""
        own = dense.seeds.base if dense.seeds.order is None else dense.seeds.order
        order = (own + (place + 1) * _APART) % 2**32
        return self.training.run(space, dataclasses.replace(dense.seeds, order=order), begun=step)

    def answered_by(self) -> tuple[Answer, ...]:
        """The barrier against the step of the split, and the error along the lines."""
        return barriers(self.criteria), lines()
