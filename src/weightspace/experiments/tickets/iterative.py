"""`tickets.iterative`, `tickets.kept-values`, `tickets.pruned-values`: rounds of pruning and what they keep.

The three ask one question each of the same loop: which weights are kept (criteria), what kept weights restart
from, and what pruned weights are frozen at. All parts go together: criteria × kept × pruned is a product.
"""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from weightspace.derived.restart import Restart
from weightspace.errors import InputError, WeightspaceError, check_choice, check_number
from weightspace.experiments.tickets.first_kernel import first_kernel
from weightspace.experiments.tickets.protocol import GPU, PAPER, START, TicketSweep, published
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.masks.criteria import MAIN, make_criterion
from weightspace.masks.kept import make_kept
from weightspace.masks.prune import SCOPES
from weightspace.masks.pruned import Zero, make_pruned
from weightspace.models.fit import check_finite
from weightspace.probes import Snapshot
from weightspace.recipes.length import Length
from weightspace.run import Row, Run
from weightspace.streams import Seeds
from weightspace.tree import flat_dict

LEVELS = (0.17, 0.07)
"""Shares of weights left at which arms are compared in a terminal."""


@dataclasses.dataclass(frozen=True)
class Rounds(TicketSweep):
    """Fields of the experiments that prune in rounds."""

    criteria: tuple[str, ...] = ("large_final",)
    """By which weights are kept: large_final, magnitude_increase, movement, random, …"""
    kept: tuple[str, ...] = ("rewind",)
    """What kept weights restart from: rewind, reinit, reshuffle, constant, signed_reinit, …"""
    pruned: tuple[str, ...] = ("zero",)
    """What pruned weights are frozen at: zero, at_init, zero_shrunk, zero_shuffled, zero_grown, …"""
    rounds: int = 24
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

    by = ("criterion", "kept", "pruned", "round")
    swept = (*TicketSweep.swept, "criteria", "kept", "pruned")
    extents = ("rounds",)
    reading = (
        "Each point is the mean over seeds of the test accuracy at the step of least validation loss, after "
        "pruning to a share of the weights and training again. A ticket is found where a sparse network does "
        "at least as well as the dense one."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("rounds", self.rounds, least=1)
        check_choice("pruning scope", self.scope, SCOPES)
        Length.parse(self.rewind)
        for name in self.criteria:
            if make_criterion(name).needs_gradient and not self._from_start:
                raise InputError(
                    f"criterion '{name}' goes by the gradient at the start of training, but rewind is "
                    f"{self.rewind}; give rewind={START}, or another criterion"
                )
        for field in ("criteria", "kept", "pruned"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        nothing_yet = {"after": None, "last": None}
        for name in self.kept:
            make_kept(name, nothing_yet)
        for name in self.pruned:
            make_pruned(name, nothing_yet)

    @property
    def _from_start(self) -> bool:
        return Length.parse(self.rewind) == Length.parse(START)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense runs and all rounds of all arms; rounds wait for those before them."""
        rows = []
        for seeds in self.numbered_seeds():
            dense = self.dense(seeds)
            rows.append(self.row(dense, {"criterion": "dense", "round": 0}))
            for name in self.criteria:
                for kept in self.kept:
                    for pruned in self.pruned:
                        labels = {"criterion": name, "kept": kept, "pruned": pruned}
                        for number, run in self._chain(dense, seeds, name, kept, pruned):
                            rows.append(self.row(run, labels | {"round": number}))
        yield rows

    def _chain(
        self, dense: Run, seeds: Seeds, name: str, kept: str, pruned: str
    ) -> Iterator[tuple[int, Run]]:
        """The rounds of one arm."""
        run, mask = dense, None
        begun = None if self._from_start else self.step_of(self.rewind)
        rates = self.rates if self.scope == "layer" else self.dense_rate
        start = before = dense.at(self.rewind)
        for number in range(1, self.rounds + 1):
            last = None if self.one_shot else mask
            after = self.scored(dense if self.one_shot else run)
            mask = self.mask(
                dense, name, number, before=before, after=after, mask=last, rates=rates, scope=self.scope,
                power=number if self.one_shot else 1,
            )  # fmt: skip
            at_hand = {"after": after, "last": last}
            restart = Restart(
                self.network, self.shape, mask, start, seeds, make_kept(kept, at_hand),
                make_pruned(pruned, at_hand), number - 1,
            )  # fmt: skip
            run = self.training(restart.space, seeds, begun=begun)
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

    def measured(self, table: Frame, history: Frame) -> Frame:
        """The table with the share of weights left, 1 for the dense network."""
        from pandas import Series

        density = table["density"] if "density" in table else Series(float("nan"), table.index)
        return table.assign(density=density.where(table["criterion"] != "dense", 1.0))

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`pairs`: each arm against the dense network and the first arm, seed by seed."""
        from weightspace.experiments.tickets.paired import paired

        return {"pairs": paired(table, self.by[:-1])}

    def shown(self, name: str, frame: Frame) -> Frame:
        """Of each arm the round nearest to 17 % left, and the one nearest to 7 %."""
        arms = [label for label in self.by[:-1] if label in frame]
        if frame.empty or not arms:
            return frame
        kept = []
        for _, arm in frame.groupby(arms, sort=False):
            nearest = {(arm["density"] - level).abs().idxmin() for level in LEVELS}
            kept += list(arm.index[arm["round"].isin(arm.loc[list(nearest), "round"])])
        return frame.loc[kept]

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracy and early-stopping step against the share of weights left."""
        from weightspace.experiments.tickets.paired import paired
        from weightspace.figures.tickets import panels

        return panels(table, self.by[:-1], paired(table, self.by[:-1]))


SMOKE: dict[str, Any] = {
    "model": "fc:widths=32,initialiser=glorot_normal", "data": "digits", "validation": 200, "epochs": 10.0,
    "seeds": ("2",), "rounds": 3, "eval_every": "20it", "dense_rate": 0.4, "output_rate": 0.2,
}  # fmt: skip
QUICK: dict[str, Any] = {"epochs": 12.0, "dense_rate": 0.36, "output_rate": 0.19, "seeds": ("5",)}


@dataclasses.dataclass(frozen=True)
class TicketsIterative(Rounds):
    """Which weights must be kept: the largest, those that grew, those that moved, or any?"""

    criteria: tuple[str, ...] = MAIN

    name = "tickets.iterative"
    question = "By which criterion must weights be kept for a sparse network to train well?"
    paper = dataclasses.replace(PAPER, figure="Figure 3: mask criteria")
    minutes: ClassVar = {"quick": "40 on 2 cores", **GPU}
    presets: ClassVar = {
        "smoke": SMOKE | {"criteria": ("large_final", "random", "small_final")},
        "quick": QUICK | {"rounds": 6},
        **published(),
    }

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Also the plane of weights before and after training, and what each criterion keeps of it."""
        from weightspace.figures import criteria

        found = super().figures(table, history, outputs)
        if not criteria.in_plane(self.criteria):
            return found
        found.append(criteria.plane(self.criteria))
        try:
            layer = self._first_layer(table, outputs)
        except WeightspaceError:
            # Without the weights the cloud must do.
            return found
        return [*found, criteria.layer_plane(*layer, self.criteria)]

    def _first_layer(self, table: Frame, outputs: Outputs) -> tuple[Any, Any, str]:
        """The first kernel of the first seed's dense run, before and after training, and what it is.

        Raises:
          WeightspaceError: If it is not at hand.
        """
        rows = table[(table["criterion"] == "dense") & (table["status"] == "ok")].sort_values("seed")
        if rows.empty:
            raise InputError("no dense run has finished")
        run = rows["run"].iloc[0]
        probes = (Snapshot(self.rewind), self.scoring)
        before, after = (flat_dict(outputs(run, f"{probe.key}.weights")) for probe in probes)
        path = first_kernel(before, run, outputs)
        before, after = before[path], after[path]
        check_finite("after", after, path)
        return before, after, f"{path}, seed {rows['seed'].iloc[0]}"


@dataclasses.dataclass(frozen=True)
class TicketsKeptValues(Rounds):
    """Must kept weights go back to their initial values, or only to their initial signs?"""

    kept: tuple[str, ...] = (
        "rewind", "reinit", "reshuffle", "constant", "signed_reinit", "signed_reshuffle", "signed_constant",
    )  # fmt: skip

    name = "tickets.kept-values"
    question = "Must kept weights restart from their initial values, or only from their initial signs?"
    paper = dataclasses.replace(PAPER, figure="Figure 4: mask-1 actions")
    minutes: ClassVar = {"quick": "25 on 2 cores", **GPU}
    presets: ClassVar = {
        "smoke": SMOKE | {"kept": ("rewind", "constant", "signed_constant")},
        "quick": QUICK | {"rounds": 6},
        **published(),
    }


@dataclasses.dataclass(frozen=True)
class TicketsPrunedValues(Rounds):
    """Does it matter that pruned weights are set to zero?"""

    pruned: tuple[str, ...] = ("zero", "at_init", "zero_shrunk", "zero_shuffled", "zero_grown")

    name = "tickets.pruned-values"
    question = "Does it matter that pruned weights are frozen at zero?"
    paper = dataclasses.replace(PAPER, figure="Figure 5: mask-0 actions")
    minutes: ClassVar = {"quick": "16 on 2 cores", **GPU}
    presets: ClassVar = {
        "smoke": SMOKE | {"pruned": ("zero", "at_init", "zero_shrunk")},
        "quick": QUICK | {"rounds": 6},
        **published(),
    }
