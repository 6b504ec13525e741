"""Views of DuckDB over the files of a store: `runs`, `history` and `history_wide`, of the records that count.

Here the rule of all tables (`read`) is kept: what is not a number, and of a run that diverged what is not
finite, is NULL; columns that are text in some files are text.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from weightspace.store.rows import Record
from weightspace.store.schema import HISTORY, RUNS, TRACEBACK


@contextlib.contextmanager
def views(
    records: Sequence[Record], damaged: set[Path], *, histories: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views `runs`, `history_wide` and `history` of the records that count.

    Args:
      records: Those records.
      damaged: Histories that are left out.
      histories: Whether there are views of histories, of which each file has to be opened.
    """
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        diverged = [record.digest for record in records if record.status == "diverged"]
        connection.register("diverged_", pa.table({"digest_": pa.array(diverged, pa.string())}))
        _view(connection, "rows_of_runs", RUNS.empty_table(), [(record, record.file) for record in records])
        known = connection.table("rows_of_runs").columns
        scalars = [name for name in known if name not in (*RUNS.names, TRACEBACK, "file_")]
        texts = {(record.file, record.exact) for record in records if record.exact}
        exact = {(name, str(file)) for file, found in texts for name, _ in found}
        connection.register("exact_", pa.table(dict(zip(("name_", "of_"), _columns(exact), strict=True))))
        names = {name for name, _ in exact}
        values = "".join(f", {(_text if name in names else _value)(name)}" for name in scalars)
        values += f", {TRACEBACK if TRACEBACK in known else f'NULL::VARCHAR AS {TRACEBACK}'}"
        connection.sql(f"CREATE VIEW runs AS SELECT {', '.join(RUNS.names)}{values} FROM rows_of_runs")
        if histories:
            _histories(connection, records, damaged)
        yield connection


def _histories(connection: duckdb.DuckDBPyConnection, records: Sequence[Record], damaged: set[Path]) -> None:
    with_history = [
        (record, record.history) for record in records if record.readings and record.history not in damaged
    ]
    _view(connection, "rows_of_history", HISTORY.empty_table(), with_history)
    names = sorted(set(connection.table("rows_of_history").columns) - {*HISTORY.names, "file_"})
    values = "".join(f", {_value(name)}" for name in names)
    connection.sql(f"CREATE VIEW history_wide AS SELECT digest AS run, step{values} FROM rows_of_history")
    # A row for each value that was recorded, whether it is one or not.
    columns = ", ".join(map(_quoted, names))
    long = f"FROM (UNPIVOT rows_of_history ON {columns} INTO NAME metric VALUE value)"
    none = "SELECT run, step, NULL::VARCHAR AS metric, NULL::DOUBLE AS value FROM history_wide LIMIT 0"
    rows = f"SELECT digest AS run, step, metric, {_value('value')} {long}"
    connection.sql(f"CREATE VIEW history AS {rows if columns else none}")


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, empty: pa.Table, parts: list[tuple[Record, Path]]
) -> None:
    """A view of rows in files, of each run only those in the file that counts."""
    if not parts:
        connection.register(name, empty)
        return
    named = {path: str(path) for path in {path for _, path in parts}}
    counting = pa.table(
        {"digest_": [record.digest for record, _ in parts], "file_": [named[path] for _, path in parts]}
    )
    connection.register(f"{name}_counting", counting)
    files = sorted(named.values())
    connection.read_parquet(files, union_by_name=True, filename=True).create_view(f"{name}_stored")
    connection.sql(
        f"CREATE VIEW {name} AS SELECT * EXCLUDE (filename), filename AS file_ FROM {name}_stored "
        f"SEMI JOIN {name}_counting ON digest = digest_ AND filename = file_"
    )


def _value(name: str) -> str:
    """A metric where it is a number, and finite if its run diverged; else NULL.

    Engines disagree on NaN in sums and filters, and Parquet's column statistics say nothing of it, so that a
    filter would pass over it in files and not in tables.
    """
    column = _quoted(name)
    known = f"isfinite({column}) OR (isinf({column}) AND digest NOT IN (SELECT digest_ FROM diverged_))"
    return f"CASE WHEN {known} THEN {column} END AS {column}"


def _text(name: str) -> str:
    """A column that is text in some files: what others have as numbers by their digits, nothing for NaN."""
    column, literal = _quoted(name), name.replace("'", "''")
    own = f"file_ IN (SELECT of_ FROM exact_ WHERE name_ = '{literal}')"
    value, plain = f"TRY_CAST({column} AS DOUBLE)", f"regexp_replace({column}, '\\.0$', '')"
    number = f"CASE WHEN NOT isnan({value}) THEN {plain} END"
    return f"CASE WHEN {own} THEN {column} ELSE {number} END AS {column}"


def _columns(pairs: Collection[tuple[str, str]]) -> list[pa.Array]:
    return [pa.array([pair[place] for pair in pairs], pa.string()) for place in (0, 1)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
