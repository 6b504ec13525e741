"""Columns of rows: a value where a label says so, means of other rows, arrays entry by entry."""

import dataclasses
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import beside, grouped, once


@dataclasses.dataclass(frozen=True)
class Filled(Table):
    """The rows, with a column that has one value where a label has another, as density 1 of dense networks.

    Attributes:
      column: Which; NaN elsewhere, where the rows lack it.
      label: A label and its value.
      value: What stands there.
      rows: Gives the rows; None takes them as they are.
    """

    column: str
    label: tuple[str, Any]
    value: float
    rows: Table | None = None

    def of(self, given: Given) -> Frame:
        """The rows."""
        rows = given.rows if self.rows is None else given.of(self.rows)
        name, value = self.label
        filled = rows[name] == value if name in rows else np.zeros(len(rows), bool)
        known = rows.get(self.column, float("nan"))
        return rows.assign(**{self.column: known}).assign(
            **{self.column: lambda frame: frame[self.column].where(~filled, self.value)}
        )


@dataclasses.dataclass(frozen=True)
class MeansBeside(Table):
    """Rows of one kind, with means over rows of another that have the same labels.

    Attributes:
      label: The label that tells kinds apart; it is left out of the result.
      of_kind: Its value of the rows that stay.
      beside: Its value of those that are averaged.
      keys: The labels that both kinds have.
      means: Columns that are averaged, each with the name of its mean.
    """

    label: str
    of_kind: Any
    beside: Any
    keys: tuple[str, ...]
    means: tuple[tuple[str, str], ...]

    def of(self, given: Given) -> Frame:
        """The rows of the first kind, without columns that none of them has."""
        rows = given.rows
        found = rows[rows[self.label] == self.of_kind] if self.label in rows else rows.iloc[:0]
        if found.empty:
            return found
        keys = [name for name in self.keys if name in rows]
        found = found.drop(columns=[self.label, *(name for name in found if found[name].isna().all()
                                                  and name not in keys)])  # fmt: skip
        others = rows[rows[self.label] == self.beside]
        for column, name in self.means:
            if column in rows and keys:
                means = grouped(once(others, [*keys, column]), keys)[column].mean().rename(name).reset_index()
                found = beside(found.drop(columns=name, errors="ignore"), means, keys, f"the means '{name}'")
        empty = [name for name in keys if found[name].isna().all()]
        return found.drop(columns=empty).reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class Entries(Table):
    """Arrays that the nodes of rows left, a line for each entry.

    Attributes:
      outputs: Columns, each with the key of the output that holds its values.
      needed: A column that must have a value, as it has where the node left something.
    """

    outputs: tuple[tuple[str, str], ...]
    needed: str

    def of(self, given: Given) -> Frame:
        """The finished rows, each as many times as its arrays are long."""
        from pandas import DataFrame, concat

        rows = finished(given.rows)
        rows = rows.dropna(subset=[self.needed]) if self.needed in rows else rows.iloc[:0]
        names, parts = [name for name, _ in self.outputs], []
        for run in dict.fromkeys(rows["run"]):
            arrays = {name: np.asarray(given.outputs(run, key)) for name, key in self.outputs}
            parts.append(DataFrame(arrays | {"run": run}))
        whole = concat(parts) if parts else DataFrame(columns=["run", *names])
        return rows.drop(columns=names, errors="ignore").merge(whole, on="run", how="inner")
