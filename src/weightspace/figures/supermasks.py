"""Figures of learned masks: accuracies, densities of layers, accuracy against density, the inputs kept."""

from typing import Any

import numpy as np
import pandas as pd

from weightspace.experiments.base import Outputs
from weightspace.figures import style
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import legend_below, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.dots import draw_dots
from weightspace.figures.panel import Panel
from weightspace.store.schema import FINISHED

ACCURACIES = (
    ("sampled_test_accuracy", "mean over sampled masks"),
    ("threshold_test_accuracy", "thresholded mask"),
)
KINDS = ("expected", "sampled", "thresholded")
INPUTS = "learnedmask().inputs"
_MOST = 8
"""Pictures of masks that are drawn."""


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
        found += _pictures(rows, outputs)
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
        data = draw_dots(axes, rows, "setting", (("accuracy", "runs"),), _names(rows))
        axes.set_ylabel("test accuracy at early stopping")
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Test accuracy at early stopping ({runs_text(numbers['n'])}): dots are runs, bars means, lines "
        "ranges. 'Untrained' is the learned mask over the weights as they began, at the end of its training. "
        "The other masks keep as many weights in each layer as the learned one."
    )
    return [Panel("accuracy", "Training under masks", caption, drawn, numbers)]


def way_panels(rows: pd.DataFrame) -> list[Panel]:
    """Accuracies of found masks, learned masks and trained weights.

    Args:
      rows: A row a run, with an ordered `way` and `accuracy`.
    """
    names = _names(rows, "way")
    if not names or rows["accuracy"].isna().all():
        return []
    with style.style():
        drawn = style.figure(style.PAGE, 3.0)
        axes = drawn.subplots()
        data = draw_dots(axes, rows, "way", (("accuracy", "runs"),), names)
        lines = [name.replace(", ", ",\n").replace("rescaled ", "rescaled\n") for name in names]
        axes.set_xticks(range(len(names)), lines, rotation=0, ha="center")
        axes.set_ylabel("test accuracy")
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Test accuracy of untrained weights under the best masks, and of trained weights "
        f"({runs_text(numbers['n'])}): dots are runs, bars means, lines ranges. Found masks were picked on "
        "test data among all levels of pruning; learned ones are means over sampled masks."
    )
    return [Panel("accuracy", "The best masks", caption, drawn, numbers)]


def _names(rows: pd.DataFrame, column: str = "setting") -> list[str]:
    return [str(name) for name in rows[column].cat.categories if (rows[column] == name).any()]


def _accuracy(rows: pd.DataFrame) -> Panel:
    names = _names(rows)
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


def _pictures(rows: pd.DataFrame, outputs: Outputs) -> list[Panel]:
    """The share of the first layer's units for which each input is kept, of the first seed of each arm."""
    held = rows.dropna(subset=["outputs"]) if "outputs" in rows else rows
    first = held.sort_values("seed").groupby("setting", observed=True).head(1).sort_values("setting")
    found = {}
    for _, row in first.iterrows():
        picture = _picture(outputs, row["run"])
        if picture is not None and len(found) < _MOST:
            found[str(row["setting"])] = picture
    if not found:
        return []
    columns = min(len(found), 4)
    lines = -(-len(found) // columns)
    drawn = style.figure(style.PAGE, 1.75 * lines + 0.3)
    panes = drawn.subplots(lines, columns, squeeze=False).ravel()
    for axes, (name, picture) in zip(panes, found.items(), strict=False):
        shown = axes.imshow(picture, cmap="viridis", interpolation="nearest", vmin=0)
        axes.set_title(name, loc="left")
        axes.set(xticks=(), yticks=())
        axes.grid(visible=False)
        drawn.colorbar(shown, ax=axes, shrink=0.8, aspect=18, pad=0.03).ax.tick_params(length=0)
    for axes in panes[len(found) :]:
        axes.set_axis_off()
    caption = (
        "The share of the first layer's units for which a pixel is kept, by the thresholded mask of seed "
        f"{int(first['seed'].min())}; channels are averaged. Pixels that are always blank keep their first "
        "probability."
    )
    data = pd.concat([_pixels(picture).assign(setting=name) for name, picture in found.items()])
    return [Panel("inputs", "Inputs that learned masks keep", caption, drawn, data)]


def _picture(outputs: Outputs, run: str) -> np.ndarray | None:
    """The picture, where the first layer has a weight for each pixel."""
    from weightspace.errors import StoreError

    try:
        found = np.asarray(outputs(run, INPUTS))
    except (KeyError, StoreError):
        return None
    return found.mean(axis=-1) if found.ndim == 3 else found if found.ndim == 2 else None


def _pixels(picture: np.ndarray) -> pd.DataFrame:
    row, column = (place.ravel() for place in np.indices(picture.shape))
    return pd.DataFrame({"row": row, "column": column, "share": picture.ravel()})
