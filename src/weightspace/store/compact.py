"""Housekeeping: merging small files, and dropping outputs that can be made again.

A merged file is complete before the files it replaces go, and of these the rows go first. So a reader, or a
crash, at any moment finds every run at least once; finding it twice does no harm, since readers take one
record of each digest.
"""

import contextlib
import dataclasses
import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightspace.errors import StoreError
from weightspace.store.arrays import Tensors, owner, write_arrays
from weightspace.store.base import Store
from weightspace.store.index import FOLDERS, Index
from weightspace.store.lease import Lease
from weightspace.store.read import opened
from weightspace.store.rows import Record, sibling
from weightspace.store.schema import HISTORY, DamagedError, read_parquet
from weightspace.store.write import TEMPORARY, sentences, write_parquet

MOST_ROWS = 5_000
"""Rows of a merged file."""
MOST_BYTES = 2**28
"""Bytes of a merged file of arrays."""
_ABANDONED = 3600.0
"""Seconds after which an unfinished file cannot be one that is being written."""


@dataclasses.dataclass(frozen=True)
class Compaction:
    """Files of rows before and after."""

    before: int
    after: int


def compact(
    out: "str | Path | Store", *, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES
) -> Compaction:
    """Merge small files of rows, with their histories and arrays, and drop superseded records.

    Other processes may read and write meanwhile.

    Args:
      out: A results folder.
      most_rows: Files with as many rows are left alone.
      most_bytes: Files with as many bytes of arrays are left alone.

    Raises:
      StoreError: If it is no results folder, cannot be written, or another process is merging.
    """
    store = opened(out)
    with _keeper(store):
        index = Index(store.root)
        index.records()
        before = len(index.files)
        for folder in FOLDERS:
            for alike in _alike(index, folder):
                for group in _groups(index, alike, most_rows, most_bytes):
                    _merge(index, folder, group)
        index.records()
        return Compaction(before, len(index.files))


def _keeper(store: Store) -> Lease:
    return Lease(store.root / "work" / ".housekeeping")


def _alike(index: Index, folder: str) -> list[list[Path]]:
    """The files of a folder by their columns of text: no number becomes text for its neighbours' sake."""
    found: dict[frozenset[tuple[str, bool]], list[Path]] = {}
    for path in sorted(index.files):
        if path.parent.name == folder:
            found.setdefault(index.files[path][0].exact, []).append(path)
    return list(found.values())


def _groups(index: Index, paths: list[Path], most_rows: int, most_bytes: int) -> Iterator[list[Path]]:
    """Files to be merged into one each; a lone file only where it holds superseded records."""
    group: list[Path] = []
    rows = size = 0
    for path in paths:
        count, bytes_ = len(index.files[path]), _size(sibling(path, "arrays"))
        small = count < most_rows and bytes_ < most_bytes
        if not (small or _superseded(index, path)):
            continue
        if group and (rows + count > most_rows or size + bytes_ > most_bytes):
            yield group
            group, rows, size = [], 0, 0
        group.append(path)
        rows, size = rows + count, size + bytes_
    yield group


def _superseded(index: Index, path: Path) -> bool:
    return len(index.counting(path)) < len(index.files[path])


def _merge(index: Index, folder: str, group: Sequence[Path]) -> None:
    if len(group) < 2 and not any(_superseded(index, path) for path in group):
        return
    counting = {path: index.counting(path) for path in group}
    name = "merged-" + hashlib.sha256("/".join(path.name for path in group).encode()).hexdigest()[:16]
    kept = [record for records in counting.values() for record in records]
    if any(record.outputs for record in kept):
        write_arrays(index.root / "arrays" / f"{name}.safetensors", _arrays(counting), "arrays")
    if any(record.readings for record in kept):
        histories = [_history(path, records) for path, records in counting.items()]
        whole = pa.concat_tables(histories, promote_options="default")
        write_parquet(index.root / "history" / f"{name}.parquet", whole, "history")
    if kept:
        rows = [_rows(path, records) for path, records in counting.items()]
        whole = pa.concat_tables(rows, promote_options="default")
        write_parquet(index.root / folder / f"{name}.parquet", whole, "runs")
    for path in group:
        for old in (path, sibling(path, "history"), sibling(path, "arrays")):
            with sentences(old):
                old.unlink(missing_ok=True)


def _rows(path: Path, records: list[Record]) -> pa.Table:
    """The rows that count, claiming what can be read."""
    table = _only(read_parquet(path, "runs"), records)
    by_digest = {record.digest: record for record in records}
    ordered = [by_digest[digest] for digest in table["digest"].to_pylist()]
    for name, values in (
        ("outputs", [sorted(record.outputs) for record in ordered]),
        ("points", [list(record.readings) for record in ordered]),
    ):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
    return table


def _history(path: Path, records: list[Record]) -> pa.Table:
    with_readings = [record for record in records if record.readings]
    if not with_readings:
        return HISTORY.empty_table()
    return _only(read_parquet(sibling(path, "history"), "history"), with_readings)


def _only(table: pa.Table, records: Iterable[Record]) -> pa.Table:
    digests = pa.array([record.digest for record in records], pa.string())
    chosen = pc.is_in(table["digest"], value_set=digests)  # pyright: ignore[reportAttributeAccessIssue]
    return table.filter(chosen).replace_schema_metadata(None)


def _arrays(counting: Mapping[Path, list[Record]]) -> Iterator[tuple[str, np.ndarray]]:
    for path, records in counting.items():
        kept = {(record.digest, key) for record in records for key in record.outputs}
        if kept:
            tensors = Tensors(sibling(path, "arrays"), "arrays")
            yield from ((name, tensors[name]) for name in tensors if owner(name) in kept)


def clean(out: "str | Path | Store", keep: str | Sequence[str] = ()) -> int:
    """Drop the arrays of outputs, which are made again when they are needed, and what crashes left behind.

    Args:
      out: A results folder.
      keep: Globs of output keys that stay, such as `*weights`.

    Returns:
      The number of bytes freed.

    Raises:
      StoreError: If it is no results folder, cannot be written, or is being worked on.
    """
    store = opened(out)
    patterns = [keep] if isinstance(keep, str) else list(keep)
    for work in store.unfinished():
        holder = work.lease().held_by()
        if holder is not None:
            raise StoreError(
                f"{store.root} is being worked on by {holder}; wait for it or stop it, then clean"
            )
    with _keeper(store):
        freed = sum(
            _drop(path, patterns) for path in sorted((store.root / "arrays").glob("[!.]*.safetensors"))
        )
        return freed + sum(_remove(path) for path in _left_over(store))


def _drop(path: Path, keep: Sequence[str]) -> int:
    before = _size(path)
    try:
        tensors = Tensors(path, "arrays")
    except DamagedError:
        return _remove(path)
    kept = [name for name in tensors if any(fnmatchcase(owner(name)[1], pattern) for pattern in keep)]
    if not kept:
        return _remove(path)
    if len(kept) < len(tensors):
        write_arrays(path, ((name, tensors[name]) for name in kept), "arrays")
    return before - _size(path)


def _left_over(store: Store) -> list[Path]:
    """Temporary files, histories without rows and folders without a manifest, if they are old."""
    stems = {path.stem for folder in FOLDERS for path in (store.root / folder).glob("*.parquet")}
    found = list(store.root.rglob(f".*{TEMPORARY}"))
    found += [path for path in (store.root / "history").glob("[!.]*.parquet") if path.stem not in stems]
    found += [
        path
        for path in (store.root / "work").iterdir()
        if path.name != ".housekeeping" and not (path.is_dir() and (path / "manifest.json").exists())
    ]
    return [path for path in found if time.time() - path.stat().st_mtime > _ABANDONED]


def _remove(path: Path) -> int:
    size = sum(_size(inner) for inner in path.rglob("*")) if path.is_dir() else _size(path)
    with sentences(path):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return size


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        found = path.stat()
        return 0 if path.is_dir() else found.st_size
    return 0
