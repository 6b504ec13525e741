"""Reading: one tidy table of results, histories, and SQL over both.

Files are read by DuckDB and joined by the names of their columns, so that experiments with different metrics
share a table. Of each run only the record that counts is read. The functions take a folder or a `Store`.

All views and tables keep one rule, so that counts, filters and spreads answer the same from each: what is not
a number, and of a run that diverged what is not finite, has no value there (NULL, in pandas NaN); the reason
is in `status` and `error`. Files hold what was measured.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pandas as pd

from weightspace.errors import InputError
from weightspace.store.asked import Question, asked_frame, plain_rows
from weightspace.store.base import Store, opened
from weightspace.store.exact import as_numbers, as_text, exact_numbers
from weightspace.store.index import patiently
from weightspace.store.rows import Record
from weightspace.store.schema import (
    ERROR,
    LEADING,
    RUNS,
    TRACEBACK,
    WAITING,
    DamagedError,
    read_parquet,
    skip,
)
from weightspace.store.settings import settings_of, telling_apart
from weightspace.store.views import views

T = TypeVar("T")


def results(out: "str | Path | Store", experiment: str | None = None) -> pd.DataFrame:
    """One row for each set of labels that was asked: what it is, how it went, labels, metrics.

    Where rows that agree in all labels but the seed were asked in other settings, a column for each of these
    settings tells them apart; it is called by the setting's path, such as `recipe.optimiser.lr`. Where
    columns of one name are of several metrics of the user's, or of several probes, columns such as
    `metric.margin` and `probe.test` say which, with the digest of each.

    Args:
      out: A results folder.
      experiment: Only what this experiment asked.

    Returns:
      Columns `run experiment model data seed status seconds error`, then the other labels, then settings that
      no label tells, then the last value of each metric. `run` is the digest. The status of what is not
      stored yet is `waiting`; `error` says why a run failed, was blocked or diverged.

    Raises:
      StoreError: If it is no results folder, or a file is of another version.
      InputError: If no experiment of that name has asked.
    """
    store = opened(out)
    return table_of(store, store.asked(experiment))


def answers(store: Store, experiment: str, rows: Sequence[tuple[Mapping[str, Any], str]]) -> pd.DataFrame:
    """The table of the very rows given, once each, in their order, whatever else a store holds.

    Args:
      store: The store.
      experiment: Who asks.
      rows: Labels and digests.
    """
    return table_of(store, asked_frame([Question(experiment, "", {}, 0.0, plain_rows(rows))]))


def table_of(store: Store, asked: pd.DataFrame) -> pd.DataFrame:
    """What `results` gives, of rows with columns `experiment`, `run` and labels."""
    # A folder may hold questions of a time when a label could be called error.
    leading = [name for name in (*LEADING, ERROR) if name != ERROR or name not in asked]
    labels = [name for name in asked.columns if name not in leading]
    runs = _scalars(store, frozenset(asked["run"]))
    runs = runs.rename(columns=_apart(runs.columns, labels))
    apart = telling_apart(asked, settings_of(store), whole=True)
    taken = {*leading, *labels, *runs.columns}
    apart = apart.rename(columns={name: f"{name}_setting" for name in apart.columns if name in taken})
    table = pd.merge(asked.join(apart), runs, how="left", left_on="run", right_on="digest", sort=False)
    table["status"] = table["status"].astype(object).where(table["status"].notna(), WAITING)
    for name in leading:
        if name not in table:
            table[name] = pd.Series([None] * len(table), dtype=object)
    rest = [name for name in runs.columns if name not in ("digest", *leading)]
    return table.loc[:, [*leading, *labels, *apart.columns, *rest]]


def history(out: "str | Path | Store", experiment: str | None = None, *, wide: bool = False) -> pd.DataFrame:
    """What was recorded along the way.

    Args:
      out: A results folder.
      experiment: Only what this experiment asked.
      wide: A column for each metric instead of a row for each value.

    Returns:
      Columns `run`, the labels, `step`, `metric` and `value`, in the order of run, step and metric. A run
      that was asked by several label sets has its rows for each. Without an experiment a column `experiment`
      comes before the labels, and what was recorded of runs that nobody asked for, as parents, has neither.

    Raises:
      StoreError: If it is no results folder, or a file is of another version.
      InputError: If no experiment of that name has asked.
    """
    store = opened(out)
    asked = store.asked(experiment)
    if experiment is not None:
        asked = asked.drop(columns="experiment")
    wanted = None if experiment is None else frozenset(asked["run"])
    view, order = ("history_wide", "run, step") if wide else ("history", "run, step, metric")
    found = _query(store, wanted, f"SELECT * FROM {view} ORDER BY {order}")
    if experiment is None and asked.empty:
        return found
    labels = [name for name in asked.columns if name != "run"]
    found = found.rename(columns=_apart(found.columns, labels))
    merged = pd.merge(asked, found, how="inner", on="run", sort=False)
    if experiment is None:
        unasked = found[~found["run"].isin(set(asked["run"]))]
        merged = pd.concat([merged, unasked], ignore_index=True) if len(unasked) else merged
        merged = merged.sort_values("run", kind="stable", ignore_index=True)
    return merged.loc[:, ["run", *labels, *(name for name in found.columns if name != "run")]]


def readings_of(store: Store, experiment: str, runs: Iterable[str]) -> pd.DataFrame:
    """What was recorded along the way of some runs: `run`, `step` and a column for each metric.

    Args:
      store: The store.
      experiment: Who asked; metrics that are called like one of its labels are `<name>_value`.
      runs: Their digests; histories come in the order of these.
    """
    place = {run: number for number, run in enumerate(dict.fromkeys(runs))}
    found = _query(store, frozenset(place), "SELECT * FROM history_wide ORDER BY run, step")
    order = found["run"].map(place).to_numpy().argsort(kind="stable")
    labels = [str(name) for name in store.asked(experiment) if name not in ("run", "experiment")]
    found = found.iloc[order].rename(columns=_apart(found.columns, labels))
    return found.reset_index(drop=True)


def sql(out: "str | Path | Store", query: str) -> pd.DataFrame:
    """The answer to a DuckDB query over the views `results`, `history` (long), `history_wide` and `runs`.

    `runs` has a row for each run and derived value, asked or not: digest, spec, status, outputs, scalars,
    traceback. A column is text where one of its values is text or a whole number beyond 2^53; its numbers
    are there by their digits.

    >>> sql("out", "SELECT dim, avg(test_accuracy) FROM results GROUP BY dim")  # doctest: +SKIP

    Args:
      out: The results folder.
      query: In DuckDB's SQL.

    Raises:
      InputError: If the query is wrong.
      StoreError: If it is no results folder, or a file is of another version.
    """
    store = opened(out)
    try:
        return _query(store, None, query, results=_plain(results(store)))
    except (duckdb.Error, AttributeError) as error:
        reason = " ".join(str(error).split("LINE 1:")[0].split())
        if isinstance(error, duckdb.OutOfRangeException):
            reason += " Infinite values have no spread; add WHERE isfinite(…)."
        raise InputError(f"the query failed: {reason}") from error


def _query(store: Store, wanted: Collection[str] | None, query: str, **frames: pd.DataFrame) -> pd.DataFrame:
    return _ask(store, wanted, lambda connection: connection.sql(query).df(), frames)


def _ask(
    store: Store,
    wanted: Collection[str] | None,
    read: Callable[[duckdb.DuckDBPyConnection], T],
    frames: Mapping[str, pd.DataFrame] | None = None,
    *,
    histories: bool = True,
) -> T:
    """Read from the views; again if files were merged meanwhile, and without those that turn out damaged."""
    damaged: set[Path] = set()

    def attempt() -> T:
        records = [record for record in store.records().values() if wanted is None or record.digest in wanted]
        try:
            with views(records, damaged, histories=histories) as connection:
                for name, frame in (frames or {}).items():
                    connection.register(name, frame)
                return read(connection)
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException):
            raise
        except duckdb.Error:
            found = _damaged(records) - damaged
            if not found:
                raise
            damaged.update(found)
            return attempt()

    return patiently(attempt)


def _damaged(records: Iterable[Record]) -> set[Path]:
    """The histories whose header can be read and whose rows cannot, named in warnings.

    Raises:
      FileNotFoundError: If one of the files is gone.
    """
    found: set[Path] = set()
    for path in sorted({path for record in records for path in _files(record)}):
        if path.parent.name != "history":
            path.stat()
            continue
        try:
            read_parquet(path, "history")
        except DamagedError as error:
            skip(error, "its histories are left out; remove the file, and they are recorded again")
            found.add(path)
    return found


def _files(record: Record) -> tuple[Path, ...]:
    return (record.file, record.history) if record.readings else (record.file,)


def _scalars(store: Store, wanted: Collection[str]) -> pd.DataFrame:
    """Digest, status, seconds and the scalars that any of the wanted runs has."""
    shown = ("digest", "status", "seconds", ERROR)
    hidden = ", ".join(name for name in (*RUNS.names, TRACEBACK) if name not in shown)
    query = f"SELECT * EXCLUDE ({hidden}) FROM runs"
    table = _ask(store, wanted, lambda connection: connection.sql(query).to_arrow_table(), histories=False)
    # Also where all values are missing: a metric that diverged in each run was recorded.
    records = store.records()
    known = [records[digest] for digest in wanted if digest in records]
    recorded = set().union(*{record.metrics for record in known})
    table = table.select([n for n in table.column_names if n in RUNS.names or n in recorded])
    numbers = exact_numbers(known)
    found = table.to_pandas()
    return found.assign(**{name: as_numbers(found[name]) for name in numbers if name in found})


def _apart(columns: Iterable[str], labels: Sequence[str]) -> dict[str, str]:
    """Other names for metrics that are called like a label, so that both have a place."""
    return {name: f"{name}_value" for name in columns if name in labels}


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Labels of several types as text, since a column of SQL has one type; so are numbers of many digits."""
    table = as_text(table)
    mixed = [
        name
        for name in table.columns
        if table[name].dtype == object and len({type(value) for value in table[name].dropna()}) > 1
    ]
    return table.assign(**{name: _as_text(table[name]) for name in mixed})


def _as_text(column: pd.Series) -> pd.Series:
    """Values of several types as text; in JSON where plain text would make two of them one."""
    given = column.dropna()
    one_each = given.map(str).nunique() == len({(type(value), value) for value in given})
    return column.map(str if one_each else json.dumps, na_action="ignore")
