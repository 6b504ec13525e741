"""Figures of the best masks: found masks, learned masks and trained weights side by side."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.at_init import draw_chance, draw_curve
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.dots import draw_dots, names_in, summarised
from weightspace.figures.panel import Panel
from weightspace.figures.weights_left import draw_baseline, percent_axis


def panels(rows: pd.DataFrame, curves: pd.DataFrame, trained: str) -> list[Panel]:
    """Accuracies by way, and found masks' curves with the learned masks among them.

    Args:
      rows: A row a run, with an ordered `way`, `accuracy` and `share_kept`; curves bring `chance`.
      curves: A row for each run of a found mask and power, with `way`, `density` and `test_accuracy`.
      trained: The way of trained weights.
    """
    names = names_in(rows["way"])
    if not names or rows["accuracy"].isna().all():
        return []
    with style.style():
        found = [_accuracy(rows, names)]
        return [*found, _against_density(rows, curves, trained)] if len(curves) else found


def _accuracy(rows: pd.DataFrame, names: Sequence[str]) -> Panel:
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
    return Panel("accuracy", "The best masks", caption, drawn, numbers)


def _against_density(rows: pd.DataFrame, curves: pd.DataFrame, trained: str) -> Panel:
    drawn = style.figure(4.6, 3.6)
    axes = drawn.subplots()
    draw_baseline(axes, rows.loc[rows["way"] == trained, "accuracy"], trained)
    draw_chance(axes, float(rows["chance"].dropna().iloc[0]))
    arms = arms_of(rows[rows["way"] != trained].assign(way=rows["way"].astype(str)), ("way",))
    found = [arm for arm in arms if (curves["way"] == arm.labels["way"]).any()]
    data = [draw_curve(axes, arm.of(curves), arm, "way") for arm in found]
    data += [_learned(axes, arm.of(rows), arm) for arm in arms if arm not in found]
    percent_axis(axes, [*curves["density"], *rows["share_kept"].dropna()])
    axes.set_ylabel("test accuracy")
    legend_below(drawn, axes)
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Untrained weights under masks ({runs_text(numbers['n'])} a point). Lines: one-shot masks that a "
        "training left, at every level of pruning, means with bands from the least to the greatest. Single "
        "points: learned masks at the mean of their probabilities, lines from the least to the greatest. "
        "Grey: trained weights, and chance."
    )
    return Panel("accuracy-density", "Found and learned masks", caption, drawn, numbers)


def _learned(axes: Axes, rows: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    each = summarised(rows, "way", "accuracy").drop(columns="metric")
    each = each.assign(density=rows["share_kept"].mean())
    axes.vlines(each["density"], each["least"], each["greatest"], color=arm.colour, linewidth=1)
    look = {"color": arm.colour, "marker": arm.marker, "markersize": 5, "linestyle": "none"}
    axes.plot(each["density"], each["mean"], label=arm.labels["way"], **look)
    return each
