"""Reading: one tidy table of results, histories, and SQL over both.

Files are read by DuckDB and joined by the names of their columns, so that experiments with different metrics
share a table. Of each run only the record that counts is read. The functions take a folder or a `Store`.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from weightspace.errors import InputError
from weightspace.store.base import Store
from weightspace.store.index import patiently
from weightspace.store.rows import Record
from weightspace.store.schema import HISTORY, LEADING, RUNS, DamagedError, read_parquet, skip

T = TypeVar("T")
WAITING = "waiting"
"""The status of what was asked and is not stored."""


def results(out: "str | Path | Store", experiment: str | None = None) -> pd.DataFrame:
    """One row for each set of labels that was asked: what it is, how it went, labels, metrics.

    Args:
      out: A results folder.
      experiment: Only what this experiment asked.

    Returns:
      Columns `run experiment model data seed status seconds`, then the other labels, then the last value of
      each metric. `run` is the digest. The status of what is not stored yet is `waiting`.

    Raises:
      StoreError: If it is no results folder, or a file is of another version.
      InputError: If no experiment of that name has asked.
    """
    store = opened(out)
    asked = store.asked(experiment)
    labels = [name for name in asked.columns if name not in LEADING]
    runs = _scalars(store, frozenset(asked["run"]))
    runs = runs.rename(columns=_apart(runs.columns, labels))
    table = pd.merge(asked, runs, how="left", left_on="run", right_on="digest", sort=False)
    table["status"] = table["status"].astype(object).where(table["status"].notna(), WAITING)
    for name in LEADING:
        if name not in table:
            table[name] = pd.Series([None] * len(table), dtype=object)
    rest = [name for name in runs.columns if name not in ("digest", *LEADING)]
    return table.loc[:, [*LEADING, *labels, *rest]]


def history(out: "str | Path | Store", experiment: str | None = None, *, wide: bool = False) -> pd.DataFrame:
    """What was recorded along the way.

    Args:
      out: A results folder.
      experiment: Only what this experiment asked, with its labels.
      wide: A column for each metric instead of a row for each value.

    Returns:
      Columns `run`, the labels where an experiment is given, `step`, `metric` and `value`, in the order of
      run, step and metric.

    Raises:
      StoreError: If it is no results folder, or a file is of another version.
      InputError: If no experiment of that name has asked.
    """
    store = opened(out)
    asked = None if experiment is None else store.asked(experiment).drop(columns="experiment")
    wanted = None if asked is None else frozenset(asked["run"])
    view, order = ("history_wide", "run, step") if wide else ("history", "run, step, metric")
    found = _query(store, wanted, f"SELECT * FROM {view} ORDER BY {order}")
    if asked is None:
        return found
    labels = [name for name in asked.columns if name != "run"]
    found = found.rename(columns=_apart(found.columns, labels))
    merged = pd.merge(asked, found, how="inner", on="run", sort=False)
    return merged.loc[:, ["run", *labels, *(name for name in found.columns if name != "run")]]


def sql(out: "str | Path | Store", query: str) -> pd.DataFrame:
    """The answer to a DuckDB query over the views `results`, `history` (long), `history_wide` and `runs`.

    `runs` has a row for each run and derived value, asked or not: digest, spec, status, outputs, scalars.

    >>> sql("out", "SELECT dim, avg(test_accuracy) FROM results GROUP BY dim")  # doctest: +SKIP

    Raises:
      InputError: If the query is wrong.
      StoreError: If it is no results folder, or a file is of another version.
    """
    store = opened(out)
    try:
        return _query(store, None, query, results=_plain(results(store)))
    except (duckdb.Error, AttributeError) as error:
        reason = " ".join(str(error).split("LINE 1:")[0].split())
        raise InputError(f"the query failed: {reason}") from error


def opened(out: "str | Path | Store") -> Store:
    """A store that exists already."""
    return out if isinstance(out, Store) else Store(out, create=False)


def _query(store: Store, wanted: Collection[str] | None, query: str, **frames: pd.DataFrame) -> pd.DataFrame:
    return _ask(store, wanted, lambda connection: connection.sql(query).df(), frames)


def _ask(
    store: Store,
    wanted: Collection[str] | None,
    read: Callable[[duckdb.DuckDBPyConnection], T],
    frames: Mapping[str, pd.DataFrame] | None = None,
) -> T:
    """Read from the views; again if files were merged meanwhile, and without those that turn out damaged."""
    damaged: set[Path] = set()

    def attempt() -> T:
        records = [record for record in store.records().values() if wanted is None or record.digest in wanted]
        try:
            with _views(records, damaged) as connection:
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
    return (record.file, record.history) if record.points else (record.file,)


def _scalars(store: Store, wanted: Collection[str]) -> pd.DataFrame:
    """Digest, status, seconds and the scalars that any of the wanted runs has."""
    hidden = ", ".join(name for name in RUNS.names if name not in ("digest", "status", "seconds"))
    query = f"SELECT * EXCLUDE ({hidden}) FROM runs"
    table = _ask(store, wanted, lambda connection: connection.sql(query).to_arrow_table())
    kept = [name for name in table.column_names if name in RUNS.names or table[name].null_count < len(table)]
    return table.select(kept).to_pandas()


def _apart(columns: Iterable[str], labels: Sequence[str]) -> dict[str, str]:
    """Other names for metrics that are called like a label, so that both have a place."""
    return {name: f"{name}_value" for name in columns if name in labels}


@contextlib.contextmanager
def _views(records: Sequence[Record], damaged: set[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views `runs`, `history_wide` and `history` of the records that count."""
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        _view(connection, "runs", RUNS.empty_table(), [(record, record.file) for record in records])
        with_history = [
            (record, record.history) for record in records if record.points and record.history not in damaged
        ]
        _view(connection, "rows_of_history", HISTORY.empty_table(), with_history)
        names = [name for name in connection.table("rows_of_history").columns if name not in HISTORY.names]
        columns = ", ".join(_quoted(name) for name in sorted(names))
        wide = f"SELECT digest AS run, step{', ' if columns else ''}{columns} FROM rows_of_history"
        connection.sql(f"CREATE VIEW history_wide AS {wide}")
        long = f"FROM (UNPIVOT history_wide ON {columns} INTO NAME metric VALUE value)"
        none = "SELECT run, step, NULL::VARCHAR AS metric, NULL::DOUBLE AS value FROM history_wide LIMIT 0"
        connection.sql(f"CREATE VIEW history AS {long if columns else none}")
        yield connection


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, empty: pa.Table, parts: list[tuple[Record, Path]]
) -> None:
    """A view of rows in files, of each run only those in the file that counts."""
    if not parts:
        connection.register(name, empty)
        return
    files = sorted({str(path) for _, path in parts})
    counting = pa.table(
        {"digest_": [record.digest for record, _ in parts], "file_": [str(path) for _, path in parts]}
    )
    connection.register(f"{name}_counting", counting)
    connection.read_parquet(files, union_by_name=True, filename=True).create_view(f"{name}_stored")
    connection.sql(
        f"CREATE VIEW {name} AS SELECT * EXCLUDE (filename) FROM {name}_stored "
        f"SEMI JOIN {name}_counting ON digest = digest_ AND filename = file_"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Labels of several types as text, since a column of SQL has one type."""
    mixed = [
        name
        for name in table.columns
        if table[name].dtype == object and len({type(value) for value in table[name].dropna()}) > 1
    ]
    return table.assign(**{name: table[name].map(str, na_action="ignore") for name in mixed})
