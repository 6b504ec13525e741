"""What the files of a store hold: columns, versions and the checks that every file passes before it is used.

A run is one row: what it was (digest and canonical JSON), how it ended, what it recorded and its last
scalars, a float64 column each. Metrics join by name across files, so a file never needs the columns of its
neighbours: null is "not recorded", NaN is a value. What no float64 can hold, text and whole numbers beyond
2^53, are columns of text (`exact` says how). Every file carries a stamp, its kind and schema version; a
file of another version is refused, a file that cannot be read is named and skipped.
"""

import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weightspace.digests import text_digest
from weightspace.errors import StoreError

SCHEMA = 1
"""Version of all files. Raised when a reader of an older version would misread them."""
WITH_TEXT = 2
"""Version of files of rows that have columns of text, which readers of version 1 would take for numbers."""
STAMP = "weightspace"
"""The metadata key of a file's kind and version."""
STATUSES = ("ok", "diverged", "failed", "blocked")
WAITING = "waiting"
"""The status of what was asked and is not stored."""
FINISHED = ("ok", "diverged")
"""Ends of a run that are results; the others may be tried again."""

RUNS = pa.schema(
    [
        ("digest", pa.string()),
        ("spec", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("seconds", pa.float64()),
        ("steps", pa.int64()),
        ("outputs", pa.list_(pa.string())),
        ("points", pa.list_(pa.int64())),
        ("probes", pa.list_(pa.string())),
        ("metrics", pa.list_(pa.string())),
        ("provenance", pa.string()),
        ("written", pa.float64()),
    ]
)
TRACEBACK = "traceback"
"""A column of those files in which a run failed: where in the code it was raised."""
HISTORY = pa.schema([("digest", pa.string()), ("step", pa.int64())])
LEADING = ("run", "experiment", "model", "data", "seed", "status", "seconds")
"""The first columns of the table of results; model, data and seed are labels, where they are given."""
ERROR = "error"
"""The column after them: why a run failed, was blocked or diverged."""
_OTHERS = (TRACEBACK, "question", "metric", "value", "filename", "file_")
RESERVED = frozenset((*RUNS.names, *HISTORY.names, *LEADING, *_OTHERS))
"""Names that no metric may have."""


class StoreWarning(UserWarning):
    """A file of the store is damaged and was left out."""


class DamagedError(StoreError):
    """A file of the store is truncated or otherwise unreadable."""

    def __init__(self, path: Path, reason: object):
        super().__init__(f"{path} cannot be read ({' '.join(str(reason).split())})")


def digest_of(text: str) -> str:
    """The digest of a spec, from its canonical JSON."""
    return text_digest(text)


def check_metrics(names: Iterable[str]) -> None:
    """Raise `StoreError` for metrics whose names are those of other columns."""
    clash = sorted(RESERVED.intersection(names))
    if clash:
        raise StoreError(f"a metric cannot be called '{clash[0]}': the table has a column of that name")


def check_name(kind: str, name: str) -> str:
    """A name that can be that of a file: letters, digits and `_ . , = + -`, not a dot first.

    Raises:
      StoreError: If it is not.
    """
    if not re.fullmatch(r"[\w,=+-][\w.,=+-]{0,127}", name):
        allowed = "1 to 128 letters, digits and _ . , = + -, and not a dot first"
        raise StoreError(f"{kind} '{name}' cannot be the name of a file; use {allowed}")
    return name


def stamp(kind: str, schema: int | None = None) -> str:
    """The text that says what a file is."""
    return json.dumps({"kind": kind, "schema": SCHEMA if schema is None else schema}, sort_keys=True)


def version_of(table: pa.Table, kind: str) -> int:
    """The version of a file that holds this table."""
    added = (field for field in table.schema if field.name not in RUNS.names)
    return WITH_TEXT if kind == "runs" and any(field.type == pa.string() for field in added) else SCHEMA


def check_stamp(path: Path, text: str | bytes | None, kind: str) -> None:
    """Raise `StoreError` unless a file is of this kind and version."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise StoreError(f"{path} is not a file of weightspace for {kind}; move it out of the results folder")
    if found.get("schema") not in (SCHEMA, WITH_TEXT):
        raise StoreError(
            f"{path} has schema version {found.get('schema')}, but this weightspace reads version {SCHEMA} "
            f"and {WITH_TEXT}; use the weightspace that wrote it, or another results folder"
        )


def skip(problem: DamagedError, consequence: str) -> None:
    """Name a damaged file in a warning."""
    warnings.warn(StoreWarning(f"{problem}; {consequence}"), stacklevel=3)


def open_parquet(path: Path, kind: str) -> pq.ParquetFile:
    """A Parquet file whose stamp has been checked.

    Raises:
      DamagedError: If it is truncated or no Parquet file.
      StoreError: If it is of another kind or version.
      FileNotFoundError: If it is gone.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(path, error) from error
    check_stamp(path, (file.schema_arrow.metadata or {}).get(STAMP.encode()), kind)
    return file


def read_parquet(path: Path, kind: str, columns: list[str] | None = None) -> pa.Table:
    """The table (or some columns) of a Parquet file; raises as `open_parquet` does."""
    with open_parquet(path, kind) as file:
        try:
            return file.read(columns=columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise DamagedError(path, error) from error
