"""One value a run of everything that is recorded along its training.

Training is noisy from epoch to epoch, so a run's value is its mean over the last ten readings; what sums over
the whole training is read at its end. Each run is measured first and averages are taken over runs afterwards:
the path of an average run is not the average path (a fault of the original code).
"""

from collections.abc import Sequence

import numpy as np

from weightspace.frames import Frame

WINDOW = 10
AVERAGED = {
    "train_loss": "train_loss_last10",
    "trajectory_mean": "trajectory_last10",
    "phi_batch": "phi_batch_last10",
    "phi_q99": "phi_q99_last10",
    "loss_derivative": "loss_derivative_last10",
    "lipschitz_sampled": "lipschitz_last10",
    "lipschitz_mean": "lipschitz_mean_last10",
    "bias_variance": "bias_variance_last10",
    "bias_variance_normalised": "bias_variance_normalised_last10",
    "bias_distance_mean": "bias_distance_last10",
    "flip_rate": "flip_rate_last10",
}
"""Columns of the history, and the name of their mean over the last readings."""
LARGEST = {"phi_max": "steadiness"}
"""Columns whose largest value over the last readings is taken: ϕ(τ) = max φ after τ."""


def measured(table: Frame, history: Frame, window: int = WINDOW) -> Frame:
    """The table with a column for each of the above that the history has.

    Args:
      table: A row a run, with its digest as `run`.
      history: Columns `run`, `step` and one for each metric.
      window: How many of the last readings.
    """
    if history.empty:
        return table
    trained = history[history["step"] > 0]  # the start belongs to no window
    last = trained.sort_values("step").groupby("run").tail(window).groupby("run")
    found = table.copy()
    for column, name in AVERAGED.items():
        if column in history:
            found[name] = table["run"].map(last[column].mean())
    for column, name in LARGEST.items():
        if column in history:
            found[name] = table["run"].map(last[column].max())
    return found


def reached(history: Frame, level: float, column: str = "train_loss") -> Frame:
    """For each run the first reading at which a loss is at most `level`, with all that was recorded there.

    Runs that never reach it have no row.
    """
    below = history[history[column] <= level]
    # The row itself: a value that is missing there must not come from another reading.
    return below.sort_values(["run", "step"]).drop_duplicates("run", keep="first", ignore_index=True)


def common_level(history: Frame, column: str = "train_loss") -> float:
    """The least loss that every run reaches: the greatest of the runs' least losses."""
    return float(history.groupby("run")[column].min().max())


def final(history: Frame) -> Frame:
    """Each run's last reading."""
    return history.sort_values(["run", "step"]).drop_duplicates("run", keep="last", ignore_index=True)


def epochs_to(table: Frame, history: Frame, level: float, per_epoch: float) -> Frame:
    """The table with `epochs_to_level`: epochs until the training loss is at most `level`; NaN if never."""
    first = reached(history, level).set_index("run")["step"] / per_epoch
    return table.assign(epochs_to_level=table["run"].map(first).astype(np.float64))


def with_parts(table: Frame, keys: Sequence[str], parts: Sequence[str]) -> Frame:
    """One row a training, with the columns of the values that were derived from it.

    Args:
      table: Rows whose label `part` is `training` or one of `parts`.
      keys: The labels that a training and its derived values share; those that the table lacks are passed
        over.
      parts: Whose columns to add; the digest of each is kept as `run_<part>`.
    """
    if "part" not in table:
        return table
    keys = [key for key in keys if key in table]
    found = table[table["part"] == "training"].dropna(axis=1, how="all")
    for part in parts:
        rows = table[table["part"] == part].dropna(axis=1, how="all")
        new = [name for name in rows if name not in found and not str(name).endswith("_last10")]
        if len(rows):
            named = rows[[*keys, "run", *new]].rename(columns={"run": f"run_{part}"})
            found = found.merge(named, on=[key for key in keys if key in found], how="left")
    return found
