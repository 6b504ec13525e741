"""Figures of the instability analysis: barrier against the step of the split, error along the line."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspace.figures import style
from weightspace.figures.arms import Arm
from weightspace.figures.axes import legend_below, number, panes_of
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Outputs, Panel
from weightspace.store.schema import FINISHED

BARRIERS = {"barrier_error": "error barrier, test (%)", "train_barrier_error": "error barrier, training (%)"}
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
_MOST_PANES = 4


def panels(table: pd.DataFrame, outputs: Outputs, stable: float) -> list[Panel]:
    """The barrier against the step of the split; the error along the lines.

    Args:
      table: A row a pair of copies: labels, `density`, barriers, and the digest of its line as `run`.
      outputs: Where the lines are.
      stable: The barrier below which a pair counts as stable.
    """
    if "barrier_error" not in table:
        return []
    rows = table[table["status"].isin(FINISHED)].dropna(subset=["barrier_error"])
    if rows.empty:
        return []
    arms = _arms(rows)
    with style.style():
        return [_barriers(rows, arms, stable), _lines(rows, arms, outputs)]


def _arms(rows: pd.DataFrame) -> list[Arm]:
    """One for each mask: the sparser the later its colour, a dash for each criterion."""
    keys = rows.groupby(["criterion", "round"])["density"].mean().reset_index()
    keys = keys.sort_values(["round", "criterion"])
    levels = sorted(keys["round"].unique().tolist())
    criteria = [name for name in keys["criterion"].unique() if name != "dense"]
    colours = dict(zip(levels, style.ordered(len(levels)), strict=True))
    found = []
    for criterion, level, density in keys.itertuples(index=False):
        place = criteria.index(criterion) if criterion in criteria else 0
        name = "dense" if criterion == "dense" else f"{100 * density:.3g} % left"
        name += f", {criterion}" if len(criteria) > 1 and criterion != "dense" else ""
        labels = {"criterion": criterion, "round": level}
        marker, dash = style.MARKERS[place % len(style.MARKERS)], _DASHES[place % len(_DASHES)]
        found.append(Arm(labels, name, colours[level], marker, dash))
    return found


def _barriers(rows: pd.DataFrame, arms: Sequence[Arm], stable: float) -> Panel:
    there = [metric for metric in BARRIERS if metric in rows and rows[metric].notna().any()]
    drawn, panes = panes_of(len(there), 3.0)
    data = []
    for axes, metric in zip(panes, there, strict=True):
        axes.axhline(100 * stable, color=style.MUTED, linestyle=(0, (1.2, 1.2)), linewidth=1, label="stable")
        for arm in arms:
            each = _over_seeds(arm.of(rows), ["rewind"], metric)
            low, high = 100 * each["least"], 100 * each["greatest"]
            axes.fill_between(each["rewind"], low, high, color=arm.colour, alpha=0.13, linewidth=0)
            look = {"color": arm.colour, "linestyle": arm.dash, "marker": arm.marker}
            axes.plot(each["rewind"], 100 * each["mean"], label=arm.name, **look)
            data.append(each.assign(arm=arm.name, metric=metric))
        _step_axis(axes, sorted(rows["rewind"].unique().tolist()))
        axes.set_ylabel(BARRIERS[metric])
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    legend_below(drawn, panes[0])
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        "Largest error on the line between two copies that part at a step of the dense run, less the mean of "
        f"its ends; means over seeds ({runs_text(numbers['n'], 'pair')} at each step), bands from the least "
        f"to the greatest. Dotted: {100 * stable:g} %, below which training counts as stable."
    )
    return Panel("barrier", "Error barrier against the step of the split", caption, drawn, numbers)


def _over_seeds(rows: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    groups = rows.dropna(subset=[value]).groupby(by)[value]
    names = {"mean": "mean", "min": "least", "max": "greatest", "std": "sd", "count": "n"}
    return groups.agg(list(names)).rename(columns=names).reset_index()


def _step_axis(axes: Axes, steps: Sequence[float]) -> None:
    """A logarithmic axis of steps with a place for 0."""
    least = min((step for step in steps if step > 0), default=1.0)
    axes.set_xscale("symlog", linthresh=least, linscale=0.6)
    axes.xaxis.set_major_locator(FixedLocator(list(steps)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_xlabel("step at which the copies part")


def _lines(rows: pd.DataFrame, arms: Sequence[Arm], outputs: Outputs) -> Panel:
    shown = _thinned(arms)
    drawn, panes = panes_of(len(shown), 2.6)
    steps = sorted(rows["rewind"].unique().tolist())
    colours = dict(zip(steps, style.ordered(len(steps)), strict=True))
    data = []
    for axes, arm in zip(panes, shown, strict=True):
        found = _points(arm.of(rows), outputs)
        for step in steps:
            part = found[found["rewind"] == step]
            each = _over_seeds(part, ["alpha"], "error")
            low, high = 100 * each["least"], 100 * each["greatest"]
            axes.fill_between(each["alpha"], low, high, color=colours[step], alpha=0.13, linewidth=0)
            axes.plot(each["alpha"], 100 * each["mean"], color=colours[step], label=f"k = {number(step)}")
            data.append(each.assign(arm=arm.name, rewind=step))
        axes.set_title(arm.name, loc="left")
        axes.set(xticks=(0, 0.5, 1), xlabel="α")
    panes[0].set_ylabel("test error (%)")
    legend_below(drawn, panes[0])
    numbers = pd.concat(data, ignore_index=True)
    caption = (
        "Test error of (1 - α) a + α b, a and b the ends of two copies that part at step k; means over seeds "
        f"({runs_text(numbers['n'], 'pair')} at each point), bands from the least to the greatest."
    )
    return Panel("line", "Error on the line between two copies", caption, drawn, numbers)


def _thinned(arms: Sequence[Arm]) -> list[Arm]:
    """At most so many, evenly apart, the first and last among them."""
    places = np.unique(np.linspace(0, len(arms) - 1, min(len(arms), _MOST_PANES)).round().astype(int))
    return [arms[place] for place in places]


def _points(rows: pd.DataFrame, outputs: Outputs) -> pd.DataFrame:
    """Columns `rewind`, `alpha`, `error`: a row for each point of each pair's line."""
    parts = [
        pd.DataFrame({
            "rewind": row["rewind"],
            "alpha": np.asarray(outputs(row["run"], "alphas")),
            "error": np.asarray(outputs(row["run"], "errors")),
        })
        for _, row in rows.iterrows()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
