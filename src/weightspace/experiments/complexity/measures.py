"""One value a run of everything that is recorded along its training.

Training is noisy from epoch to epoch, so a run's value is its mean over the last ten readings; what sums over
the whole training is read at its end. Each run is measured first and averages are taken over runs afterwards:
the path of an average run is not the average path (a fault of the original code).
"""

from collections.abc import Sequence

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given
from weightspace.tables.history import Windows, common_level, final, reached

__all__ = ["common_level", "epochs_to", "final", "measured", "reached", "with_parts"]

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
    kind = Windows(tuple(AVERAGED.items()), tuple(LARGEST.items()), window)
    return kind.of(Given(table, history))


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
