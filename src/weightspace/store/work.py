"""Work in hand: what a cohort has so far, until its files are written.

`work/<cohort>/` holds the manifest (the runs in order and how they are batched, so that a restart forms the
very same cohort), the rows of finished blocks, and the carry of the block in hand; a derived value has such a
folder of its own until it is stored together with others. Each is written whole or
not at all; what is damaged is named and computed again.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from weightspace.errors import StoreError
from weightspace.store.arrays import Tensors, copies, write_arrays
from weightspace.store.lease import Lease
from weightspace.store.rows import RunRow, history_table, rows_table, table_rows
from weightspace.store.schema import STAMP, DamagedError, check_stamp, read_parquet, skip, stamp
from weightspace.store.write import sentences, write_json, write_parquet

Block = tuple[list[RunRow], pa.Table, Mapping[str, np.ndarray]]
"""Rows, history and arrays of the runs of one call of the program; arrays are read when asked for."""
_BLOCK = re.compile(r"block-(\d+)\.parquet")


class Work:
    """One unfinished cohort, or derived value.

    Attributes:
      cohort: Its name.
      folder: Where its files are.
    """

    def __init__(self, folder: Path):
        self.cohort = folder.name
        self.folder = folder

    def lease(self) -> Lease:
        """The right to work on it, shared out among processes."""
        return Lease(self.folder)

    def write_manifest(self, manifest: Mapping[str, Any], *, flush: bool = True) -> None:
        """Record how the cohort was formed, before anything is computed.

        Args:
          manifest: JSON values; `digests`, the list of its runs, is what `status` counts as running.
          flush: Wait until it is on the disk.
        """
        with sentences(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        entry = {STAMP: stamp("manifest"), "manifest": dict(manifest)}
        write_json(self.folder / "manifest.json", entry, flush=flush)

    def manifest(self) -> dict[str, Any] | None:
        """What `write_manifest` recorded; None if there is nothing, or nothing readable.

        Raises:
          StoreError: If another version wrote it.
        """
        path = self.folder / "manifest.json"
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            text, found = entry[STAMP], dict(entry["manifest"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            skip(DamagedError(path, error), "this cohort is formed anew")
            return None
        check_stamp(path, text, "manifest")
        return found

    def save_carry(self, flat: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> None:
        """Keep the state of the block in hand: arrays by name, and JSON values such as block and step."""
        with sentences(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # One file for both, so that arrays and information can never be of two moments.
        write_arrays(self.folder / "carry.safetensors", flat.items(), "carry", dict(info))

    def load_carry(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The arrays and information last saved; None if there are none, or none readable.

        Raises:
          StoreError: If another version wrote them.
        """
        path = self.folder / "carry.safetensors"
        try:
            tensors = Tensors(path, "carry")
        except FileNotFoundError:
            return None
        except DamagedError as error:
            skip(error, "its block starts again")
            return None
        return copies(tensors), tensors.info

    def append_rows(
        self,
        block: int,
        rows: Sequence[RunRow],
        history: Mapping[str, Any] | pa.Table,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Keep what a finished block left; rows are written last, so that it is there whole or not at all."""
        table = history_table(history)
        rows_ = rows_table(rows, table)
        with sentences(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_arrays(self._path(block, "safetensors"), arrays.items(), "arrays")
        write_parquet(self._path(block, "history.parquet"), table, "history")
        write_parquet(self._path(block, "parquet"), rows_, "runs")

    def done_blocks(self) -> dict[int, Block]:
        """By number, what the finished blocks left; damaged ones are named and left out.

        Raises:
          StoreError: If another version wrote one of them.
        """
        found: dict[int, Block] = {}
        for block in self._blocks():
            path = self._path(block, "parquet")
            try:
                rows = table_rows(read_parquet(path, "runs"))
                history = read_parquet(self._path(block, "history.parquet"), "history")
                arrays = Tensors(self._path(block, "safetensors"), "arrays")
            except DamagedError as error:
                skip(error, "its runs are computed again")
                continue
            except FileNotFoundError as error:
                skip(DamagedError(path, f"{error.filename} is missing"), "its runs are computed again")
                continue
            found[block] = rows, history.replace_schema_metadata(None), arrays
        return found

    def save_value(self, row: RunRow, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a derived value until it is stored with others; it outlives this process at once.

        Nothing waits for the disk, which would take longer than many a value: should the machine fail, the
        value is damaged or gone, and computed again.
        """
        if arrays:
            write_arrays(self.folder / "value.safetensors", arrays.items(), "arrays", flush=False)
        table = rows_table([row], history_table({}))
        write_parquet(self.folder / "value.parquet", table, "runs", flush=False)

    def value(self) -> tuple[RunRow, Mapping[str, np.ndarray]] | None:
        """What `save_value` kept; None if there is nothing, or nothing readable.

        Raises:
          StoreError: If another version wrote it.
        """
        path = self.folder / "value.parquet"
        try:
            (row,) = table_rows(read_parquet(path, "runs"))
            arrays = copies(Tensors(path.with_suffix(".safetensors"), "arrays")) if row.outputs else {}
        except FileNotFoundError:
            return None
        except DamagedError as error:
            skip(error, "this value is computed again")
            return None
        return row, arrays

    def statuses(self) -> dict[str, str]:
        """By digest, how the runs of finished blocks ended, and a derived value."""
        found: dict[str, str] = {}
        for path in (
            *(self._path(block, "parquet") for block in self._blocks()),
            self.folder / "value.parquet",
        ):
            with contextlib.suppress(DamagedError, FileNotFoundError):
                table = read_parquet(path, "runs", ["digest", "status"])
                found.update(zip(*table.to_pydict().values(), strict=True))
        return found

    def finish(self) -> None:
        """Remove the folder, in one step for all who look; call it once the cohort's files are written.

        Raises:
          StoreError: If it cannot be removed.
        """
        hidden = self.folder.with_name(f".{self.cohort}-{secrets.token_hex(4)}")
        with sentences(self.folder), contextlib.suppress(FileNotFoundError):
            os.rename(self.folder, hidden)
        shutil.rmtree(hidden, ignore_errors=True)

    def _path(self, block: int, ending: str) -> Path:
        return self.folder / f"block-{block}.{ending}"

    def _blocks(self) -> list[int]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for match in map(_BLOCK.fullmatch, names) if match)


def unfinished(folder: Path) -> list[Work]:
    """The cohorts in a folder that have a manifest."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []  # a copy without empty folders
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}") from error
    return [
        Work(folder / name)
        for name in names
        if not name.startswith(".") and (folder / name / "manifest.json").exists()
    ]
