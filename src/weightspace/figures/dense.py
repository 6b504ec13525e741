"""Figure of the dense network: validation loss and accuracy over steps, with the points of early stopping."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weightspace.figures import style
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.captions import runs_text
from weightspace.figures.panel import Panel
from weightspace.figures.traces import draw_traces, traces
from weightspace.store.schema import FINISHED

METRICS = {"validation_loss": "validation loss", "validation_accuracy": "validation accuracy"}


def panels(table: pd.DataFrame, history: pd.DataFrame) -> list[Panel]:
    """One figure.

    Args:
      table: A row a run, with `best_step`.
      history: Columns `run`, `step` and the metrics.
    """
    there = [metric for metric in METRICS if metric in history and history[metric].notna().any()]
    runs = table[table["status"].isin(FINISHED)]
    if not there or runs.empty:
        return []
    rows = history.assign(epoch=history["step"])
    arms = arms_of(runs, ())
    data = []
    with style.style():
        drawn = style.figure(style.PAGE if len(there) > 1 else 4.2, 2.7)
        panes = drawn.subplots(1, len(there), squeeze=False)[0]
        for axes, metric in zip(panes, there, strict=True):
            line = traces(rows, runs, arms, metric)
            draw_traces(axes, line, arms, smooth=False)
            points = _stops(runs, history, metric)
            _draw_stops(axes, points)
            axes.set(xlabel="step", ylabel=METRICS[metric])
            data += [line.rename(columns={"epoch": "step"}).drop(columns=["smooth", "arm"]), points]
        panes[0].get_lines()[0].set_label("mean over runs")
        legend_below(drawn, panes[0])
    counts = runs_text(pd.Series([len(runs)]))
    caption = (
        f"The dense network on examples set aside: mean over runs ({counts}), band of one standard "
        "deviation. Dots: where each run has its least validation loss, at which early stopping ends."
    )
    numbers = pd.concat(data, ignore_index=True)
    return [Panel("training", "Training of the dense network", caption, drawn, numbers)]


def _stops(runs: pd.DataFrame, history: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each run's value at its step of least validation loss."""
    if "best_step" not in runs:
        return pd.DataFrame(columns=["run", "step", "value", "metric"])
    best = runs[["run", "best_step"]].rename(columns={"best_step": "step"})
    found = best.merge(history[["run", "step", metric]], on=["run", "step"], how="inner")
    return found.rename(columns={metric: "value"}).assign(metric=metric)


def _draw_stops(axes: Axes, points: pd.DataFrame) -> None:
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4, "markeredgewidth": 0}
    value = points["value"].to_numpy(np.float64)
    axes.plot(points["step"], value, color=style.PALETTE[1], label="early stopping", **look)
