"""Writing: a file is there whole or not at all.

Everything is written to a temporary file in the same folder, flushed to the disk and renamed. What goes
wrong on the way becomes one sentence, and the temporary file is removed; readers pass over names that begin
with a dot.
"""

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

from weightspace.errors import StoreError
from weightspace.store.schema import STAMP, stamp, version_of

TEMPORARY = ".tmp"
"""How the names of temporary files end."""
_FULL = (
    "the disk is full; free some space (`weightspace clean` drops outputs that can be made again) and repeat "
    "the command: what is finished is kept"
)
_FORBIDDEN = "it is not allowed; choose a results folder that you may write to"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: "the file system is read-only; choose another results folder",
    errno.ENOTDIR: "a part of the path is a file; choose another results folder",
    errno.EEXIST: "a file of that name is in the way; choose another results folder",
    errno.ENOENT: "its folder does not exist any more; repeat the command once it is back",
}


@contextlib.contextmanager
def sentences(path: Path) -> Iterator[None]:
    """Turn what the operating system reports about a path into a `StoreError`."""
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        code = _code(error)
        reason = _REASONS.get(code) or (os.strerror(code) if code else str(error))
        raise StoreError(f"cannot write {path}: {reason}") from error


def _code(error: Exception) -> int:
    if isinstance(error, OSError):
        return error.errno or 0
    # The library reports what the operating system said as text only.
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else 0


@contextlib.contextmanager
def atomic(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A temporary path whose file takes the place of `path` at the end of the block, if that succeeds.

    Args:
      path: The file.
      flush: Wait until it is on the disk. Without, it outlives the process, but perhaps not the machine.

    Raises:
      StoreError: If it cannot be written; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with sentences(path):
            yield temporary
            if flush:
                _flush(temporary, os.O_RDWR)
            os.replace(temporary, path)
            if flush and os.name == "posix":
                _flush(path.parent, os.O_RDONLY)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Write a value as JSON, keys sorted."""
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    with atomic(path, flush=flush) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_parquet(
    path: Path,
    table: pa.Table,
    kind: str,
    metadata: Mapping[str, str] | None = None,
    *,
    flush: bool = True,
) -> None:
    """Write a table with its kind, the schema version and more metadata, if there is any.

    Columns that hold NaN have no statistics: these leave NaN out, so that readers would pass over it.
    """
    stamped = table.replace_schema_metadata({STAMP: stamp(kind, version_of(table, kind)), **(metadata or {})})
    plain = [name for name in table.column_names if not _holds_nan(table[name])]
    with atomic(path, flush=flush) as temporary:
        pq.write_table(
            stamped, temporary, compression="zstd", write_page_checksum=True,
            write_statistics=plain,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip


def _holds_nan(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return False
    return bool(pc.any(pc.is_nan(column)).as_py())  # pyright: ignore[reportAttributeAccessIssue]


def write_safetensors(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    kind: str,
    metadata: Mapping[str, str] | None = None,
    *,
    flush: bool = True,
) -> None:
    """Write arrays of types that the format knows, with their kind and metadata.

    The library writes the memory of an array as it lies there: strides and byte order are made plain here, in
    the one place that writes.
    """
    plain = {name: in_order(array) for name, array in tensors.items()}
    with atomic(path, flush=flush) as temporary:
        safetensors.numpy.save_file(plain, temporary, {STAMP: stamp(kind), **(metadata or {})})


def in_order(array: Any) -> np.ndarray:
    """An array in C order and this machine's byte order, of the same shape; a copy only where it must be."""
    array = np.asarray(array)
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
