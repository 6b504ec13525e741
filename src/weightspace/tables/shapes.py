"""Rows in other shapes: columns below each other, settings with names, values chosen among columns.

All of these take and give rows, so that `On(shape, table)` is a table of the rows as they should be.
"""

import dataclasses
from typing import Any

from weightspace.errors import InputError
from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import beside, grouped, labels_in, missing
from weightspace.tables.words import Vocabulary


@dataclasses.dataclass(frozen=True)
class Unfolded(Table):
    """Numbered columns, `<name>_0`, `<name>_1`, …, one below the other.

    Attributes:
      names: Names of such columns; a line is there where the first of them has a value.
      number: The name of the number.
      labels: What tells the rows apart; rows that lack one of them altogether have no lines.
      beside: Further columns that go with each line, where the rows have them.
    """

    names: tuple[str, ...]
    number: str
    labels: tuple[str, ...]
    beside: tuple[str, ...] = ()

    def of(self, given: Given) -> Frame:
        """Finished rows: `run status seed`, the labels, the number, the names, what goes with them."""
        from pandas import DataFrame, concat

        rows, parts = finished(given.rows), []
        own = ["run", "status", "seed", *self.labels, *(name for name in self.beside if name in rows)]
        while f"{self.names[0]}_{len(parts)}" in rows and set(self.labels) <= set(rows):
            there = rows[rows[f"{self.names[0]}_{len(parts)}"].notna()]
            columns = {name: f"{name}_{len(parts)}" for name in self.names}
            found = {name: there[column] for name, column in columns.items() if column in there}
            parts.append(there[own].assign(**{self.number: len(parts)}, **found))
        columns = [*own, self.number, *self.names]
        return concat(parts, ignore_index=True) if parts else DataFrame(columns=columns)


@dataclasses.dataclass(frozen=True)
class Melted(Table):
    """Columns of one meaning, one below the other.

    Attributes:
      columns: Pairs of a column and what it is called; those that the rows lack are passed over.
      into: The name of the column that has their values; lines without a value stay.
      label: The name of the label that says which it was, an ordered category.
    """

    columns: tuple[tuple[str, str], ...]
    into: str
    label: str

    def of(self, given: Given) -> Frame:
        """All rows with the first of the columns, then all with the second, and so on."""
        from pandas import Categorical, concat

        names = [name for name, _ in self.columns]
        rest = given.rows.drop(columns=names, errors="ignore")
        there = [(name, called) for name, called in self.columns if name in given.rows]
        order = [called for _, called in there]
        parts = [
            rest.assign(
                **{
                    self.into: given.rows[name],
                    self.label: Categorical([called] * len(rest), order, ordered=True),
                }
            )
            for name, called in there
        ]
        return concat(parts, ignore_index=True) if parts else rest


@dataclasses.dataclass(frozen=True)
class Ordered(Table):
    """The rows with labels whose values have an order, that of the question.

    Attributes:
      orders: Pairs of a label and its values; values that are not among them have none.
    """

    orders: tuple[tuple[str, tuple[Any, ...]], ...]

    def of(self, given: Given) -> Frame:
        """The rows; each of these labels is an ordered category of the values that occur."""
        from pandas import Categorical

        found = given.rows
        for label, values in self.orders:
            if label in found:
                there = [value for value in dict.fromkeys(values) if (found[label] == value).any()]
                found = found.assign(**{label: Categorical(found[label], there, ordered=True)})
        return found


@dataclasses.dataclass(frozen=True)
class Named(Table):
    """The rows with `setting`, an ordered name of each that says only in what the settings differ.

    A label that a setting lacks is not said, unless two settings would have one name: then all say what they
    lack.

    Attributes:
      labels: The first is always said, another where its values differ.
      orders: Pairs of a label and its values in their order; those of other labels rise.
      names: Pairs of a value and what it is called; others are called as the vocabulary says.
    """

    labels: tuple[str, ...]
    orders: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    names: tuple[tuple[Any, str], ...] = ()

    def of(self, given: Given) -> Frame:
        """The rows.

        Raises:
          InputError: If two settings have one name.
        """
        from pandas import Categorical

        table, first = given.rows, self.labels[0]
        if first not in table:
            return table.iloc[:0].assign(setting=Categorical([], ordered=True))
        labels = [first, *labels_in(table, self.labels[1:])]
        known = table[labels].drop_duplicates()
        places = known.apply(lambda column: column.map(self._places(str(column.name), column)))
        known = known.loc[places.sort_values(labels).index]
        for said in (False, True):
            names = self._names(known, labels, given.words, lacking=said)
            if len({*names}) == len(names):
                break
        else:
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                f"two settings of {', '.join(labels)} are called '{twice}'; give their values names that "
                "differ, in names= or in the label's words"
            )
        numbers = grouped(table, labels, sort=False).ngroup()
        called = dict(zip(numbers.loc[known.index], names, strict=True))
        own = [called[number] for number in numbers]
        return table.assign(setting=Categorical(own, names, ordered=True))

    def _names(self, known: Frame, labels: list[str], words: Vocabulary, *, lacking: bool) -> list[str]:
        first, *rest = labels
        said = [first, *(label for label in rest if known[label].nunique(dropna=not lacking) > 1)]
        texts = ([self._text(label, value, words, lacking) for value in known[label]] for label in said)
        return [", ".join(filter(None, parts)) for parts in zip(*texts, strict=True)]

    def _places(self, label: str, column: Any) -> dict[Any, int]:
        values = [value for value in column if not missing(value)]
        try:
            rising = sorted(set(values))
        except TypeError:  # Values of several types have no order but that of their text.
            rising = sorted(set(values), key=str)
        order = dict(self.orders).get(label) or rising
        return {value: place for place, value in enumerate(dict.fromkeys((*order, *values)))}

    def _text(self, label: str, value: Any, words: Vocabulary, lacking: bool) -> str:
        if missing(value):
            return dict(self.names).get(None, f"no {words.label(label).words}") if lacking else ""
        return dict(self.names).get(value) or words.label(label).text(value).replace("_", " ")


@dataclasses.dataclass(frozen=True)
class Binned(Table):
    """The rows with the number of the bin that a column lies in, of as many of nearly equal content.

    Attributes:
      column: Any of numbers; rows without one have no bin.
      into: The name of the number, from 1 with the least.
      bins: How many; fewer where the column has fewer values.
    """

    column: str
    into: str
    bins: int = 6

    def of(self, given: Given) -> Frame:
        """The rows; equal numbers have one bin."""
        from pandas import qcut

        rows = given.rows
        if self.column not in rows or rows[self.column].nunique() < 2:
            return rows.assign(**{self.into: 1}) if self.column in rows else rows
        numbers = qcut(rows[self.column].astype(float), self.bins, labels=False, duplicates="drop")
        return rows.assign(**{self.into: numbers.astype("Int64") + 1})


@dataclasses.dataclass(frozen=True)
class Chosen(Table):
    """The rows with columns of what stands in the first of several that has a value.

    Attributes:
      columns: Pairs of a name and the columns that are looked at, in this order; those that the rows lack
        are passed over.
    """

    columns: tuple[tuple[str, tuple[str, ...]], ...]

    def of(self, given: Given) -> Frame:
        """The rows."""
        from pandas import Series

        table = given.rows
        made = {}
        for name, columns in self.columns:
            found = Series(float("nan"), table.index)
            for column in (column for column in columns if column in table):
                found = found.fillna(table[column].astype(float))
            made[name] = found
        return table.assign(**made)


@dataclasses.dataclass(frozen=True)
class Renamed(Table):
    """The rows with other names of columns; a column that had such a name is left out.

    Attributes:
      names: Pairs of an old name and the new one.
    """

    names: tuple[tuple[str, str], ...]

    def of(self, given: Given) -> Frame:
        """The rows."""
        there = {old: new for old, new in self.names if old in given.rows}
        return given.rows.drop(columns=list(there.values()), errors="ignore").rename(columns=there)


@dataclasses.dataclass(frozen=True)
class Stacked(Table):
    """The lines of several tables below each other.

    Attributes:
      tables: Which.
    """

    tables: tuple[Table, ...]

    def of(self, given: Given) -> Frame:
        """All lines; a column that some lack is empty there."""
        from pandas import concat

        found = [frame for frame in (given.of(table) for table in self.tables) if len(frame)]
        return concat(found, ignore_index=True) if found else given.of(self.tables[0])


@dataclasses.dataclass(frozen=True)
class Beside(Table):
    """The lines of a table with further columns, those of another where both agree in some labels.

    A column that both have is called `<name>_beside` of the second.

    Attributes:
      first: Gives the lines.
      second: Gives the columns; at most a line for each set of labels.
      on: The labels.
    """

    first: Table
    second: Table
    on: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """The first table as it is where one of them lacks a label or has no lines.

        Raises:
          InputError: If the second has two lines of the same labels.
        """
        found, more = given.of(self.first), given.of(self.second)
        there = set(self.on) <= {*found} and set(self.on) <= {*more} and len(more)
        return beside(found, more, self.on, "a table beside another") if there else found
