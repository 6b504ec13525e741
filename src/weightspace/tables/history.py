"""Windows and moments of a history: one row a run of what was recorded along its training.

Training is noisy from epoch to epoch, so a run's value is its mean over the last readings; what is compared
at one moment is read where a loss first falls to a level, or at the end.
"""

import dataclasses
from collections.abc import Sequence

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished, without_end
from weightspace.tables.groups import metrics_in


@dataclasses.dataclass(frozen=True)
class Windows(Table):
    """The rows with columns of the last readings of each run.

    Attributes:
      means: Columns of the history, each with the name of its mean over the window.
      greatest: Columns, each with the name of its largest value in the window.
      last: How many of the last readings; the start belongs to no window.
    """

    means: tuple[tuple[str, str], ...] = ()
    greatest: tuple[tuple[str, str], ...] = ()
    last: int = 10

    def of(self, given: Given) -> Frame:
        """The rows, with a column for each of the above that the history has; NaN for runs that diverged."""
        table, history = given.rows, given.history
        if history.empty:
            return table
        last, found = window(history, self.last).groupby("run"), table.copy()
        for pairs, kind in ((self.means, "mean"), (self.greatest, "max")):
            for column, name in pairs:
                if metrics_in([column], history, given.words):
                    found[name] = table["run"].map(last[column].agg(kind)).mask(without_end(table))
        return found


@dataclasses.dataclass(frozen=True)
class LastReadings(Table):
    """Every value of the last readings of each run, for distributions.

    Attributes:
      metrics: Columns of the history; those that it lacks are passed over.
      arms: Labels that tell the arms apart.
      last: How many of the last readings; the start belongs to no window.
      epochs: Of each run: time is then counted in these, as `epoch`; None counts in steps.
    """

    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    last: int = 10
    epochs: float | None = None

    def of(self, given: Given) -> Frame:
        """Columns `metric`, the arms, `run`, `step` or `epoch`, `value`; no lines of runs that diverged."""
        from pandas import DataFrame, concat

        rows, (history, time) = finished(given.rows), timed(given.history, self.epochs)
        labels = [name for name in self.arms if name in rows]
        columns = ["metric", *labels, "run", time, "value"]
        rows = rows[~without_end(rows)]
        known = metrics_in(self.metrics, history, given.words)
        there = [name for name in known if history[name].notna().any()]
        if not there or rows.empty:
            return DataFrame(columns=columns)
        each = labelled(rows, labels, window(history, self.last))
        parts = [
            each.assign(metric=name, value=each[name])[columns].dropna(subset=["value"]) for name in there
        ]
        return concat(parts, ignore_index=True)


@dataclasses.dataclass(frozen=True)
class FirstReached(Table):
    """The rows with the time at which a loss first falls to a level; NaN for runs that never reach it.

    Attributes:
      name: Of the column.
      level: Of the loss.
      unit: Steps of a unit of time.
      column: The loss that is looked at.
    """

    name: str
    level: float
    unit: float = 1
    column: str = "train_loss"

    def of(self, given: Given) -> Frame:
        """The rows, a column more; as they were where there is no history."""
        if given.history.empty or self.column not in given.history:
            return given.rows
        first = reached(given.history, self.level, self.column).set_index("run")["step"] / self.unit
        return given.rows.assign(**{self.name: given.rows["run"].map(first).astype(float)})


@dataclasses.dataclass(frozen=True)
class Moment(Table):
    """What was recorded of each run at one moment, with the labels of its row.

    Attributes:
      at: `end`, the last reading; `reached`, the first at which `column` is at most `level`; `common`, the
        same for the least level that all runs reach.
      level: For `reached`.
      column: The loss that is looked at.
    """

    at: str = "end"
    level: float = 0.0
    column: str = "train_loss"

    def of(self, given: Given) -> Frame:
        """Rows of the runs that have the moment: labels and status, `steps`, and the metrics there.

        What diverged has no end, and reaches no level that all reach: its row is there, without numbers.
        """
        table, history = finished(given.rows), given.history
        if history.empty or self.column not in history:
            return table.iloc[:0]
        if self.at == "reached":
            found, lost = reached(history, self.level, self.column), table.iloc[:0]
        else:
            lost = table[without_end(table) & table["run"].isin(set(history["run"]))]
            history = history[history["run"].isin(set(table["run"]) - set(lost["run"]))]
            level = common_level(history, self.column)
            found = final(history) if self.at == "end" else reached(history, level, self.column)
        found = found.rename(columns={"step": "steps"})
        own = [name for name in table if name == "run" or name not in found]
        there = table["run"].isin({*found["run"], *lost["run"]})
        whole = table.loc[there, own].merge(found, on="run", how="left", validate="many_to_one")
        return whole if whole["steps"].notna().all() else whole.astype({"steps": "Int64"})


def window(history: Frame, last: int) -> Frame:
    """The last readings of each run; the start, where nothing is trained, belongs to no window."""
    return history[history["step"] > 0].sort_values("step").groupby("run").tail(last)


def labelled(rows: Frame, labels: Sequence[str], readings: Frame) -> Frame:
    """Readings with the labels (and seed) of their runs: of each set of labels that a run was asked under."""
    own = [*labels, *(name for name in ("seed",) if name in rows and name not in labels)]
    return rows[["run", *own]].drop_duplicates(["run", *labels]).merge(readings, on="run")


def timed(history: Frame, epochs: float | None) -> tuple[Frame, str]:
    """A history with `epoch`, shares of each run's own steps times its epochs, and which column is time."""
    if epochs is None:
        return history, "step"
    last = history.groupby("run")["step"].transform("max").clip(lower=1)
    return history.assign(epoch=history["step"] / last * epochs), "epoch"


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
