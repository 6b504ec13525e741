"""`tickets.connectivity`: from which step on does training not depend on the order of the data?

Instability analysis: two copies of the network at step k of the dense run go on with other data orders, all
weights or those that a mask keeps, for the steps that are left. If the error does not rise between their ends
they lie in one linearly connected basin. A ticket that rewinds to k is expected to be found where its copies
are stable.
"""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from weightspace.derived.barrier import Barrier
from weightspace.errors import InputError, check_number
from weightspace.experiments.base import Paper
from weightspace.experiments.tickets.iterative import SMOKE
from weightspace.experiments.tickets.protocol import TicketSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.masks.criteria import make_criterion
from weightspace.recipes.length import Length
from weightspace.run import Row, Run
from weightspace.spaces.base import Space
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked

COPIES = 2
STABLE = 0.02
"""The error barrier below which training counts as stable (Frankle et al., 2020)."""
_APART = 1_000_000
_KEYS = ("criterion", "round", "rewind", "seed")
_LINEAR = Paper(
    title="Linear mode connectivity and the lottery ticket hypothesis",
    bibtex=(
        "@inproceedings{frankle2020linear,\n"
        "  title = {Linear mode connectivity and the lottery ticket hypothesis},\n"
        "  author = {Frankle, Jonathan and Dziugaite, Gintare Karolina and Roy, Daniel M. and Carbin, "
        "Michael},\n"
        "  booktitle = {International Conference on Machine Learning},\n"
        "  year = {2020},\n"
        "  url = {https://arxiv.org/abs/1912.05671}\n"
        "}"
    ),
    figure="Figures 2 to 5: error barrier against the step of the split",
)


@dataclasses.dataclass(frozen=True)
class TicketsConnectivity(TicketSweep):
    """Are two copies that part at step k, dense or masked, linearly connected at the end?

    The optimiser of a copy starts anew, and the copies train for the steps that are left. Masks are made of
    the dense run's weights at its start and as `score-at` says, all rounds in one.
    """

    rewind: tuple[str, ...] = ("0it", "100it", "500it", "2000it", "10000it")
    """Steps of the dense run at which two copies part, such as 0it 500it 2ep."""
    rounds: tuple[int, ...] = (0, 4, 8, 12)
    """Sparsities, as rounds of pruning done in one; 0 is the dense network."""
    criteria: tuple[str, ...] = ("large_final",)
    """By which weights are kept in the masks: large_final, random, …"""
    points: int = 11
    """Points on the line between the copies, both ends among them."""
    eval_every: str = "1ep"

    name = "tickets.connectivity"
    question = "From which step on do two copies with other data orders end in one linearly connected basin?"
    paper = _LINEAR
    reading = (
        "The error barrier is the largest error on the line between two copies that part at step k, less the "
        "mean error of the two. Below 2 % (dotted) training counts as stable from k on: noise of the data "
        "order no longer decides where it ends."
    )
    by = ("criterion", "round", "rewind")
    swept = (*TicketSweep.swept, "rewind", "rounds", "criteria")
    metrics = (
        "density", "barrier_error", "stable", "barrier_loss", "train_barrier_error", "copies_test_accuracy",
        "distance_ab",
    )  # fmt: skip
    minutes: ClassVar = {"quick": "3 on 2 cores"}
    presets: ClassVar = {
        "smoke": SMOKE | {"rewind": ("0it", "20it", "100it"), "rounds": (0, 2)},
        "quick": {
            "epochs": 6.0, "rewind": ("0it", "100it", "1000it"), "rounds": (0, 8), "seeds": ("3",),
        },
        "paper": {"seeds": ("5",)},
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("points", self.points, least=2, hint="Both ends of the line are among them.")
        for field in ("rewind", "rounds", "criteria"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        for number in self.rounds:
            check_number("rounds", number, least=0, hint="0 is the dense network.")
        for name in self.criteria:
            make_criterion(name)
        for when in self.rewind:
            Length.parse(when)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense runs, two copies for each step and sparsity, and the line between them."""
        rows = []
        for seeds in self.numbered_seeds():
            dense = self.dense(seeds)
            rows.append(self.row(dense, {"part": "training", "criterion": "dense"}))
            for when in self.rewind:
                step = self.step_of(when)
                for labels, space in self._spaces(dense, when):
                    labels = labels | {"rewind": step}
                    copies = [self._copy(dense, space, step, number) for number in range(COPIES)]
                    rows += [self.row(c, labels | {"part": "copy", "copy": i}) for i, c in enumerate(copies)]
                    rows.append(self._between(copies, dense, labels))
        yield rows

    def _spaces(self, dense: Run, when: str) -> Iterator[tuple[dict[str, Any], Space]]:
        """Where the copies of a step train: all weights, or those of a mask."""
        start = dense.at(when)
        if 0 in self.rounds:
            yield {"criterion": "dense", "round": 0}, Full(start)
        for name in self.criteria:
            for number in self.rounds:
                if number:
                    labels = {"criterion": name, "round": number}
                    yield labels, Masked(self.mask(dense, name, number), start)

    def _copy(self, dense: Run, space: Space, step: int, number: int) -> Run:
        """A copy that sees an order of its own for the steps that are left."""
        own = dense.seeds.base if dense.seeds.order is None else dense.seeds.order
        order = (own + (number + 1) * _APART) % 2**32
        return self.training(space, dataclasses.replace(dense.seeds, order=order), begun=step)

    def _between(self, copies: list[Run], dense: Run, labels: dict[str, Any]) -> Row:
        a, b = (copy.final() for copy in copies)
        line = Barrier(self.network, self.task, a, b, dense.seeds, self.points)
        named = {"model": self.model, "data": self.data, "seed": dense.seeds.base}
        return Row(labels | named | {"part": "barrier"}, line)

    def measured(self, table: Frame, history: Frame) -> Frame:
        """One row a pair of copies: its barrier, and what the copies have in common.

        `density` of the mask, `copies_test_accuracy` (their mean, at the end), and `stable`, 1 where the
        error barrier is below 2 %.
        """
        from pandas import Series

        pairs = table[table["part"] == "barrier"].dropna(axis=1, how="all").drop(columns="part")
        copies = table[table["part"] == "copy"].groupby(list(_KEYS))
        for column, name in (("density", "density"), ("test_accuracy", "copies_test_accuracy")):
            if column in table and len(pairs):
                values = copies[column].mean().rename(name)
                pairs = pairs.drop(columns=name, errors="ignore").join(values, on=list(_KEYS))
        if "density" not in pairs:
            pairs["density"] = float("nan")
        pairs.loc[pairs["criterion"] == "dense", "density"] = 1.0
        error = pairs.get("barrier_error", Series(float("nan"), pairs.index))
        return pairs.assign(stable=(error < STABLE).astype(float).where(error.notna())).reset_index(drop=True)

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """The barrier against the step of the split, and the error along the lines."""
        from weightspace.figures.connectivity import panels

        return panels(table, outputs, STABLE)
