"""Figures of the degrees-of-freedom experiments, from the tables of their answers.

Accuracy against the dimension d; the success probability over (d, level) as in Figure 2 of Larsen et al.
(2022); d* against the level; d* against the burn-in. Lines are means, bands and bars are spreads, and the
captions say which, of how many runs.
"""

import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import compression_axis, dimension_axis, legend_below, panes_of
from weightspace.figures.captions import TITLES, Notes, metrics_in, runs_text
from weightspace.figures.heat import heat_map
from weightspace.figures.panel import Panel
from weightspace.figures.thresholds import against_burn_in, against_level
from weightspace.tables.vocabulary import ARMS, FULL, rising


def panels(
    *,
    curves: pd.DataFrame,
    probabilities: pd.DataFrame,
    lines: pd.DataFrame,
    levels: pd.DataFrame,
    notes: Notes,
) -> list[Panel]:
    """All figures that the tables have numbers for.

    Args:
      curves: Metrics against d, from `answers.curves`.
      probabilities: P_s(d, level), from `answers.probabilities`.
      lines: d* at many levels, from `answers.thresholds`.
      levels: d* at the levels asked for, likewise.
      notes: What captions say of the whole.
    """
    swept = curves[curves["method"] != FULL]
    dims = sorted(float(dim) for dim in swept["dim"].unique())
    found: list[Panel] = []
    with style.style():
        if swept["metric"].map(rising).any():
            found.append(_accuracy(curves, dims, notes))
        found += [_success(probabilities, lines, metric, notes) for metric in metrics_in(probabilities)]
        for kind in ("accuracy", "loss"):
            chosen = lines[lines["metric"].str.endswith(kind)]
            if len(chosen):
                found.append(against_level(chosen, dims, kind, notes))
        accuracy = levels[levels["metric"].str.endswith("accuracy")]
        reached = (accuracy["censored"] != "above").any()
        if reached and "burn_in" in accuracy and accuracy["burn_in"].nunique() > 1:
            found.append(against_burn_in(accuracy, dims, notes))
    return found


def _accuracy(curves: pd.DataFrame, dims: list[float], notes: Notes) -> Panel:
    """Accuracy against d: means, ranges and single runs of each arm, and the full space."""
    data = curves[curves["metric"].map(rising)]
    swept, full = data[data["method"] != FULL], data[data["method"] == FULL]
    drawn, panes = panes_of(len(metrics_in(data)), 3.1)
    references = arms_of(full, ARMS)
    for axes, metric in zip(panes, metrics_in(data), strict=True):
        ticks = dimension_axis(axes, dims)
        compression_axis(axes, ticks, notes.size)
        for arm in references:
            _full_space(axes, arm.of(full[full["metric"] == metric]), arm, len(references))
        for arm in arms_of(swept, ARMS):
            _curve(axes, arm.of(swept[swept["metric"] == metric]), arm)
        axes.set_xlabel("dimension d")
        axes.set_ylabel(TITLES[metric])
    legend_below(drawn, panes[0])
    return Panel("accuracy", "Accuracy against dimension", _accuracy_caption(data, notes), drawn, data)


def _curve(axes: Axes, rows: pd.DataFrame, arm: Arm) -> None:
    means = rows[rows["statistic"] == "mean"].sort_values("dim")
    runs = rows[rows["statistic"] == "run"]
    many = means[means["n"] > 1]
    axes.fill_between(many["dim"], many["min"], many["max"], color=arm.colour, alpha=0.16, linewidth=0)
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.35}
    axes.plot(runs["dim"], runs["value"], color=arm.colour, **dots)
    look = {"color": arm.colour, "linestyle": arm.dash, "marker": arm.marker}
    axes.plot(means["dim"], means["value"], label=arm.name, **look)


def _full_space(axes: Axes, rows: pd.DataFrame, arm: Arm, count: int) -> None:
    means = rows[rows["statistic"] == "mean"]
    for mean, low, high in zip(means["value"], means["min"], means["max"], strict=True):
        name = "full space" if count == 1 else f"full space, {arm.name}"
        dash = arm.dash if count > 1 else (0, (4, 1.5))
        axes.axhspan(low, high, color=style.MUTED, alpha=0.16, linewidth=0)
        axes.axhline(mean, color=style.MUTED, linestyle=dash, linewidth=1, label=name)


def _accuracy_caption(data: pd.DataFrame, notes: Notes) -> str:
    means = data[data["statistic"] == "mean"]
    swept, full = means[means["method"] != FULL], means[means["method"] == FULL]
    text = (
        f"Mean over seeds, {runs_text(swept['n'])} at each d; bands are the range from the least to the "
        "greatest, dots are single runs."
    )
    if swept["n"].max() == 1:
        text = "One run at each d (n = 1), so no spread."
    if len(full):
        size = f"{notes.dimension}, " if notes.dimension else ""
        text += f" Dashed grey: training in the full space ({size}{runs_text(full['n'])}), mean and range."
    return f"{text} {notes.values}"


def _success(probabilities: pd.DataFrame, lines: pd.DataFrame, metric: str, notes: Notes) -> Panel:
    """The success probability over (d, level), a map for each arm, with the d* curve over it."""
    data = probabilities[probabilities["metric"] == metric]
    label = TITLES[metric] if rising(metric) else f"{TITLES[metric]} (nats)"
    stars = lines[lines["metric"] == metric]
    drawn = heat_map(data, stars, label, logarithmic=not rising(metric))
    caption = (
        f"Share of runs whose {TITLES[metric]} reaches a level (vertical) in d dimensions, from black (none) "
        f"to white (all), {runs_text(data['n'])} at each d. Line: {notes.threshold}. {notes.values}"
    )
    name = f"success-{metric.replace('_', '-')}"
    return Panel(name, f"Success probability, {TITLES[metric]}", caption, drawn, data)
