"""Lottery tickets on the axis of degrees of freedom: the weights that a mask keeps are what is trained.

Larsen et al. (2022): train the whole network for two epochs, keep the largest of all weights together,
biases among them, put those back to where they began, hold the others at zero, train again. The number of
ones is the number of degrees of freedom.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from weightspace.data.task import Task
from weightspace.derived.prune import Prune
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.freedom.slices import Networks
from weightspace.experiments.settings import number, swept
from weightspace.masks.criteria import make_criterion
from weightspace.masks.pruned import make_pruned
from weightspace.probes import Density
from weightspace.recipes.base import Decay
from weightspace.recipes.length import Length
from weightspace.recipes.optimisers import make_optimiser
from weightspace.recipes.schedules import Constant, Piecewise, Schedule
from weightspace.run import Row, Run
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds
from weightspace.tickets import ticket

FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.0025, 0.001, 0.0005, 0.00025, 0.0001)
COUNTS, RATES = ("round", "legacy"), ("constant", "legacy")
FALL = Piecewise((400.0, 800.0, 1200.0), (0.3, 0.1, 0.03))
"""How the original's rate falls, by steps."""


def kept_count(fraction: float, size: int, counts: str = "round") -> int:
    """How many of `size` weights are kept of a fraction f.

    `round` is f D to the nearest whole number, halves upwards, and at least one. `legacy` is the original's:
    weights at least as large as the one of rank ⌈f D⌉, counted from 0, hence ⌈f D⌉ + 1.

    >>> kept_count(0.01, 20_490), kept_count(0.01, 20_490, "legacy"), kept_count(1.0, 20_490, "legacy")
    (205, 206, 20490)
    """
    exact = Fraction(str(fraction)) * size
    count = math.ceil(exact) + 1 if counts == "legacy" else math.floor(exact + Fraction(1, 2))
    return min(max(count, 1), size)


@dataclasses.dataclass(frozen=True)
class Tickets:
    """Which weights are kept, what they restart from, and how they train again."""

    fractions: tuple[float, ...] = swept(*FRACTIONS, words="share of weights kept", above=0, most=1)
    """Shares of all weights that are kept, each a number of degrees of freedom."""
    criteria: tuple[str, ...] = swept("large_final")
    """By which weights are kept: large_final, magnitude_increase, random, … (see docs/tickets.md)."""
    rounds: tuple[int, ...] = swept(1, words="rounds of pruning", least=1)
    """Rounds in which the share is reached, equal factors each: 1 prunes once."""
    pruned: tuple[str, ...] = swept("zero")
    """What pruned weights are held at: zero (the original's) or at_init, …"""
    biases: bool = True
    """Biases and normalisation are ranked and pruned with the rest; else all of them train, and count."""
    rewind: tuple[str, ...] = swept("0it")
    """Steps of the dense run that kept weights go back to: 0it for the initialisation."""
    dense_epochs: float = number(2, above=0)
    """Passes over the data before weights are ranked, in each round."""
    dense_lr: float = 0.05
    """Learning rate of these (momentum 0.9)."""
    dense_decay: float = 1e-4
    """Weight decay of these, on convolution kernels alone."""
    ticket_lr: float = 0.1
    """Learning rate at which tickets train (momentum 0.9)."""
    counts: str = "round"
    """How shares become numbers: round, or legacy (the original's, one more than the share rounded up)."""
    rate: str = "constant"
    """How the tickets' rate goes: constant, or legacy (to .3, .1 and .03 of it at steps 400, 800, 1200)."""

    def check(self) -> None:
        """Names are known; what criteria read is there."""
        check_choice("counts", self.counts, COUNTS)
        check_choice("rate", self.rate, RATES)
        check_number("dense_decay", self.dense_decay, least=0)
        for name in self.criteria:
            if make_criterion(name).needs_gradient or make_criterion(name).fixed:
                raise InputError(
                    f"criterion '{name}' goes by more than the weights' ranks, but tickets here are cut to a "
                    "given number; choose one of large_final, magnitude_increase, movement, random, …"
                )
        for name in self.pruned:
            make_pruned(name, {"after": None, "last": None})
        for name in self.rewind:
            Length.parse(name)

    def rows(self, networks: Networks) -> Iterator[Row]:
        """A ticket for each fraction, way and seed."""
        ways = list(itertools.product(self.criteria, self.rounds, self.pruned, self.rewind))
        counts = self._counts(networks)
        # Weights that are not ranked train too.
        rest = networks.size - self._ranked(networks)
        for noise in networks.noise:
            labels = {"optimiser": "momentum", "lr": self.ticket_lr} | networks.noisy(noise)
            task = networks.task(noise)
            for seeds, way in itertools.product(networks.each_seed(), ways):
                for count in counts:
                    run = self._ticket(networks, task, seeds, count, *way)
                    name = self._name(*way)
                    yield networks.row(name, count + rest, run, labels, Density(layers=False))

    def _counts(self, networks: Networks) -> list[int]:
        size = self._ranked(networks)
        return list(dict.fromkeys(kept_count(share, size, self.counts) for share in self.fractions))

    def _ranked(self, networks: Networks) -> int:
        return sum(networks.layout[path].size for path in networks.layout.paths(self._select))

    @property
    def _select(self) -> str:
        return "*" if self.biases else "kernel"

    def _name(self, criterion: str, rounds: int, pruned: str, rewind: str) -> str:
        """What a way is called: how it differs from the original's."""
        own = (
            criterion if criterion != "large_final" else "",
            f"{rounds} rounds" if rounds > 1 else "",
            f"held at {pruned}" if pruned != "zero" else "",
            "" if self.biases else "biases kept",
            f"from {rewind}" if Length.parse(rewind) != Length.parse("0it") else "",
        )
        told = ", ".join(piece for piece in own if piece)
        return f"ticket ({told})" if told else "ticket"

    def _ticket(
        self, networks: Networks, task: Task, seeds: Seeds, count: int, criterion: str, rounds: int,
        pruned: str, rewind: str,
    ) -> Run:  # fmt: skip
        """The last training, of exactly `count` of the weights that are ranked."""
        size = self._ranked(networks)
        recipe = networks.recipe(make_optimiser("momentum", self.ticket_lr), schedule=self._schedule)
        run = dense = self._dense(networks, task, seeds)
        mask, left, space = None, size, None
        for number_of in range(1, rounds + 1):
            wanted = (
                count
                if number_of == rounds
                else max(count, round(size * (count / size) ** (number_of / rounds)))
            )
            mask = Prune(
                networks.network, tuple(task.data.shape), criterion, dense.at(0), run.final(), seeds,
                mask=mask, rates=1 - wanted / left, round=number_of, scope="global", select=self._select,
                empty=True,
            ).output("mask")  # fmt: skip
            space = ticket(dense, mask, pruned=pruned, start=dense.at(rewind), after=run.final())
            run, left = self._dense(networks, task, seeds, space), wanted
        assert space is not None
        return networks.run(space, task, recipe, seeds)

    def _dense(self, networks: Networks, task: Task, seeds: Seeds, space: Masked | None = None) -> Run:
        """The training that weights are ranked after."""
        kernels = [leaf.path for leaf in networks.layout if leaf.kind == "kernel" and len(leaf.shape) > 2]
        decay = Decay(self.dense_decay, "|".join(kernels)) if kernels and self.dense_decay else None
        optimiser = make_optimiser("momentum", self.dense_lr)
        recipe = networks.recipe(optimiser, f"{self.dense_epochs:g}ep", decay=decay)
        whole = networks.full(task, seeds)
        return dataclasses.replace(whole, recipe=recipe, space=space or whole.space)

    @property
    def _schedule(self) -> Schedule:
        return FALL if self.rate == "legacy" else Constant()
