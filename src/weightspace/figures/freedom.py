"""Figures of the degrees-of-freedom experiments, from the tables of their answers.

Accuracy against the dimension d; the success probability over (d, level) as in Figure 2 of Larsen et al.
(2022); d* against the level; d* against the burn-in. Lines are means, bands and bars are spreads, and the
captions say which, of how many runs.
"""

import dataclasses

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.experiments.freedom.answers import ARMS, FULL, rising
from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import angular_axis, compression_axis, dimension_axis, number
from weightspace.figures.base import Panel
from weightspace.figures.heat import heat_map

_TITLES = {
    "test_accuracy": "test accuracy",
    "train_accuracy": "training accuracy",
    "test_loss": "test loss",
    "train_loss": "training loss",
}
_LOSS_UNIT = " (nats)"


@dataclasses.dataclass(frozen=True)
class Notes:
    """What captions say of the whole.

    Attributes:
      size: D, the number of weights; NaN where it is not known.
      failure: δ, the probability of failure that d* allows.
      success: Whether a run's value is its `final` or its `best` one.
      status: Of all runs asked.
    """

    size: float
    failure: float
    success: str
    status: pd.Series

    @property
    def values(self) -> str:
        """Which value of a run is meant, and which runs have none."""
        text = "Values are those at the end of training"
        if self.success == "best":
            text = "Values are the best over all evaluation points, which flatters, most of all on the test split"
        counts = self.status.value_counts()
        diverged = int(counts.get("diverged", 0))
        parts = [f"; {diverged} of {len(self.status)} runs diverged"] if diverged else []
        absent = {name: int(counts.get(name, 0)) for name in ("failed", "blocked", "waiting")}
        text_absent = ", ".join(f"{count} {name}" for name, count in absent.items() if count)
        parts += [f"; not in the figure: {text_absent}"] if text_absent else []
        return f"{text}{''.join(parts)}."

    @property
    def threshold(self) -> str:
        """What d* is."""
        return f"d* is the smallest d that at least {1 - self.failure:.0%} of the seeds need to reach a level"


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
    found: list[Panel] = []
    with style.style():
        swept = curves[curves["method"] != FULL]
        if (swept["metric"].map(rising)).any():
            found.append(_accuracy(curves, notes))
        for metric in _metrics(probabilities):
            found.append(_success(probabilities, lines, metric, notes))
        for kind in ("accuracy", "loss"):
            chosen = lines[lines["metric"].str.endswith(kind)]
            if len(chosen):
                found.append(_against_level(chosen, kind, notes))
        accuracy = levels[levels["metric"].map(rising).astype(bool)]
        if "burn_in" in accuracy and accuracy["burn_in"].nunique() > 1:
            found.append(_against_burn_in(accuracy, notes))
    return found


def _metrics(frame: pd.DataFrame) -> list[str]:
    return [metric for metric in _TITLES if (frame["metric"] == metric).any()]


def runs_text(n: pd.Series, what: str = "run") -> str:
    """How many there were: `n = 5 runs`, `n = 3 to 5 runs`."""
    least, most = int(n.min()), int(n.max())
    count = f"{least}" if least == most else f"{least} to {most}"
    return f"n = {count} {what}{'' if most == 1 else 's'}"


def _columns(count: int, height: float, **options: bool) -> tuple[Figure, list[Axes]]:
    drawn = style.figure(style.PAGE if count > 1 else 4.2, height)
    return drawn, list(drawn.subplots(1, count, squeeze=False, **options)[0])


def _legend(drawn: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        drawn.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6), handlelength=2.6)


def _accuracy(curves: pd.DataFrame, notes: Notes) -> Panel:
    """Accuracy against d: means, ranges and single runs of each arm, and the full space."""
    data = curves[curves["metric"].map(rising)]
    metrics = _metrics(data)
    swept = data[data["method"] != FULL]
    drawn, panes = _columns(len(metrics), 3.1, sharey=True)
    arms, full = arms_of(swept, ARMS), arms_of(data[data["method"] == FULL], ARMS)
    for axes, metric in zip(panes, metrics, strict=True):
        ticks = dimension_axis(axes, sorted(swept["dim"].unique()))
        compression_axis(axes, ticks, notes.size)
        for arm in full:
            _draw_full(axes, arm.of(data[data["metric"] == metric]), arm, len(full))
        for arm in arms:
            _draw_arm(axes, arm.of(swept[swept["metric"] == metric]), arm)
        axes.set_xlabel("dimension d")
        axes.set_ylabel(_TITLES[metric])
        axes.label_outer(remove_inner_ticks=False)
        axes.set_ylabel(_TITLES[metric])
    _legend(drawn, panes[0])
    return Panel("accuracy", "Accuracy against the dimension", _accuracy_caption(data, notes), drawn, data)


def _draw_arm(axes: Axes, rows: pd.DataFrame, arm: Arm) -> None:
    means = rows[rows["statistic"] == "mean"].sort_values("dim")
    runs = rows[rows["statistic"] == "run"]
    many = means[means["n"] > 1]
    axes.fill_between(many["dim"], many["min"], many["max"], color=arm.colour, alpha=0.16, linewidth=0)
    axes.scatter(runs["dim"], runs["value"], s=5, color=arm.colour, alpha=0.35, linewidths=0, zorder=2)
    axes.plot(
        means["dim"], means["value"], color=arm.colour, linestyle=arm.dash, marker=arm.marker, label=arm.name
    )


def _draw_full(axes: Axes, rows: pd.DataFrame, arm: Arm, count: int) -> None:
    for mean in rows[rows["statistic"] == "mean"].itertuples():
        name = "full space" if count == 1 else f"full space, {arm.name}"
        axes.axhspan(mean.min, mean.max, color=style.MUTED, alpha=0.16, linewidth=0)
        dash = arm.dash if count > 1 else (0, (4, 1.5))
        axes.axhline(mean.value, color=style.MUTED, linestyle=dash, linewidth=1, label=name)


def _accuracy_caption(data: pd.DataFrame, notes: Notes) -> str:
    means = data[data["statistic"] == "mean"]
    swept, full = means[means["method"] != FULL], means[means["method"] == FULL]
    spread = "the band is the range from the least to the greatest, dots are single runs"
    text = f"Mean over seeds, {runs_text(swept['n'])} at each d; {spread}."
    if swept["n"].max() == 1:
        text = "One run at each d (n = 1): no spread."
    if len(full):
        size = f"D = {number(notes.size)}, " if np.isfinite(notes.size) else ""
        text += f" Dashed grey: training in the full space ({size}{runs_text(full['n'])}), mean and range."
    return f"{text} {notes.values}"


def _success(probabilities: pd.DataFrame, lines: pd.DataFrame, metric: str, notes: Notes) -> Panel:
    """The success probability over (d, level), a map for each arm, with the d* curve over it."""
    data = probabilities[probabilities["metric"] == metric]
    stars = lines[lines["metric"] == metric]
    unit = "" if rising(metric) else _LOSS_UNIT
    drawn = heat_map(arms_of(data, ARMS), data, stars, f"{_TITLES[metric]}{unit}", logarithmic=not rising(metric))
    caption = (
        f"Share of runs whose {_TITLES[metric]} reaches a level (vertical) in d dimensions, from black (none) to "
        f"white (all), {runs_text(data['n'])} at each d. Line: {notes.threshold}. {notes.values}"
    )
    name = f"success-{metric.replace('_', '-')}"
    return Panel(name, f"Success probability, {_TITLES[metric]}", caption, drawn, data)


def _against_level(lines: pd.DataFrame, kind: str, notes: Notes) -> Panel:
    """d* against the level, with its interval."""
    metrics = _metrics(lines)
    drawn, panes = _columns(len(metrics), 3.0, sharey=True)
    for axes, metric in zip(panes, metrics, strict=True):
        for arm in arms_of(lines, ARMS):
            rows = arm.of(lines[lines["metric"] == metric]).sort_values("level")
            _draw_thresholds(axes, rows, "level", arm.colour, arm.marker, arm.dash, arm.name, band=True)
        if kind == "loss":
            axes.set_xscale("log")
            axes.invert_xaxis()
        axes.set_xlabel(f"{_TITLES[metric]} to reach{'' if kind == 'accuracy' else _LOSS_UNIT}")
    _threshold_axes(panes, lines, notes)
    _legend(drawn, panes[0])
    caption = _threshold_caption(lines, notes, "the band")
    return Panel(f"threshold-{kind}", f"d* against the {kind} to reach", caption, drawn, lines)


def _against_burn_in(levels: pd.DataFrame, notes: Notes) -> Panel:
    """d* against the steps of burn-in, a line for each level."""
    metrics = _metrics(levels)
    others = arms_of(levels, tuple(label for label in ARMS if label != "burn_in"))
    drawn = style.figure(style.PAGE, 2.3 * len(others) + 0.7)
    panes = drawn.subplots(len(others), len(metrics), squeeze=False, sharey=True, sharex=True)
    steps = sorted(levels["burn_in"].dropna().unique())
    wanted = sorted(levels["level"].unique())
    colours = style.ordered(len(wanted))
    for row, arm in zip(panes, others, strict=True):
        for axes, metric in zip(row, metrics, strict=True):
            for level, colour in zip(wanted, colours, strict=True):
                rows = arm.of(levels[(levels["metric"] == metric) & (levels["level"] == level)])
                rows = rows.sort_values("burn_in")
                marker = style.MARKERS[wanted.index(level) % len(style.MARKERS)]
                _draw_thresholds(axes, rows, "burn_in", colour, marker, "-", f"{level:g}", band=False)
            axes.set_xscale("symlog", linthresh=min(step for step in steps if step > 0), base=2, linscale=0.7)
            axes.set_xticks(steps, [f"{step:g}" for step in steps])
            axes.set_title(f"{_TITLES[metric]}{', ' + arm.name if len(others) > 1 else ''}")
        _threshold_axes(list(row), levels, notes)
    for axes in panes[-1]:
        axes.set_xlabel("burn-in t (steps)")
    _legend(drawn, panes[0][0])
    caption = f"A line for each accuracy to reach. {_threshold_caption(levels, notes, 'the bar')}"
    return Panel("threshold-burn-in", "d* against the burn-in", caption, drawn, levels)
