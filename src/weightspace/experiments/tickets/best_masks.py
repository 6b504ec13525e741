"""`tickets.best-masks`: masks that a training left, masks that are learned, and trained weights beside them.

The table of best supermasks: its rows are those of three other experiments, so that in one store nothing is
trained twice.
"""

import dataclasses
from collections.abc import Generator
from typing import Any, ClassVar

from weightspace.experiments.tickets.at_init import TicketsAtInit, tidy
from weightspace.experiments.tickets.dense import SMOKE
from weightspace.experiments.tickets.protocol import PAPER, TicketSweep, TicketTraining
from weightspace.experiments.tickets.supermask import MaskTraining, TicketsSupermask
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.store.schema import FINISHED

_FOUND = {"rewind": "found, initial weights", "signed_constant": "found, signed constants"}
_LEARNED = {
    "plain": "learned, initial weights",
    "signed": "learned, signed constants",
    "rescaled": "learned, rescaled initial weights",
    "both": "learned, rescaled signed constants",
}
TRAINED = "trained weights"
WAYS = (*_FOUND.values(), *_LEARNED.values(), TRAINED)
"""What is compared, in the order of the paper's table."""
_READ = (
    ("best_test_accuracy", "density"),
    ("test_accuracy_max", "density_at_max"),
    ("sampled_test_accuracy", "expected_density"),
)
"""For each kind of row the column of its accuracy, and that of the share of weights it keeps."""


@dataclasses.dataclass(frozen=True)
class TicketsBestMasks(MaskTraining, TicketSweep):
    """How far do masks on untrained weights go, found or learned, beside trained weights?

    Found masks are one-shot masks by one criterion, from a dense training's weights at both ends, at the
    level of pruning that does best; learned ones are `tickets.supermask`.
    """

    criterion: str = "large_final_same_sign"
    """By which the masks are found."""
    powers: int = 24
    """The highest power of pruning that is tried."""

    name = "tickets.best-masks"
    question = "How far do masks on untrained weights go, found or learned, beside trained weights?"
    paper = dataclasses.replace(PAPER, figure="Table 1: the best supermasks")
    reading = (
        "A found mask's accuracy is the greatest over all levels of pruning, picked on test data as in the "
        "paper, and flatters; a learned one's is the mean over sampled masks, and a trained network's is at "
        "the step of least validation loss. In the paper learned masks do better than found ones, and on "
        "MNIST come up to trained weights."
    )
    by = ("way",)
    metrics = ("accuracy", "share_kept")
    passing = ("mask_eval_every",)
    minutes: ClassVar = {"smoke": "0.7 on 2 shared cores", "paper": "some 500 on 2 cores, by 60 epochs' 17"}
    presets: ClassVar = {
        "smoke": SMOKE | {"mask_epochs": 30.0, "mask_batch_size": 50, "mask_eval_every": "5ep"},
        "quick": {"epochs": 12.0, "mask_epochs": 10.0, "seeds": ("3",)},
        "paper": {"mask_epochs": 2000.0, "mask_eval_every": "20ep", "seeds": ("5",)},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_mask_training()
        _ = self.found, self.learned

    @property
    def found(self) -> TicketsAtInit:
        """The question of masks that a training leaves behind."""
        shared = self._shared(TicketSweep)
        return TicketsAtInit(**shared, criteria=(self.criterion,), values=tuple(_FOUND), powers=self.powers)

    @property
    def learned(self) -> TicketsSupermask:
        """The question of masks that are trained."""
        own = {
            "epochs": self.mask_epochs, "lr": self.mask_lr, "batch_size": self.mask_batch_size,
            "eval_every": self.mask_eval_every, "optimiser": "momentum", "weight_decay": 0.0,
        }  # fmt: skip
        return TicketsSupermask(**self._shared(TicketTraining) | own)

    def _shared(self, base: type[TicketTraining]) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(base)}

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense runs and their masks, and the learned masks, all at once."""
        yield [
            dataclasses.replace(row, labels=_labels(row))
            for part in (self.found, self.learned)
            for row in next(part.ask())
        ]

    def measured(self, table: Frame, history: Frame) -> Frame:
        """The table with `accuracy` and `share_kept`, whichever columns a row has them in."""
        from pandas import Series

        blank = Series(float("nan"), table.index)
        found = {"accuracy": blank, "share_kept": blank.where(table["way"] != TRAINED, 1.0)}
        for accuracy, share in _READ:
            for name, column in (("accuracy", accuracy), ("share_kept", share)):
                if column in table:
                    found[name] = table[column].astype(float).fillna(found[name])
        return table.assign(**found)

    def summary(self, table: Frame) -> Frame:
        """Means and spreads of each way, in the order of the published table."""
        found = super().summary(table)
        if found.empty:
            return found
        return found.sort_values("way", key=lambda ways: ways.map(WAYS.index)).reset_index(drop=True)

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`ranges`: mean, least and greatest of each way. `pairs`: every two ways, seed by seed."""
        from weightspace.experiments.tickets.paired import between

        rows = in_order(table)
        groups = rows.groupby("way", observed=True)
        ranges = groups["accuracy"].agg(mean="mean", sd="std", least="min", greatest="max", n="count")
        ranges = ranges.assign(share_kept=groups["share_kept"].mean()).reset_index()
        return {"ranges": ranges, "pairs": between(rows, "way", ("accuracy",))}

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracies of all ways, and against the share of weights kept."""
        from weightspace.figures.best_masks import panels

        return panels(in_order(table), tidy(table, ("way",)), TRAINED)


def in_order(table: Frame) -> Frame:
    """The finished rows, with `way` as an ordered category."""
    from pandas import Categorical

    rows = table[table["status"].isin(FINISHED)]
    return rows.assign(way=Categorical(rows["way"], WAYS, ordered=True))


def _labels(row: Row) -> dict[str, Any]:
    """One label tells the ways apart."""
    labels = dict(row.labels)
    way = _LEARNED.get(labels.get("arm", ""), _FOUND.get(labels.get("kept", ""), TRAINED))
    return {"way": way} | {name: labels[name] for name in ("model", "data", "seed")}
