"""`tickets.at-init`: masks made by a dense training, put on the weights that it started from."""

import dataclasses
from collections.abc import Generator
from typing import ClassVar

from weightspace.derived.at_init import MasksAtInit
from weightspace.errors import InputError, check_number
from weightspace.experiments.tickets.dense import SMOKE
from weightspace.experiments.tickets.protocol import GPU, PAPER, TicketSweep, published
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.masks.criteria import MAIN, make_criterion
from weightspace.masks.kept import make_kept
from weightspace.run import Row, Run
from weightspace.store.schema import FINISHED

SIGNS = (
    "large_final_same_sign", "large_final_diff_sign", "magnitude_increase_same_sign",
    "magnitude_increase_diff_sign",
)  # fmt: skip
CURVES = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
LABELS = ("criterion", "kept")


@dataclasses.dataclass(frozen=True)
class TicketsAtInit(TicketSweep):
    """How well does an untrained network do, once a mask has taken weights away?

    A dense network is trained. One-shot masks at all levels of pruning are made from its weights at both ends
    and put on the weights it started from, or on what an action makes of them; nothing is trained any more.
    """

    criteria: tuple[str, ...] = (*MAIN, *SIGNS)
    """By which weights are kept: large_final, random, large_final_same_sign, …"""
    values: tuple[str, ...] = ("rewind", "signed_constant")
    """What kept weights are set to: rewind (as they began), signed_constant, reinit, reshuffle, …"""
    powers: int = 24
    """The highest power of pruning: masks keep (1 - rate)^k of each layer, for k = 0 … powers."""

    name = "tickets.at-init"
    question = "How well does an untrained network do under a mask that its training has left?"
    paper = dataclasses.replace(PAPER, figure="Figures 6 and 7, Table 1: masks on untrained weights")
    reading = (
        "A mask that keeps large final weights whose sign did not change makes an untrained network far "
        "better than chance, and better still where each weight is replaced by a constant of its sign. The "
        "greatest accuracy of each run's curve (as in the paper) flatters, as it is picked on test data: the "
        "random masks show by how much. The peak of the mean curve does not pick seed by seed."
    )
    by = LABELS
    metrics = ("test_accuracy_max", "density_at_max", "best_test_accuracy", "test_accuracy")
    swept = (*TicketSweep.swept, "criteria", "values")
    minutes: ClassVar = {"paper": "5.2 on 2 cores", **GPU}
    presets: ClassVar = {
        "smoke": SMOKE | {
            "criteria": ("large_final", "large_final_same_sign", "random"), "powers": 12, "dense_rate": 0.3,
        },
        "quick": {"epochs": 12.0, "seeds": ("3",)},
        **published(),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("powers", self.powers, least=1)
        for field in ("criteria", "values"):
            if not getattr(self, field):
                raise InputError(f"no {field} to sweep; give at least one")
        for name in self.criteria:
            make_criterion(name)
        for name in self.values:
            make_kept(name, {"after": None})

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dense runs, and for each of them a curve for every criterion and value."""
        rows = []
        for seeds in self.numbered_seeds():
            dense = self.dense(seeds)
            row = self.row(dense, {"criterion": "dense"})
            rows.append(row)
            for name in self.criteria:
                for value in self.values:
                    labels = dict(row.labels) | {"criterion": name, "kept": value}
                    rows.append(Row(labels, self._curve(dense, name, value)))
        yield rows

    def _curve(self, dense: Run, name: str, value: str) -> MasksAtInit:
        after = self.scored(dense)
        return MasksAtInit(
            model=self.network, task=self.task, criterion=make_criterion(name), before=dense.at(0),
            after=after, seeds=dense.seeds, gradient=self.gradient(dense, name),
            kept=make_kept(value, {"after": after}), rates=self.rates, powers=self.powers + 1, rule=self.rule,
        )  # fmt: skip

    def summary(self, table: Frame) -> Frame:
        """Per-run maxima over seeds, and beside them the peak of each mean curve."""
        found = super().summary(table)
        means = curves(table)
        if means.empty:
            return found
        peaks = means.loc[means.groupby(list(LABELS))["test_accuracy"].idxmax()]
        peaks = peaks[[*LABELS, "test_accuracy", "density"]]
        named = peaks.rename(columns={"test_accuracy": "curve_peak", "density": "density_at_peak"})
        return found.merge(named, on=list(LABELS), how="left") if "kept" in found else found

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """`curves`: mean, range and number of runs for each criterion, value and power."""
        return {"curves": curves(table)}

    def shown(self, name: str, frame: Frame) -> Frame:
        """The first lines."""
        return frame.head(30)

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Accuracy against weights left for each value, and the greatest of each run."""
        from weightspace.figures.at_init import panels

        return panels(table, tidy(table))


def tidy(table: Frame, labels: tuple[str, ...] = LABELS) -> Frame:
    """The columns of all powers one below the other.

    Args:
      table: A row a run or curve.
      labels: What tells curves apart.

    Returns:
      A row for each run, set of labels and power, with `density` and the metrics.
    """
    from pandas import DataFrame, concat

    rows = table[table["status"].isin(FINISHED)]
    parts = []
    power = 0
    while f"density_{power}" in rows and set(labels) <= set(rows):
        there = rows[rows[f"density_{power}"].notna()]
        found = {
            name: there[f"{name}_{power}"] for name in ("density", *CURVES) if f"{name}_{power}" in there
        }
        parts.append(there[["run", "seed", *labels]].assign(power=power, **found))
        power += 1
    columns = ["run", "seed", *labels, "power", "density", *CURVES]
    return concat(parts, ignore_index=True) if parts else DataFrame(columns=columns)


def curves(table: Frame) -> Frame:
    """Means over seeds of each metric, with the range of the test accuracy, for each power.

    Returns:
      Columns `criterion`, `kept`, `power`, `density`, the metrics, `n`, and `test_accuracy_sd`,
      `test_accuracy_least`, `test_accuracy_greatest`.
    """
    rows = tidy(table)
    metrics = [name for name in CURVES if name in rows]
    if rows.empty:
        return rows
    groups = rows.groupby([*LABELS, "power"], sort=False)
    accuracy = groups["test_accuracy"]
    return (
        groups[["density", *metrics]].mean()
        .assign(
            test_accuracy_sd=accuracy.std(), test_accuracy_least=accuracy.min(),
            test_accuracy_greatest=accuracy.max(), n=groups.size(),
        )
        .reset_index()
    )  # fmt: skip
