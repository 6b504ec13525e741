"""`tickets.overlap`: do criteria and seeds choose the same weights?

One-shot masks of one dense run a seed: every two criteria of the same seed, and every two seeds by the same
criterion, beside the overlap of masks drawn at random.
"""

import dataclasses
import itertools
from collections.abc import Generator
from typing import ClassVar

from weightspace.derived.overlap import Overlap
from weightspace.errors import InputError, check_number
from weightspace.experiments.tickets.iterative import SMOKE
from weightspace.experiments.tickets.protocol import PAPER, TicketSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.masks.criteria import MAIN, make_criterion
from weightspace.run import Row, Run

CRITERIA, SEEDS = "criteria", "seeds"
_SMOKE = {name: value for name, value in SMOKE.items() if name != "rounds"}


@dataclasses.dataclass(frozen=True)
class TicketsOverlap(TicketSweep):
    """How much do masks by different criteria, or of different seeds, have in common?"""

    criteria: tuple[str, ...] = MAIN
    """The criteria whose masks are compared: large_final, magnitude_increase, movement, random, …"""
    rounds: tuple[int, ...] = (4, 8, 12)
    """Sparsities, as rounds of pruning done in one."""

    name = "tickets.overlap"
    question = "Do criteria, and do seeds, choose the same weights?"
    paper = dataclasses.replace(PAPER, figure="Figure 2: mask criteria, as sets of weights")
    reading = (
        "The overlap of two masks is the number of weights that both keep over the number that either keeps. "
        "Masks drawn at random overlap too, the less the sparser they are: that share is named beside each "
        "map. Networks of two seeds have their units in different orders, so that masks of two seeds should "
        "overlap by chance only, except where a layer is tied to the data."
    )
    by = ("part", "round", "criterion", "other")
    swept = (*TicketSweep.swept, "criteria", "rounds")
    metrics = ("iou", "expected_iou", "sign_agreement")
    presets: ClassVar = {
        "smoke": _SMOKE | {"criteria": ("large_final", "magnitude_increase", "random"), "rounds": (1, 3)},
        "quick": {"epochs": 12.0, "seeds": ("5",)},
        "paper": {"seeds": ("5",)},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("criteria", "rounds"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        for name in self.criteria:
            make_criterion(name)
        for number in self.rounds:
            check_number("rounds", number, least=1, hint="A round removes weights; 0 is no mask.")

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense runs, and every two masks that differ in criterion or seed alone."""
        dense = [self.dense(seeds) for seeds in self.numbered_seeds()]
        rows = [self.row(run, {"part": "training"}) for run in dense]
        for number in self.rounds:
            for run in dense:
                pairs = itertools.combinations(self.criteria, 2)
                rows += [self._pair(CRITERIA, (a, b), (run, run), number) for a, b in pairs]
            for name in self.criteria:
                pairs = itertools.combinations(dense, 2)
                rows += [self._pair(SEEDS, (name, name), both, number) for both in pairs]
        yield rows

    def _pair(self, part: str, by: tuple[str, str], runs: tuple[Run, Run], number: int) -> Row:
        masks = tuple(self.mask(run, name, number) for run, name in zip(runs, by, strict=True))
        # The signs of one training agree with themselves.
        weights = tuple(self.scored(run) for run in runs) if part == SEEDS else ()
        labels = {
            "part": part, "criterion": by[0], "other": by[1], "round": number, "model": self.model,
            "data": self.data, "seed": runs[0].seeds.base, "other_seed": runs[1].seeds.base,
        }  # fmt: skip
        return Row(labels, Overlap(self.network, self.shape, masks, weights))

    def measured(self, table: Frame, history: Frame) -> Frame:
        """The pairs of masks."""
        return table[table["part"].isin((CRITERIA, SEEDS))].dropna(axis=1, how="all").reset_index(drop=True)

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Maps of the overlap between criteria and between seeds."""
        from weightspace.figures.overlap import panels

        return panels(table, self.criteria)
