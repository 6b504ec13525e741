"""The index: for each digest, the record that counts, and what is left of it.

It is read from the rows themselves and kept in memory; files that have not changed are not read again. Where
a digest was recorded several times the finished record counts before the failed one and the newer before the
older. A record only claims what can be read: without its file of arrays it has no outputs, without its
history no readings.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from weightspace.errors import StoreError
from weightspace.store.arrays import kept_outputs
from weightspace.store.exact import text_columns
from weightspace.store.rows import Record, sibling
from weightspace.store.schema import RUNS, DamagedError, digest_of, open_parquet, read_parquet, skip

FOLDERS = ("runs", "derived")
Stamp = tuple[int, int, int]
T = TypeVar("T")
RECENT = 2.0
"""Seconds for which a folder of unchanged time is taken to hold unchanged files."""
COARSE = 0.1
"""Seconds by which a folder's time may lag."""
PATIENCE = 60.0
"""Seconds for which reading is tried again while another process merges files."""


class Index:
    """The records of a store, read anew only where files have changed.

    Attributes:
      root: The store's folder.
      files: By readable file of rows, all of its records, whether they count or not.
    """

    def __init__(self, root: Path):
        self.root = root
        self.files: dict[Path, list[Record]] = {}
        self._read_files: dict[Path, list[Record]] = {}
        self._stamps: dict[Path, tuple[Stamp | None, ...]] = {}
        self._records: dict[str, Record] = {}
        self._complete = False
        self._folders: tuple[int, ...] = ()
        self._looked = (0.0, 0.0)
        self._lock = threading.Lock()

    def records(self) -> dict[str, Record]:
        """By digest, the record that counts.

        Raises:
          StoreError: If a file is of another version.
        """
        with self._lock:
            return patiently(self._refresh)

    def _refresh(self) -> dict[str, Record]:
        if self._complete and self._unchanged():
            return self._records
        self._folders, self._looked = self._times(), (time.time(), time.monotonic())
        stamps = self._look()
        if self._complete and stamps == self._stamps:
            return self._records
        self._complete = False
        for path in self._stamps.keys() - stamps.keys():
            del self._stamps[path], self._read_files[path]
        for path, stamp in stamps.items():
            if self._stamps.get(path) != stamp:
                self._read_files[path] = self._read(path)
                self._stamps[path] = stamp
        self.files = {path: records for path, records in self._read_files.items() if records}
        self._records = _newest(self.files)
        self._complete = True
        return self._records

    def _unchanged(self) -> bool:
        """Whether no file can have come or gone since the last look, which was a moment ago.

        A folder's time tells, if it lay behind the last look by more than clocks are coarse. Some network
        file systems do not keep that time, and none tells of damage: hence only for a moment.
        """
        wall, clock = self._looked
        recent = time.monotonic() - clock < RECENT
        settled = max(self._folders) < (wall - COARSE) * 1e9
        return recent and settled and self._times() == self._folders

    def _times(self) -> tuple[int, ...]:
        folders = [self.root / folder for folder in (*FOLDERS, "history", "arrays")]
        return tuple(folder.stat().st_mtime_ns if folder.exists() else 0 for folder in folders)

    @property
    def known(self) -> dict[str, Record]:
        """The records as of the last look."""
        return self._records

    def counting(self, path: Path) -> list[Record]:
        """The records of a file that count, as of the last look."""
        return [record for record in self.files[path] if self._records[record.digest] is record]

    def _look(self) -> dict[Path, tuple[Stamp | None, ...]]:
        stamps = {folder: dict(_scan(self.root / folder)) for folder in (*FOLDERS, "history", "arrays")}
        return {
            path: (
                stamp,
                stamps["history"].get(sibling(path, "history")),
                stamps["arrays"].get(sibling(path, "arrays")),
            )
            for folder in FOLDERS
            for path, stamp in sorted(stamps[folder].items())
            if path.suffix == ".parquet"
        }

    def _read(self, path: Path) -> list[Record]:
        try:
            # All columns, so that a damaged scalar is found here.
            whole = read_parquet(path, "runs")
            table = _with_our_columns(path, whole)
        except DamagedError as error:
            skip(error, "its runs count as not done")
            return []
        outputs = _outputs(path, table)
        points = _tuples(table["points"]) if _has_history(path, table) else [()] * len(table)
        return list(_records(path, table, points, outputs, text_columns(whole.schema)))


def _with_our_columns(path: Path, table: pa.Table) -> pa.Table:
    for field in RUNS:
        place = table.schema.get_field_index(field.name)
        if place < 0 or table.schema.field(place).type != field.type:
            raise DamagedError(path, f"it has no column '{field.name}' of type {field.type}")
    return table.select(RUNS.names)


def patiently(read: Callable[[], T]) -> T:
    """Read, and again if a file was gone that has just been seen: its content is then in a merged one.

    Raises:
      StoreError: If this goes on for a minute.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return read()
        except FileNotFoundError as error:
            if time.monotonic() > deadline:
                raise StoreError(f"{error} keeps disappearing; is something removing results?") from error
            time.sleep(0.02)


def _scan(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            found = entry.stat()
        except FileNotFoundError:
            continue
        yield folder / entry.name, (found.st_mtime_ns, found.st_size, found.st_ino)


def _outputs(rows: Path, table: pa.Table) -> dict[str, frozenset[str]]:
    if not _any(table["outputs"]):
        return {}
    path = sibling(rows, "arrays")
    try:
        return kept_outputs(path)
    except FileNotFoundError:
        _check_still_there(rows)
        return {}  # dropped, since they can be made again
    except DamagedError as error:
        skip(error, "its outputs count as not kept")
        return {}


def _has_history(rows: Path, table: pa.Table) -> bool:
    if not _any(table["points"]):
        return True
    path = sibling(rows, "history")
    try:
        open_parquet(path, "history").close()
    except FileNotFoundError:
        _check_still_there(rows)
        skip(DamagedError(path, "it is missing"), _NO_POINTS)
        return False
    except DamagedError as error:
        skip(error, _NO_POINTS)
        return False
    return True


_NO_POINTS = "its readings count as not recorded"


def _any(lists: pa.ChunkedArray) -> bool:
    return len(lists.combine_chunks().flatten()) > 0


def _check_still_there(rows: Path) -> None:
    # Rows go before what belongs to them, so this tells a file that was merged from one that was lost.
    if not rows.exists():
        raise FileNotFoundError(rows)


def _tuples(column: pa.ChunkedArray) -> list[tuple[int, ...]]:
    """Lists of numbers as tuples, equal ones shared: the runs of a cohort have the same thousand points."""
    lists = column.combine_chunks()
    values, offsets = lists.flatten().to_numpy(zero_copy_only=False), np.asarray(lists.offsets)
    offsets = offsets - offsets[0]
    shared: dict[bytes, tuple[int, ...]] = {}
    found: list[tuple[int, ...]] = []
    for start, stop in itertools.pairwise(offsets.tolist()):
        content = values[start:stop].tobytes()
        if content not in shared:
            shared[content] = tuple(values[start:stop].tolist())
        found.append(shared[content])
    return found


def _records(
    path: Path,
    table: pa.Table,
    points: list[tuple[int, ...]],
    outputs: dict[str, frozenset[str]],
    exact: frozenset[tuple[str, bool]],
) -> Iterator[Record]:
    columns: dict[str, list[Any]] = table.select(_READ).to_pydict()
    shared: dict[frozenset[str], frozenset[str]] = {}
    for readings, *values in zip(points, *columns.values(), strict=True):
        digest, spec, status, error, seconds, steps, kept, probes, metrics, provenance, written = values
        if digest_of(spec) != digest:
            skip(
                DamagedError(path, f"the spec of {digest} has another digest"), "this run counts as not done"
            )
            continue
        found = outputs.get(digest)
        kept, probes, metrics = frozenset(kept if found else ()), frozenset(probes), frozenset(metrics)
        yield Record(
            digest, status, error, seconds, steps,
            kept if found is None else kept & found, readings,
            shared.setdefault(probes, probes), shared.setdefault(metrics, metrics),
            exact, provenance, written, path,
        )  # fmt: skip


_READ = [name for name in RUNS.names if name != "points"]


def _newest(files: dict[Path, list[Record]]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in (record for path in sorted(files) for record in files[path]):
        other = found.get(record.digest)
        if other is None or (record.finished, record.written) > (other.finished, other.written):
            found[record.digest] = record
    return found
