"""Figures of masks on untrained weights: accuracy against weights left, and the greatest of each run."""

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.dots import draw_dots
from weightspace.figures.panel import Panel
from weightspace.figures.weights_left import percent_axis
from weightspace.store.schema import FINISHED

_VALUES = {"rewind": "initial weights", "signed_constant": "signed constants"}
_MOST = 4
"""Panes that fit side by side."""


def panels(table: pd.DataFrame, rows: pd.DataFrame) -> list[Panel]:
    """Curves, and the greatest accuracies.

    Args:
      table: A row a run and curve, with `test_accuracy_max` and `chance`.
      rows: A row for each run, criterion, value and power, with `density` and `test_accuracy`.
    """
    if rows.empty:
        return []
    finished = table[table["status"].isin(FINISHED)]
    chance = float(finished["chance"].dropna().iloc[0])
    with style.style():
        return [_curves(rows, chance), _best(finished, chance)]


def _name(value: str) -> str:
    return _VALUES.get(value, value.replace("_", " "))


def _curves(rows: pd.DataFrame, chance: float) -> Panel:
    values = list(dict.fromkeys(rows["kept"]))[:_MOST]
    criteria = arms_of(rows, ("criterion",))
    drawn, panes = panes_of(len(values), 3.9)
    data = []
    for axes, value in zip(panes, values, strict=True):
        own = rows[rows["kept"] == value]
        draw_chance(axes, chance)
        data += [draw_curve(axes, arm.of(own), arm, "criterion").assign(kept=value) for arm in criteria]
        percent_axis(axes, list(own["density"]))
        axes.set_title(_name(value), loc="left")
    panes[0].set_ylabel("test accuracy, untrained")
    legend_below(drawn, panes[0])
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"Untrained networks under one-shot masks: means over seeds ({runs_text(numbers['n'])} at each "
        "point), bands from the least to the greatest. Grey: chance. Powers at which a layer would be empty "
        "are left out."
    )
    return Panel("accuracy", "Masks on untrained weights", caption, drawn, numbers)


def draw_chance(axes: Axes, chance: float, *, label: str | None = "chance") -> None:
    """The accuracy of guessing, in grey."""
    axes.axhline(chance, color=style.MUTED, linestyle=(0, (1.2, 1.2)), linewidth=1, label=label)


def draw_curve(axes: Axes, rows: pd.DataFrame, arm: Arm, label: str) -> pd.DataFrame:
    """The mean accuracy over seeds at every power of pruning, with its range; gives the numbers.

    Args:
      axes: Where.
      rows: A row for each run and power: `power`, `density`, `test_accuracy`.
      arm: How the line looks.
      label: Which of the arm's labels is its name, and a column of what is returned.
    """
    each = rows.groupby("power").agg(
        density=("density", "mean"), mean=("test_accuracy", "mean"), least=("test_accuracy", "min"),
        greatest=("test_accuracy", "max"), sd=("test_accuracy", "std"), n=("test_accuracy", "count"),
    ).reset_index()  # fmt: skip
    axes.fill_between(
        each["density"], each["least"], each["greatest"], color=arm.colour, alpha=0.1, linewidth=0
    )
    look = {"color": arm.colour, "linestyle": arm.dash, "marker": arm.marker, "markersize": 2.4}
    name = str(arm.labels[label])
    axes.plot(each["density"], each["mean"], label=name.replace("_", " "), **look)
    return each.assign(**{label: name})


def _best(table: pd.DataFrame, chance: float) -> Panel:
    rows = table.dropna(subset=["test_accuracy_max"])
    values = list(dict.fromkeys(rows["kept"]))
    wide = rows.assign(
        **{f"max_{value}": rows["test_accuracy_max"].where(rows["kept"] == value) for value in values}
    )
    order = wide.groupby("criterion")["test_accuracy_max"].mean().sort_values(ascending=False).index
    kinds = pd.Categorical(wide["criterion"], list(order), ordered=True)
    drawn = style.figure(style.PAGE, 3.2)
    axes = drawn.subplots()
    draw_chance(axes, chance, label=None)
    columns = [(f"max_{value}", _name(value)) for value in values]
    data = draw_dots(axes, wide.assign(criterion=kinds), "criterion", columns, list(order))
    axes.set_xticks(range(len(order)), [name.replace("_", " ") for name in order])
    axes.set_ylabel("greatest test accuracy of a run")
    legend_below(drawn, axes)
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        f"The greatest accuracy of each run over all powers of pruning ({runs_text(numbers['n'])} a mean): "
        "dots are runs, bars their mean, lines their range. It is picked on test data, and flatters: see the "
        "random masks. Grey: chance."
    )
    return Panel("best", "The best mask of each run", caption, drawn, numbers)
