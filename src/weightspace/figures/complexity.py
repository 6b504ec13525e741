"""Figures of the complexity experiments: losses and trajectories over training, violins of the bias's motion.

They follow Figures 1 and 2 of Loukas et al. (2021), with every run measured before runs are averaged.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Panel
from weightspace.figures.traces import LONGEST, draw_traces, traces
from weightspace.figures.violins import draw_violins
from weightspace.store.schema import FINISHED

WINDOW = 10
SMOOTH = ("trajectory_mean", "lipschitz_sampled", "phi_batch")
LABELS = {
    "train_loss": "training loss",
    "trajectory_mean": "bias trajectory per step (mean φ)",
    "test_loss": "test loss",
    "test_accuracy": "test accuracy",
    "trajectory_total_mean": "total bias trajectory / N",
    "lipschitz_sampled": "λ at the sampled examples",
    "phi_batch": "φ of the mean gradient",
    "flip_rate": "share of activations that flip",
    "bias_variance_normalised": "bias variance / rate²",
    "bias_distance_mean": "bias distance from the start",
}
TRAINING = ("train_loss", "trajectory_mean", "test_loss")
TOTALS = ("trajectory_total_mean", "lipschitz_sampled", "phi_batch", "flip_rate", "test_accuracy")
MOTION = {"bias_variance_normalised": True, "bias_distance_mean": False}


def panels(table: pd.DataFrame, history: pd.DataFrame, by: Sequence[str], epochs: float) -> list[Panel]:
    """All figures that the tables have numbers for.

    Args:
      table: A row a run, with labels and status.
      history: A row a run and reading.
      by: The labels that tell arms apart.
      epochs: Of each run.
    """
    rows = table[table["status"].isin(FINISHED)]
    if rows.empty or history.empty:
        return []
    arms = arms_of(rows, tuple(by))
    last = history.groupby("run")["step"].transform("max").clip(lower=1)
    timed = history.assign(epoch=history["step"] / last * epochs)
    n = pd.Series([arm.of(rows)["run"].nunique() for arm in arms])
    found = []
    with style.style():
        for name, title, metrics in (
            ("training", "Losses and bias trajectory", TRAINING),
            ("totals", "Further quantities over training", TOTALS),
        ):
            there = [metric for metric in metrics if metric in timed and timed[metric].notna().any()]
            if there:
                found.append(_curves(name, title, there, timed, rows, arms, n))
        there = [metric for metric in MOTION if metric in timed and timed[metric].notna().any()]
        if there:
            found.append(_motion(there, timed, rows, arms, n))
    return found


def _curves(
    name: str,
    title: str,
    metrics: Sequence[str],
    history: pd.DataFrame,
    table: pd.DataFrame,
    arms: Sequence[Arm],
    n: pd.Series,
) -> Panel:
    drawn, panes = _panes(len(metrics))
    data = []
    for axes, metric in zip(panes, metrics, strict=True):
        smooth = metric in SMOOTH and history["epoch"].nunique() > LONGEST / 2
        found = traces(history, table, arms, metric)
        draw_traces(axes, found, arms, smooth=smooth)
        axes.set_title(LABELS[metric], loc="left")
        data.append(found)
    legend_below(drawn, panes[0])
    caption = (
        f"Means over {runs_text(n)} of each setting, each run measured before averaging; bands are one "
        "standard deviation. Noisy curves are smoothed (exponential moving average, 0.95) over the raw means."
    )
    return Panel(name, title, caption, drawn, pd.concat(data, ignore_index=True))


def _motion(
    metrics: Sequence[str],
    history: pd.DataFrame,
    table: pd.DataFrame,
    arms: Sequence[Arm],
    n: pd.Series,
) -> Panel:
    drawn, panes = _panes(len(metrics))
    last = history.sort_values("step").groupby("run").tail(WINDOW)
    data = []
    for axes, metric in zip(panes, metrics, strict=True):
        parts = [
            last[last["run"].isin(set(arm.of(table)["run"]))][["run", "epoch", metric]].assign(arm=arm.name)
            for arm in arms
        ]
        found = pd.concat(parts, ignore_index=True).rename(columns={metric: "value"}).dropna()
        draw_violins(axes, found, arms, logarithmic=MOTION[metric])
        axes.set_title(LABELS[metric], loc="left")
        data.append(found.assign(metric=metric))
    caption = (
        f"Distribution over the last {WINDOW} readings of {runs_text(n)} of each setting; lines are medians, "
        "dots the runs' means. The variance is that of the first layer's bias within an epoch."
    )
    whole = pd.concat(data, ignore_index=True)[["metric", "arm", "run", "epoch", "value"]]
    return Panel("motion", "Variance and distance of the bias", caption, drawn, whole)


def _panes(count: int) -> tuple[Figure, list]:
    drawn = style.figure(style.PAGE if count > 1 else 3.6, 2.6)
    return drawn, list(drawn.subplots(1, count, squeeze=False)[0])
