"""Rows: what is stored of a run, as a value to write, as columns of a table, and as a record read back."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from weightspace.errors import StoreError, check_choice
from weightspace.store.exact import Scalar, exact_number, needs_text, text_columns, text_field, texts
from weightspace.store.schema import (
    FINISHED,
    HISTORY,
    RUNS,
    STATUSES,
    TRACEBACK,
    DamagedError,
    check_metrics,
    digest_of,
    read_parquet,
)

NETWORK = "network"
"""The output that says what weights alone do not: how inputs are decoded, and the order of the leaves."""


@dataclasses.dataclass(frozen=True)
class RunRow:
    """What is stored of one run or derived value.

    Attributes:
      digest: Its identity.
      spec: Its canonical JSON, of which `digest` is the digest.
      status: `ok`, `diverged`, `failed` or `blocked`.
      seconds: Time it took, without compilation.
      steps: Training steps taken.
      scalars: Its last scalars by metric: numbers, whole ones of any size, or text; None is "not recorded".
      outputs: Keys of the outputs kept.
      readings: The steps at which it was evaluated.
      probes: What recorded it, by digest.
      provenance: The id under which its circumstances are stored.
      error: Why it failed or was blocked.
      traceback: Where in the code it failed.
    """

    digest: str
    spec: str
    status: str
    seconds: float = 0.0
    steps: int = 0
    scalars: Mapping[str, Scalar | None] = dataclasses.field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    readings: tuple[int, ...] = ()
    probes: tuple[str, ...] = ()
    provenance: str | None = None
    error: str | None = None
    traceback: str | None = None

    @property
    def with_text(self) -> frozenset[str]:
        """The scalars that no float64 holds."""
        return frozenset(name for name, value in self.scalars.items() if needs_text([value]))

    def __post_init__(self) -> None:
        check_choice("status", self.status, STATUSES)
        check_metrics(self.scalars)
        if self.digest != digest_of(self.spec):
            raise StoreError(
                f"the JSON of run {self.digest} has digest {digest_of(self.spec)}; store it verbatim"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What the store has of one run or derived value.

    Attributes:
      digest: Its identity.
      status: How it ended.
      error: Why it failed or was blocked.
      seconds: Time it took, without compilation.
      steps: Training steps taken.
      outputs: Keys of the outputs that can be read.
      readings: The steps of its readings, if its history can be read.
      probes: What recorded it, by digest.
      metrics: Names of all scalars that were recorded.
      exact: Of its file's columns of text, each with whether it holds numbers.
      provenance: The id of its circumstances.
      written: When, in seconds since 1970.
      file: The Parquet file that holds its row.
    """

    digest: str
    status: str
    error: str | None
    seconds: float
    steps: int
    outputs: frozenset[str]
    readings: tuple[int, ...]
    probes: frozenset[str]
    metrics: frozenset[str]
    exact: frozenset[tuple[str, bool]]
    provenance: str | None
    written: float
    file: Path

    @property
    def finished(self) -> bool:
        """Whether it is a result: neither failed nor blocked."""
        return self.status in FINISHED

    @property
    def arrays(self) -> Path:
        """The file of its outputs."""
        return sibling(self.file, "arrays")

    @property
    def history(self) -> Path:
        """The file of its history."""
        return sibling(self.file, "history")


@functools.lru_cache(maxsize=2**14)
def sibling(file: Path, folder: str) -> Path:
    """The file of arrays or of history that belongs to a file of rows."""
    ending = "safetensors" if folder == "arrays" else "parquet"
    return file.parent.parent / folder / f"{file.stem}.{ending}"


def rows_table(rows: Sequence[RunRow], history: pa.Table) -> pa.Table:
    """Rows as a table; the metrics that a run recorded are those of its row and of its history.

    Raises:
      StoreError: If a run is there twice.
    """
    digests = [row.digest for row in rows]
    if len(set(digests)) != len(digests):
        raise StoreError("two rows of one file have the same digest; give each run once")
    recorded = _recorded(history)
    columns: dict[str, list[Any]] = {name: [getattr(row, _field(name)) for row in rows] for name in _PLAIN}
    columns["metrics"] = [sorted(recorded.get(row.digest, set()) | _given(row.scalars)) for row in rows]
    columns["written"] = [time.time()] * len(rows)
    table = pa.table([pa.array(columns[field.name], field.type) for field in RUNS], schema=RUNS)
    for name in sorted({name for row in rows for name in row.scalars}):
        table = table.append_column(*scalar_column(name, [row.scalars.get(name) for row in rows]))
    if any(row.traceback for row in rows):
        table = table.append_column(TRACEBACK, pa.array([row.traceback for row in rows], pa.string()))
    return table


def scalar_column(name: str, values: Sequence[Any]) -> tuple[pa.Field, Any]:
    """The scalars of one name as a column: float64 if that holds each as it is, else text.

    Raises:
      StoreError: If one of them is neither a number nor text.
    """
    if not needs_text(values):
        return pa.field(name, pa.float64()), floats(name, values)
    return text_field(name, numbers=not any(isinstance(v, str) for v in values)), texts(name, values)


_PLAIN: list[str] = [name for name in RUNS.names if name not in ("metrics", "written")]


def _field(column: str) -> str:
    """What a column of a file is called here: files know the readings by an older name."""
    return "readings" if column == "points" else column


def _given(scalars: Mapping[str, Scalar | None]) -> set[str]:
    return {name for name, value in scalars.items() if value is not None}


def _recorded(history: pa.Table) -> dict[str, set[str]]:
    """By run, the metrics of which a history holds any value; a NaN is a value."""
    names = [name for name in history.column_names if name not in HISTORY.names]
    counts = history.group_by("digest").aggregate([(name, "count") for name in names]).to_pydict()
    return {
        digest: {name for name in names if counts[f"{name}_count"][row]}
        for row, digest in enumerate(counts["digest"])
    }


def table_rows(table: pa.Table) -> list[RunRow]:
    """The rows of a table of runs, each with the scalars that it has."""
    names = [name for name in table.column_names if name not in (*RUNS.names, TRACEBACK)]
    numbers = {name for name, number in text_columns(table.schema) if number}

    def scalar(name: str, value: Any) -> Any:
        return exact_number(value) if name in numbers else value

    return [
        RunRow(
            **{name: entry[name] for name in _PLAIN if name not in ("outputs", "points", "probes")},
            outputs=tuple(entry["outputs"]),
            readings=tuple(entry["points"]),
            probes=tuple(entry["probes"]),
            scalars={name: scalar(name, entry[name]) for name in names if entry[name] is not None},
            traceback=entry.get(TRACEBACK),
        )
        for entry in table.to_pylist()
    ]


def history_table(history: Mapping[str, Any] | pa.Table) -> pa.Table:
    """A history with columns `digest`, `step` and a float64 column for each metric.

    Args:
      history: Columns of equal length by name, None or null where a metric was not recorded; or nothing.

    Raises:
      StoreError: If a column is missing, has another length or is not of numbers.
    """
    names = list(getattr(history, "column_names", None) or history)
    columns: dict[str, Any] = {name: history[name] for name in names}
    if not names:
        return HISTORY.empty_table()
    if not set(HISTORY.names) <= set(names):
        raise StoreError(f"a history needs the columns digest and step; got {', '.join(names)}")
    metrics = sorted(set(names) - set(HISTORY.names))
    check_metrics(metrics)
    typed = {field.name: _typed(columns[field.name], field.type) for field in HISTORY}
    typed |= {name: floats(name, columns[name]) for name in metrics}
    lengths = {name: len(column) for name, column in typed.items()}
    if len(set(lengths.values())) != 1:
        raise StoreError(f"the columns of a history must have one length; got {lengths}")
    return pa.table(typed)


def floats(name: str, values: Any) -> Any:
    """Numbers (or None) as a column of float64.

    Raises:
      StoreError: If one of them is not a number.
    """
    try:
        if isinstance(values, pa.Array | pa.ChunkedArray):
            return values.cast(pa.float64())
        if isinstance(values, np.ndarray):
            return pa.array(values.astype(np.float64))
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"metric '{name}' must be plain numbers; {error}") from error


def _typed(values: Any, dtype: Any) -> Any:
    try:
        return (values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)).cast(dtype)
    except (TypeError, pa.ArrowException) as error:
        raise StoreError(f"digests of a history must be text and its steps whole numbers; {error}") from error


def of_row(record: Record, column: str) -> str | None:
    """A text of a record that is read where it is asked for."""
    found = read_parquet(record.file, "runs", ["digest", column]).to_pydict()
    return dict(zip(found["digest"], found.get(column, ()), strict=False)).get(record.digest)


def readable(path: Path) -> bool:
    """Whether rows of runs can be read from a file."""
    try:
        read_parquet(path, "runs", ["digest"])
    except (FileNotFoundError, DamagedError):
        return False
    return True
