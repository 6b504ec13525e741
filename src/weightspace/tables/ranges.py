"""Ranges over runs: means with the least and the greatest, of a value, of numbered ones, of layers."""

import dataclasses

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import grouped, groups, once


@dataclasses.dataclass(frozen=True)
class Ranges(Table):
    """Mean, spread, least, greatest and number of runs of one metric, for each set of labels in its order.

    Attributes:
      metric: The column.
      by: Labels that tell the lines apart.
      averaged: Columns whose mean goes with each line.
    """

    metric: str
    by: tuple[str, ...]
    averaged: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """Columns: the labels, `mean sd least greatest n`, the averaged ones."""
        from pandas import DataFrame

        rows, by = finished(given.rows), list(self.by)
        columns = ["mean", "sd", "least", "greatest", "n"]
        if not {self.metric, *by} <= {*rows}:
            return DataFrame(columns=[*by, *columns, *self.averaged])
        given.metrics([self.metric])
        lines = grouped(once(rows, [*by, self.metric]), by)
        each = lines[self.metric].agg(mean="mean", sd="std", least="min", greatest="max", n="count")
        return each.assign(**{name: lines[name].mean() for name in self.averaged}).reset_index()


@dataclasses.dataclass(frozen=True)
class Averages(Table):
    """Means of metrics over runs, with the range of the first, for each set of labels as they come.

    Attributes:
      metrics: Columns; those that the rows lack are passed over.
      by: Labels that tell the lines apart.
      averaged: Columns whose mean stands before them.
    """

    metrics: tuple[str, ...]
    by: tuple[str, ...]
    averaged: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """Columns: the labels, the averaged, the metrics, `<first>_sd _least _greatest`, `n`."""
        rows, found = finished(given.rows), given.metrics(self.metrics)
        if rows.empty or not {*self.by, self.metrics[0]} <= {*rows}:
            return rows.iloc[:0]
        names = [*(name for name in self.averaged if name in rows), *found]
        lines = grouped(once(rows, [*self.by, *found]), self.by, sort=False)
        first = lines[self.metrics[0]]
        more = {"sd": first.std(), "least": first.min(), "greatest": first.max()}
        ends = {f"{self.metrics[0]}_{name}": values for name, values in more.items()}
        return lines[names].mean().assign(**ends, n=lines.size()).reset_index()


@dataclasses.dataclass(frozen=True)
class Peaks(Table):
    """The line of each arm of a table at which a column is greatest.

    Attributes:
      table: Gives the lines.
      by: Labels that tell the arms apart.
      columns: Columns of it and what they are called here; the first is the one looked at.
    """

    table: Table
    by: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]

    def of(self, given: Given) -> Frame:
        """Columns: the labels, and these."""
        lines = given.of(self.table)
        at = self.columns[0][0]
        if lines.empty or at not in lines:
            return lines.iloc[:0]
        found = lines.loc[grouped(lines.dropna(subset=[at]), self.by)[at].idxmax()]
        names = dict(self.columns)
        return found[[*self.by, *names]].rename(columns=names).reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class Layers(Table):
    """What columns say of the whole (`<column>`) and of each layer (`<column>_<layer>`), over runs.

    Attributes:
      kinds: Pairs of a name and its column.
      by: The label that tells the arms apart.
    """

    kinds: tuple[tuple[str, str], ...]
    by: str = "setting"

    def of(self, given: Given) -> Frame:
        """Columns: the label, `layer` ("all" for the whole), `kind`, `mean least greatest n`."""
        from pandas import DataFrame

        lines = []
        done = finished(given.rows)
        for (arm,), rows in groups(done, [self.by]) if self.by in done else ():
            for kind, column in self.kinds:
                layers = {str(name): given.words.layer(column, str(name)) for name in rows}
                for name, layer in ((name, layer) for name, layer in layers.items() if layer):
                    values = once(rows, [name])[name].dropna()
                    if len(values):
                        spread = (values.mean(), values.min(), values.max(), len(values))
                        lines.append((arm, layer, kind, *spread))
        return DataFrame(lines, columns=[self.by, "layer", "kind", "mean", "least", "greatest", "n"])
