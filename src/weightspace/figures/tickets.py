"""Figures of the ticket experiments: accuracy and early-stopping step against the share of weights left."""

import dataclasses
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import stars, style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Panel
from weightspace.figures.weights_left import draw_baseline, percent_axis, stretch
from weightspace.masks.kept import keeps_sign
from weightspace.store.schema import FINISHED

DENSE = "dense"
STARRED = "best_test_accuracy"
"""The metric that arms are compared by, pair by pair."""
_DOTTED = (0, (1.2, 1.2))
LABELS = {
    "best_test_accuracy": "test accuracy at early stopping",
    "test_accuracy": "test accuracy at the end",
    "best_step": "step of least validation loss",
}


def panels(table: pd.DataFrame, arms: Sequence[str], pairs: pd.DataFrame | None = None) -> list[Panel]:
    """Accuracy and speed against the share of weights left.

    Args:
      table: A row a run, with labels, `density` and the metrics.
      arms: The labels that tell lines apart.
      pairs: Paired comparisons of the accuracy at early stopping, as `paired` makes them; points that differ
        from the first arm's become stars. None draws none.
    """
    pairs = pd.DataFrame() if pairs is None else pairs
    rows = table[table["status"].isin(FINISHED)]
    found = []
    with style.style():
        for name, title, metrics in (
            ("accuracy", "Accuracy against weights left", ("best_test_accuracy", "test_accuracy")),
            ("speed", "Early stopping against weights left", ("best_step",)),
        ):
            there = [metric for metric in metrics if metric in rows and rows[metric].notna().any()]
            if there:
                found.append(_panel(name, title, there, rows, arms, pairs))
    return found


def _panel(
    name: str,
    title: str,
    metrics: Sequence[str],
    rows: pd.DataFrame,
    labels: Sequence[str],
    pairs: pd.DataFrame,
) -> Panel:
    pruned, dense = rows[rows["criterion"] != DENSE], rows[rows["criterion"] == DENSE]
    arms = [_dashed(arm) for arm in arms_of(pruned, tuple(labels))]
    drawn, panes = panes_of(len(metrics), 3.4)
    data = []
    for axes, metric in zip(panes, metrics, strict=True):
        draw_baseline(axes, dense[metric], DENSE)
        lines = [_line(axes, arm.of(pruned), arm, metric) for arm in arms]
        if metric == STARRED:
            lines = [stars.draw(axes, line, arm, pairs) for line, arm in zip(lines, arms, strict=True)]
        data += lines
        percent_axis(axes, [1.0, *pruned["density"].dropna()])
        axes.set_ylabel(LABELS[metric])
    # Panes share their axis.
    shared = pd.concat([rows[metric].dropna() for metric in metrics])
    stretched = stretch(panes[0], shared)
    legend_below(drawn, panes[0])
    numbers = pd.concat(data, ignore_index=True) if data else pd.DataFrame(columns=["n"])
    counts = runs_text(numbers["n"]) if len(numbers) else "no runs"
    caption = (
        f"Means over seeds ({counts} at each point), bands from the least to the greatest. Grey: the dense "
        "network, mean and range. Early stopping takes the step of least validation loss."
    )
    if not all(_keeps_sign(arm) for arm in arms):
        caption += " Dotted: restarts that do not keep the signs of the initial weights."
    caption += " The axis is logistic: it stretches what lies near 1." if stretched else ""
    caption += stars.caption(numbers, pairs)
    return Panel(name, title, caption, drawn, numbers)


def _dashed(arm: Arm) -> Arm:
    """Dotted where kept weights lose their signs, as in the paper's Figure 4."""
    return arm if _keeps_sign(arm) else dataclasses.replace(arm, dash=_DOTTED)


def _keeps_sign(arm: Arm) -> bool:
    kept = arm.labels.get("kept")
    return kept is None or keeps_sign(str(kept))


def _line(axes: Axes, rows: pd.DataFrame, arm: Arm, metric: str) -> pd.DataFrame:
    each = rows.dropna(subset=[metric]).groupby("round").agg(
        density=("density", "mean"), mean=(metric, "mean"), least=(metric, "min"), greatest=(metric, "max"),
        sd=(metric, "std"), n=(metric, "count"),
    ).reset_index()  # fmt: skip
    axes.fill_between(
        each["density"], each["least"], each["greatest"], color=arm.colour, alpha=0.13, linewidth=0
    )
    look = {"color": arm.colour, "linestyle": arm.dash, "marker": arm.marker}
    axes.plot(each["density"], each["mean"], label=arm.name, **look)
    return each.assign(arm=arm.name, metric=metric)
