"""Pairs of copies that part at a step: one row a pair, and how their barriers are shown."""

import dataclasses

from weightspace.experiments.answer import Answer
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.tables.base import Given, On, Rows, Table
from weightspace.tables.columns import Entries, Filled, MeansBeside
from weightspace.tables.curves import Curves
from weightspace.tables.paired import DENSE
from weightspace.tables.words import Label, Metric

STABLE = 0.02
"""The error barrier below which training counts as stable (Frankle et al., 2020)."""
_KEYS = ("criterion", "round", "rewind", "seed")
_PAIRS = Filled("density", ("criterion", DENSE), 1.0, MeansBeside(
    "part", "barrier", "copy", _KEYS, (("density", "density"), ("test_accuracy", "copies_test_accuracy")),
))  # fmt: skip
WORDS = (
    Metric("barrier_error", "error barrier, test", "", "fraction", "lower",
           "largest test error on a line less the mean of its ends"),
    Metric("train_barrier_error", "error barrier, training", "", "fraction", "lower",
           "largest training error on a line less the mean of its ends"),
    Metric("error", "test error", "", "fraction", "lower", "share of the test examples that are not right"),
    Label("rewind", "step at which the copies part", "k = {:g}", order="always", scale="symlog", symbol="k"),
    Label("round", "rounds of pruning", "round {:g}", order="always", symbol="k"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Copies(Table):
    """One row a pair of copies: its barrier, and what the copies have in common.

    `density` of the mask, `copies_test_accuracy` (their mean, at the end), and `stable`, 1 where the error
    barrier is below 2 %.
    """

    def of(self, given: Given) -> Frame:
        """The pairs."""
        pairs = given.of(_PAIRS)
        if "barrier_error" not in pairs:
            return pairs.assign(stable=float("nan"))
        error = pairs["barrier_error"]
        return pairs.assign(stable=(error < STABLE).astype(float).where(error.notna()))


@dataclasses.dataclass(frozen=True)
class Named(Table):
    """The pairs with a barrier, with the `mask` of each in words: the share of weights that it leaves.

    Attributes:
      rows: Gives the pairs.
    """

    rows: Table

    def of(self, given: Given) -> Frame:
        """The rows."""
        pairs = given.of(self.rows)
        pairs = pairs.dropna(subset=["barrier_error"]) if "barrier_error" in pairs else pairs.iloc[:0]
        if pairs.empty:
            return pairs.assign(mask="")
        several = pairs.loc[pairs["criterion"] != DENSE, "criterion"].nunique() > 1
        left = pairs.groupby(["criterion", "round"])["density"].transform("mean")
        names = [
            DENSE if name == DENSE else f"{100 * share:.3g} % left{f', {name}' if several else ''}"
            for name, share in zip(pairs["criterion"], left, strict=True)
        ]
        return pairs.assign(mask=names)


def barriers(criteria: tuple[str, ...]) -> Answer:
    """Barriers against the step of the split, one line a mask: the sparser the later its colour."""
    metrics, arms = ("barrier_error", "train_barrier_error"), ("round", "criterion")
    chart = Curve(
        "rewind", arms if len(criteria) > 1 else ("round",), name="barrier", naming="mask", percent=True,
        title="Error barrier against the step of the split", levels=((STABLE, "stable"),), counted="pair",
        told="Largest error on the line between two copies that part at a step of the dense run, less the "
        "mean of its ends; means over seeds ({n} at each step), bands from the least to the greatest. "
        f"Dotted: {100 * STABLE:g} %, below which training counts as stable.",
    )  # fmt: skip
    table = Curves(metrics, "rewind", arms, beside=("mask",), runs=False)
    return Answer("barriers", On(Named(Rows()), table), chart, shown=0)


def lines() -> Answer:
    """The error along the lines, a pane a mask."""
    chart = Curve(
        "alpha", ("rewind",), name="line", facet="mask", percent=True, counted="pair",
        title="Error on the line between two copies",
        told="Test error of (1 - α) a + α b, a and b the ends of two copies that part at step k; means over "
        "seeds ({n} at each point), bands from the least to the greatest.",
    )  # fmt: skip
    table = Curves(("error",), "alpha", ("round", "criterion", "mask", "rewind"), runs=False)
    entries = Entries((("alpha", "alphas"), ("error", "errors")), "barrier_error")
    return Answer("lines", On(Named(entries), table), chart, shown=0)
