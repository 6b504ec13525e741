"""Groups of rows, for all tables alike: what tells rows apart, what counts once, what goes beside what.

A missing label is a value like any other, so that runs without a setting are never mixed with those that
have it, nor lost. A run that was asked for under several label sets is one run: where the labels looked at
do not differ it counts once. What needs one row for each key refuses two, and never takes the first.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from weightspace.errors import InputError, nearest
from weightspace.frames import Frame
from weightspace.tables.words import Vocabulary


class TableWarning(UserWarning):
    """A table is asked for a column that neither the rows nor the vocabulary have."""


def labels_in(table: Frame, labels: Sequence[str]) -> list[str]:
    """Those of the labels that a table has a value of."""
    return [name for name in labels if name in table and table[name].notna().any()]


def missing(value: Any) -> bool:
    """Whether a label has no value: None, NaN or NA."""
    import pandas as pd

    return value is None or value is pd.NA or bool(value != value)


def grouped(rows: Frame, by: Sequence[str], *, sort: bool = True) -> Any:
    """The pandas groups of rows that agree in all labels (one at least), whether these are missing or not.

    Args:
      rows: Any.
      by: The labels. Of a category only the values that occur have a group.
      sort: Whether groups come in the order of the labels' values, else as they first occur.
    """
    return rows.groupby(list(by), dropna=False, observed=True, sort=sort)


def groups(rows: Frame, by: Sequence[str], *, sort: bool = True) -> list[tuple[tuple[Any, ...], Frame]]:
    """As `grouped`, with the values of the labels; without labels all rows are one group."""
    if not by or rows.empty:
        return [((), rows)] if len(rows) else []
    return [(tuple(key), part) for key, part in grouped(rows, by, sort=sort)]


def once(rows: Frame, columns: Iterable[str]) -> Frame:
    """The rows, those of one run that agree in these columns as one: the first.

    A row's run is its `run` with all `run_<part>` beside it.
    """
    if "run" not in rows:
        return rows
    nodes = [name for name in rows if name == "run" or str(name).startswith("run_")]
    return rows.drop_duplicates(list(dict.fromkeys((*nodes, *columns))))


def single(rows: Frame, keys: Sequence[str], what: str) -> Frame:
    """The rows, of which no two agree in all keys.

    Args:
      rows: Any.
      keys: Columns that they have.
      what: Who needs it, for the sentence.

    Raises:
      InputError: If two rows do.
    """
    several = rows[rows.duplicated(list(keys), keep=False)]
    if several.empty:
        return rows
    _, part = groups(several, keys, sort=False)[0]
    first = ", ".join(f"{key} {part[key].iloc[0]}" for key in keys)
    known = {*keys, "run", "status", "seconds", "error"}
    differ = [str(n) for n in part if n not in known and part[n].map(str).nunique() > 1]
    hint = f"; they differ in {', '.join(differ[:5])}" if differ else ""
    raise InputError(
        f"{what}: one row is needed for each {', '.join(keys)}, but {len(part)} rows have {first}{hint}; "
        f"name the label that tells them apart, or leave some of them out"
    )


def beside(found: Frame, more: Frame, on: Sequence[str], what: str) -> Frame:
    """The first table's lines in their order with the second's columns, where both agree in the keys.

    A column of the second's that the first has too is called `<name>_beside`.

    Args:
      found: Any.
      more: At most a line for each set of keys.
      on: The keys, which both have.
      what: Who needs it, for the sentence.

    Raises:
      InputError: If the second has two lines for one.
    """
    more = single(more, on, what)
    ends = ("", "_beside")
    return found.merge(more, on=list(on), how="left", validate="many_to_one", suffixes=ends)


def metrics_in(names: Iterable[str], table: Frame, words: Vocabulary) -> list[str]:
    """Those of the metrics that are columns; one that may be absent, as before its first result, is left out.

    Warns of a name that is no column though there are rows, and that the vocabulary does not have either:
    it is most likely misspelt.
    """
    names = list(names)
    for name in names:
        if len(table) and name not in table and not words.knows(name):
            guess = nearest(name, map(str, table))
            hint = f"did you mean '{guess}'?" if guess else f"columns are {', '.join(map(str, table))}."
            text = f"there is no column '{name}', so it is left out; {hint}"
            warnings.warn(TableWarning(text), stacklevel=2)
    return [name for name in names if name in table]
