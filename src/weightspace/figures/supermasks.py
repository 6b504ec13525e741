"""Figures of learned masks: accuracies, densities of layers, accuracy against density, pictures of masks."""

from typing import Any

import numpy as np
import pandas as pd

from weightspace.figures import mask_pictures, style
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import legend_below, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.dots import draw_dots, names_in
from weightspace.figures.panel import Outputs, Panel
from weightspace.store.schema import FINISHED

ACCURACIES = (
    ("sampled_test_accuracy", "mean over sampled masks"),
    ("threshold_test_accuracy", "thresholded mask"),
)
KINDS = ("expected", "sampled", "thresholded")


def panels(table: pd.DataFrame, densities: pd.DataFrame, outputs: Outputs) -> list[Panel]:
    """The figures that there are numbers for.

    Args:
      table: A row a run, with an ordered `setting`.
      densities: Columns `setting`, `layer`, `kind`, `mean`, `least`, `greatest`, `n`.
      outputs: Where the masks are.
    """
    rows = table[table["status"].isin(FINISHED)]
    if rows.empty or "threshold_test_accuracy" not in rows:
        return []
    with style.style():
        found = [_accuracy(rows)]
        found += [_densities(densities)] if len(densities) else []
        found += [_against_density(rows)] if _is_sweep(rows) else []
        found += mask_pictures.panels(rows, outputs)
    return found


def ticket_panels(table: pd.DataFrame) -> list[Panel]:
    """Accuracy of trainings under masks, and of the learned mask before.

    Args:
      table: A row a run, with an ordered `setting` and `accuracy`.
    """
    rows = table[table["status"].isin(FINISHED)]
    if rows.empty or rows["accuracy"].isna().all():
        return []
    with style.style():
        drawn = style.figure(4.6, 3.2)
        axes = drawn.subplots()
        data = draw_dots(axes, rows, "setting", (("accuracy", "runs"),), names_in(rows["setting"]))
        axes.set_ylabel("test accuracy at early stopping")
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Test accuracy at early stopping ({runs_text(numbers['n'])}): dots are runs, bars means, lines "
        "ranges. 'Untrained' is the learned mask over the weights as they began, at the end of its training. "
        "The other masks keep as many weights in each layer as the learned one."
    )
    return [Panel("accuracy", "Training under masks", caption, drawn, numbers)]


def _accuracy(rows: pd.DataFrame) -> Panel:
    names = names_in(rows["setting"])
    drawn = style.figure(style.PAGE if len(names) > 4 else 4.6, 3.1)
    axes = drawn.subplots()
    data = draw_dots(axes, rows, "setting", ACCURACIES, names)
    axes.set_ylabel("test accuracy")
    legend_below(drawn, axes)
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Untrained networks under learned masks ({runs_text(numbers['n'])}): dots are runs, bars means, "
        "lines ranges over runs. A run's sampled accuracy is a mean over masks drawn at the end."
    )
    return Panel("accuracy", "Learned masks", caption, drawn, numbers)


def _densities(densities: pd.DataFrame) -> Panel:
    kinds = [kind for kind in KINDS if (densities["kind"] == kind).any()]
    layers = sorted(dict.fromkeys(densities["layer"]), key=lambda name: name != "all")
    settings = list(dict.fromkeys(densities["setting"]))
    drawn, panes = panes_of(len(kinds), 2.9)
    width = 0.8 / len(settings)
    colours = style.PALETTE if len(settings) <= len(style.PALETTE) else style.ordered(len(settings))
    for axes, kind in zip(panes, kinds, strict=True):
        for number, setting in enumerate(settings):
            own = densities[(densities["kind"] == kind) & (densities["setting"] == setting)]
            x = own["layer"].map(layers.index).to_numpy(float) + (number + 0.5) * width - 0.4
            colour = colours[number]
            axes.bar(x, own["mean"], 0.85 * width, color=colour, alpha=0.75, label=str(setting))
            axes.vlines(x, own["least"], own["greatest"], color=style.INK, linewidth=0.8)
        axes.set_xticks(range(len(layers)), layers)
        if len(layers) > 4:
            axes.tick_params(axis="x", rotation=45)
        axes.set_title(kind, loc="left")
        axes.grid(visible=False, axis="x")
    panes[0].set_ylabel("share of weights kept")
    legend_below(drawn, panes[0])
    caption = (
        f"The share of ones in each layer's mask, mean and range over runs ({runs_text(densities['n'])}): "
        "the mean of the probabilities, one sampled mask, and the mask of all probabilities above one half."
    )
    return Panel("density", "Densities of learned masks", caption, drawn, densities)


def _share(rows: pd.DataFrame) -> pd.Series:
    """The density that goes with a run's accuracy: expected where masks are random, else the mask's."""
    fixed = rows["density"] if "density" in rows else pd.Series(np.nan, rows.index)
    return rows["expected_density"].fillna(fixed) if "expected_density" in rows else fixed


def _is_sweep(rows: pd.DataFrame) -> bool:
    return any(name in rows and rows[name].nunique() > 1 for name in ("logit", "target", "keep"))


def _against_density(rows: pd.DataFrame) -> Panel:
    sampled = rows.get("sampled_test_accuracy", pd.Series(np.nan, rows.index))
    own = rows.assign(share=_share(rows), value=sampled.fillna(rows["threshold_test_accuracy"]))
    drawn = style.figure(4.6, 3.2)
    axes = drawn.subplots()
    data = []
    for arm in arms_of(own, ("arm",)):
        each = arm.of(own).groupby("setting", observed=True).agg(
            density=("share", "mean"), mean=("value", "mean"), least=("value", "min"),
            greatest=("value", "max"), n=("value", "count"),
        ).reset_index().sort_values("density")  # fmt: skip
        look: dict[str, Any] = {"color": arm.colour, "linestyle": arm.dash, "marker": arm.marker}
        axes.plot(each["density"], each["mean"], label=str(arm.labels["arm"]).replace("_", " "), **look)
        axes.vlines(each["density"], each["least"], each["greatest"], color=arm.colour, linewidth=0.9)
        data.append(each.assign(arm=arm.labels["arm"]))
    axes.set(xlabel="share of weights kept at the end", ylabel="test accuracy")
    legend_below(drawn, axes)
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Accuracy against density ({runs_text(numbers['n'])} a point, lines from least to greatest): "
        "sampled masks and the mean of their probabilities, or the mask itself where it is not random."
    )
    return Panel("accuracy-density", "Accuracy against density", caption, drawn, numbers)
