"""Table: a pure function of what a question left behind, from frame to frame.

A kind of table is a small frozen dataclass whose fields say what is wanted; `of` makes it. What it is made
of is `Given`: the rows (one a run, with the question's own columns), the histories, the outputs.
`given.of(table)` makes each table once, however many answers and figures ask for it, so that kinds may be
made of one another: `On(Best(), Curves(…))` is the curves of each run's best values.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

from weightspace.frames import Frame
from weightspace.tables.groups import metrics_in
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Vocabulary

Outputs = Callable[[str, str], Any]
"""A node's digest and the key of an output -> arrays."""


Readings = Frame | Callable[[], Frame]
"""A history, or a function that reads it: histories are long, and few tables ask for them."""


def no_outputs(run: str, name: str) -> Any:
    """The outputs of rows that have none.

    Raises:
      KeyError: Always.
    """
    raise KeyError(f"{run} has left no {name}")


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """What tables are made of.

    Attributes:
      rows: A row a run: labels, `status`, last values, the question's own columns.
      readings: The history, or a function that reads it where a table asks for it.
      outputs: `(run, name) -> array`, what the nodes have left behind.
      words: Labels and metrics, the question's own among them: which of a metric is better, and what its
        levels may be, is said there.
    """

    rows: Frame
    readings: Readings
    outputs: Outputs = no_outputs
    words: Vocabulary = VOCABULARY
    _made: dict["Table", Frame] = dataclasses.field(default_factory=dict, repr=False)
    _inner: dict["Table", "Given"] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def history(self) -> Frame:
        """Columns `run`, `step` and one for each metric; a row for each run and reading."""
        return self.readings() if callable(self.readings) else self.readings

    def of(self, table: "Table") -> Frame:
        """A table, made once."""
        if table not in self._made:
            self._made[table] = table.of(self)
        return self._made[table]

    def on(self, rows: "Table") -> "Given":
        """The same with the rows that a table makes; made once."""
        if rows not in self._inner:
            self._inner[rows] = Given(self.of(rows), lambda: self.history, self.outputs, self.words)
        return self._inner[rows]

    def metrics(self, names: Iterable[str]) -> list[str]:
        """Those metrics that the rows have; warns of a name that is most likely misspelt."""
        return metrics_in(names, finished(self.rows), self.words)


def finished(rows: Frame) -> Frame:
    """The rows that are results: what diverged is one, what failed, waits or is blocked is none."""
    from weightspace.store.schema import FINISHED

    return rows[rows["status"].isin(FINISHED)] if "status" in rows else rows


def without_end(rows: Frame) -> Any:
    """Which rows have no value at the end: what diverged is a result, but what it was before is none."""
    return rows["status"] != "ok" if "status" in rows else rows.index != rows.index


class Table(abc.ABC):
    """A kind of table; a subclass is a frozen dataclass."""

    @abc.abstractmethod
    def of(self, given: Given) -> Frame:
        """The table.

        Rows may lack any label or metric, and none may have finished: then the table has no lines.
        """


@dataclasses.dataclass(frozen=True)
class Rows(Table):
    """The rows themselves, or some of their columns.

    Attributes:
      columns: Those to keep, where the rows have them; none keeps all.
    """

    columns: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """The rows as they are given."""
        kept = [name for name in self.columns if name in given.rows]
        return given.rows[kept] if self.columns else given.rows


@dataclasses.dataclass(frozen=True)
class Where(Table):
    """The rows whose labels have one of some values.

    Attributes:
      labels: Pairs of a label and the values that it may have.
    """

    labels: tuple[tuple[str, tuple[Any, ...]], ...]

    def of(self, given: Given) -> Frame:
        """Those rows, without columns that none of them has."""
        rows = given.rows
        for label, values in self.labels:
            rows = rows[rows[label].isin(values)] if label in rows else rows.iloc[:0]
        return (rows.dropna(axis=1, how="all") if len(rows) else rows).reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class On(Table):
    """A table of the rows that another table makes.

    Attributes:
      rows: Gives the rows: one a run.
      table: What is made of them.
    """

    rows: Table
    table: Table

    def of(self, given: Given) -> Frame:
        """The second table of the first's rows; both are made once."""
        return given.on(self.rows).of(self.table)
