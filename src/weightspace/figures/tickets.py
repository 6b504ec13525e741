"""Figures of the ticket experiments: accuracy and early-stopping step against the share of weights left."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below, panes_of, thinned
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Panel
from weightspace.store.schema import FINISHED

DENSE = "dense"
WIDE = (0.9, 0.96)
"""Accuracies from below the first to above the second are drawn on a logistic axis."""
TICKS = (0.02, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
LABELS = {
    "best_test_accuracy": "test accuracy at early stopping",
    "test_accuracy": "test accuracy at the end",
    "best_step": "step of least validation loss",
}


def panels(table: pd.DataFrame, arms: Sequence[str]) -> list[Panel]:
    """Accuracy and speed against the share of weights left.

    Args:
      table: A row a run, with labels, `density` and the metrics.
      arms: The labels that tell lines apart.
    """
    rows = table[table["status"].isin(FINISHED)]
    found = []
    with style.style():
        for name, title, metrics in (
            ("accuracy", "Accuracy against weights left", ("best_test_accuracy", "test_accuracy")),
            ("speed", "Early stopping against weights left", ("best_step",)),
        ):
            there = [metric for metric in metrics if metric in rows and rows[metric].notna().any()]
            if there:
                found.append(_panel(name, title, there, rows, arms))
    return found


def _panel(name: str, title: str, metrics: Sequence[str], rows: pd.DataFrame, labels: Sequence[str]) -> Panel:
    pruned, dense = rows[rows["criterion"] != DENSE], rows[rows["criterion"] == DENSE]
    arms = arms_of(pruned, tuple(labels))
    drawn, panes = panes_of(len(metrics), 3.4)
    data = []
    for axes, metric in zip(panes, metrics, strict=True):
        _dense(axes, dense[metric])
        data += [_line(axes, arm.of(pruned), arm, metric) for arm in arms]
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
    ) + (" The axis is logistic: it stretches what lies near 1." if stretched else "")
    return Panel(name, title, caption, drawn, numbers)


def _dense(axes: Axes, values: pd.Series) -> None:
    values = values.dropna()
    if len(values):
        axes.axhspan(values.min(), values.max(), color=style.MUTED, alpha=0.16, linewidth=0)
        axes.axhline(values.mean(), color=style.MUTED, linestyle=(0, (4, 1.5)), linewidth=1, label="dense")


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


def stretch(axes: Axes, accuracies: pd.Series) -> bool:
    """A logistic axis where failing arms would press the good ones into one line.

    Args:
      axes: Where; axes that share theirs follow.
      accuracies: What is drawn; steps, which are above 1, leave the axis as it is.

    Returns:
      Whether it is logistic now.
    """
    low, high = (float(accuracies.min()), float(accuracies.max())) if len(accuracies) else (0.0, 0.0)
    if not (0 < low < WIDE[0] and WIDE[1] < high < 1):
        return False
    axes.set_yscale("logit")
    axes.set_ylim(low / 1.15, 1 - (1 - high) / 1.3)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low / 1.15 < tick]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    return True


def percent_axis(axes: Axes, densities: Sequence[float]) -> None:
    """A logarithmic axis of the share of weights left, in per cent, falling to the right.

    Args:
      axes: Where.
      densities: Shares that are drawn.
    """
    shown = [d for d in densities if d > 0]
    axes.set_xscale("log")
    axes.set_xlim(max(shown) * 1.08, min(shown) / 1.08)
    axes.xaxis.set_major_locator(FixedLocator(thinned(shown, 7)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
    axes.set_xlabel("weights left (%)")
