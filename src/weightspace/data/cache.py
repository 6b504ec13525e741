"""The cache: decoded data sets as memory-mapped arrays, one folder each, named by content.

    CACHE/data/<digest>/  train_x.npy train_y.npy test_x.npy test_y.npy meta.json
    CACHE/data/origins/<key>.json  ->  digest

An *origin* says where a set came from (files with their sizes, times and numbers in the file system, a
repository of the hub); it only leads to a digest, so that one content reached by two ways is stored once, and
a set can be loaded by its digest alone.

A folder appears whole, by one rename, so two processes may decode the same set at once. What is read is
checked against `meta.json`: the size and the CRC-32 of each file, once a process and file state, at about
2 GB/s (CIFAR-10: 0.1 s). That catches truncation and every burst of up to 32 wrong bits, and others but for
one in four thousand million. The SHA-256 is computed only when a set is written. A damaged folder is removed
and the set decoded anew.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from weightspace.data.content import Loaded, Split
from weightspace.errors import DataError
from weightspace.platform import cache_folder

FORMAT = 1
_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
_ABANDONED_AFTER = 24 * 3600
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
"""What a system says that opens no more files: no fault of the file."""
_checked: dict[str, tuple[tuple[int, ...], ...]] = {}


def folder() -> Path:
    """Where decoded sets lie."""
    return cache_folder() / "data"


def cached(name: str, origin: dict[str, Any], make: Callable[[], Loaded]) -> Loaded:
    """The set of an origin: from the cache if it is there and whole, else made and kept.

    Args:
      name: What the set is called.
      origin: Where it comes from, as JSON values; anything that may change its content belongs in it.
      make: Decodes it.

    Raises:
      DataError: If the cache cannot be written; and what `make` raises.
    """
    known = _recall(origin)
    found = find(known) if known else None
    if found is None:
        found = keep(name, make())
        _remember(origin, found.digest)
    return found


def find(digest: str) -> Loaded | None:
    """The set of that digest, memory-mapped; None if it is not there, or was damaged and has been removed.

    Raises:
      DataError: If this process can open no more files; nothing is removed.
    """
    home = folder() / digest
    if not home.is_dir():
        return None
    try:
        meta = _read_meta(home, digest)
        _verify(home, meta)
        arrays = [np.load(home / f"{each}.npy", mmap_mode="r", allow_pickle=False) for each in _ARRAYS]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
            raise DataError(
                f"a data set in {folder()} cannot be opened ({error.strerror}): this process holds as many "
                "files as it may, four for each set it has opened; raise the limit (ulimit -n), or use fewer "
                "data sets in one process"
            ) from error
        _discard(home)
        return None
    return Loaded(Split(*arrays[:2]), Split(*arrays[2:]), meta["classes"], meta["full_scale"], digest)


def name_of(digest: str) -> str | None:
    """What the set of that digest was called when it was first kept."""
    try:
        return str(_read_meta(folder() / digest, digest)["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(name: str, loaded: Loaded) -> Loaded:
    """Write a set under its digest, unless it is there, and return it memory-mapped.

    Raises:
      DataError: If the cache folder cannot be written.
    """
    there = find(loaded.digest)
    if there is not None:
        return there
    try:
        _write(name, loaded)
    except OSError as error:
        raise DataError(
            f"{name} cannot be kept in the cache at {folder()} ({error.strerror or error}); point "
            "WEIGHTSPACE_CACHE at a folder with room that can be written"
        ) from error
    written = find(loaded.digest)
    if written is None:
        raise DataError(f"{name} was written to {folder()} but cannot be read back; is the disk sound?")
    return written


def _write(name: str, loaded: Loaded) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    _sweep()
    work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder()))
    try:
        for each, array in zip(_ARRAYS, (*loaded.train, *loaded.test), strict=True):
            np.save(work / f"{each}.npy", array, allow_pickle=False)
        meta = {"format": FORMAT, "name": name, "digest": loaded.digest}
        meta |= {"classes": loaded.classes, "full_scale": loaded.full_scale}
        meta["files"] = {file.name: [file.stat().st_size, _checksum(file)] for file in _files(work)}
        text = json.dumps({"meta": meta, "seal": _seal(meta)}, indent=1)
        (work / "meta.json").write_text(text)
        work.chmod(0o755)
        # It fails if another process was faster; its folder has the same content.
        with contextlib.suppress(OSError):
            work.rename(folder() / loaded.digest)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _files(home: Path) -> list[Path]:
    return [home / f"{each}.npy" for each in _ARRAYS]


def _checksum(file: Path) -> int:
    return zlib.crc32(np.memmap(file, np.uint8, "r").data)


def _seal(meta: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(meta, sort_keys=True).encode())


def _read_meta(home: Path, digest: str) -> dict[str, Any]:
    document = json.loads((home / "meta.json").read_text())
    meta = document["meta"]
    if document["seal"] != _seal(meta) or meta["format"] != FORMAT or meta["digest"] != digest:
        raise ValueError(digest)
    return meta


def _verify(home: Path, meta: dict[str, Any]) -> None:
    """Sizes and checksums; the latter once a process, unless a file has been touched since."""
    states = tuple(
        (at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino)
        for at in (file.stat() for file in _files(home))
    )
    if [state[0] for state in states] != [meta["files"][file.name][0] for file in _files(home)]:
        raise ValueError(home)
    if _checked.get(str(home)) == states:
        return
    if any(_checksum(file) != meta["files"][file.name][1] for file in _files(home)):
        raise ValueError(home)
    _checked[str(home)] = states


def _discard(home: Path) -> None:
    """Move a folder out of the way in one step, then remove it: nobody sees half of it."""
    with contextlib.suppress(OSError):
        grave = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder()))
        home.rename(grave / "damaged")
        shutil.rmtree(grave, ignore_errors=True)


def _sweep() -> None:
    """Remove what a killed process left half written."""
    for left in folder().glob(".writing-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(left, ignore_errors=True)


def _pointer(origin: dict[str, Any]) -> Path:
    text = json.dumps(origin, sort_keys=True)
    return folder() / "origins" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _recall(origin: dict[str, Any]) -> str | None:
    try:
        digest = json.loads(_pointer(origin).read_text())["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) else None


def _remember(origin: dict[str, Any], digest: str) -> None:
    file = _pointer(origin)
    file.parent.mkdir(parents=True, exist_ok=True)
    work = file.with_suffix(f".{os.getpid()}.part")
    work.write_text(json.dumps({"origin": origin, "digest": digest}, indent=1))
    work.replace(file)
