"""The store: a folder of results, addressed by what was computed.

Every run is stored once, under the digest of its spec, whichever experiment asked for it; experiments only
point. Files are written once and whole (arrays, then history, then rows: the row is what makes a run
visible), no two writers share one, and nothing read back can run code. The store knows files, digests and
labels; what they mean is the business of those above it.
"""

import contextlib
import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from weightspace.errors import StoreError, nearest
from weightspace.store import asked as asking
from weightspace.store import provenance
from weightspace.store.arrays import Tensors, copies, from_tensors, owner, write_arrays
from weightspace.store.index import FOLDERS, Index, patiently
from weightspace.store.rows import Record, RunRow, history_table, of_row, readable, rows_table
from weightspace.store.schema import (
    STAMP,
    TRACEBACK,
    check_name,
    check_stamp,
    stamp,
)  # fmt: skip
from weightspace.store.work import Work, unfinished
from weightspace.store.write import sentences, write_json, write_parquet

MARKER = "weightspace.json"
_PARTS = (*FOLDERS, "history", "arrays", "asked", "provenance", "work")
_OPEN_FILES = 16


class Store:
    """A results folder.

    Args:
      root: The folder.
      create: Make it if it is not there, and write to it; otherwise it must be a results folder already.

    Raises:
      StoreError: If the folder is a file, cannot be written, is no results folder, or is of another version.
    """

    def __init__(self, root: str | Path, *, create: bool = True):
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"{self.root} is a file, but results need a folder; choose another")
        if create:
            self._make()
        elif not (self.root / MARKER).is_file():
            what = f"has no {MARKER}" if self.root.is_dir() else "does not exist"
            raise StoreError(f"{self.root} is not a results folder: it {what}")
        self._check_marker()
        self._index = Index(self.root)
        self._questions = asking.Questions(self.root / "asked")
        self._open = functools.lru_cache(maxsize=_OPEN_FILES)(_open_arrays)

    def _make(self) -> None:
        with sentences(self.root):
            for part in _PARTS:
                (self.root / part).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass  # fails at once where the first result would fail
        if not (self.root / MARKER).exists():
            write_json(self.root / MARKER, {STAMP: stamp("store")})

    def _check_marker(self) -> None:
        path = self.root / MARKER
        try:
            text = json.loads(path.read_text(encoding="utf-8"))[STAMP]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path} cannot be read, so this may not be a results folder: {error}"
            ) from error
        check_stamp(path, text, "store")

    def records(self) -> dict[str, Record]:
        """By digest, the record that counts; cheap when no file has changed. Not to be modified.

        DamagedError files are named in a `StoreWarning` and left out.

        Raises:
          StoreError: If a file is of another version.
        """
        return self._index.records()

    def spec(self, digest: str) -> str:
        """The canonical JSON of a run or derived value.

        Raises:
          StoreError: If there is no record of it.
        """
        return patiently(lambda: of_row(self.record(digest), "spec") or "")

    def traceback(self, digest: str) -> str | None:
        """Where in the code a run or derived value failed; None where it did not.

        Raises:
          StoreError: If there is no record of it.
        """
        return patiently(lambda: of_row(self.record(digest), TRACEBACK))

    def record(self, digest: str) -> Record:
        """The record of a run or derived value.

        Raises:
          StoreError: If there is none.
        """
        found = self.records().get(digest)
        if found is None:
            raise StoreError(f"{self.root} has no record of {digest}")
        return found

    def write_cohort(
        self,
        cohort: str,
        rows: Sequence[RunRow],
        history: Mapping[str, Any] | pa.Table,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Store finished runs; they become visible all at once, at the very end.

        Args:
          cohort: Name of the files; where it is taken, a number is added.
          rows: One for each run.
          history: Columns `digest`, `step` and one for each metric; a row for each run and reading.
          arrays: Outputs by name, as `to_tensors` makes them.

        Raises:
          StoreError: If something cannot be stored as it is, or cannot be written; nothing is then visible.
        """
        self._write("runs", cohort, rows, history, arrays)

    def write_derived(self, wave: str, rows: Sequence[RunRow], arrays: Mapping[str, np.ndarray]) -> None:
        """Store derived values; as `write_cohort`, without a history.

        Rows whose columns are text have files of their own: whether a number is text in a file is then a
        matter of its value, not of its neighbours.
        """
        groups: dict[frozenset[str], list[RunRow]] = {}
        for row in rows:
            groups.setdefault(row.with_text, []).append(row)
        for group in groups.values():
            own = {row.digest for row in group}
            mine = {name: array for name, array in arrays.items() if owner(name)[0] in own}
            self._write("derived", wave, group, {}, mine)

    def _write(
        self,
        folder: str,
        name: str,
        rows: Sequence[RunRow],
        history: Mapping[str, Any] | pa.Table,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        check_name("cohort", name)
        if not rows:
            return
        table = history_table(history)
        rows_ = rows_table(rows, table)
        _check_outputs(rows, arrays)
        stem = self._free(name)
        if arrays:
            write_arrays(self.root / "arrays" / f"{stem}.safetensors", arrays.items(), "arrays")
        if table.num_rows or any(row.readings for row in rows):
            write_parquet(self.root / "history" / f"{stem}.parquet", table, "history")
        write_parquet(self.root / folder / f"{stem}.parquet", rows_, "runs")

    def _free(self, name: str) -> str:
        """A name without readable rows; left-overs of an attempt that was cut short are overwritten."""
        stem, number = name, 1
        while any(readable(self.root / folder / f"{stem}.parquet") for folder in FOLDERS):
            number += 1
            stem = f"{name}-{number}"
        return stem

    def output(self, digest: str, key: str) -> Any:
        """An output: an array or a nested dict of arrays; only its own arrays are read.

        Args:
          digest: Of the run or derived value that made it.
          key: Its key among the outputs.

        Raises:
          StoreError: If there is no such record, or it has no such output.
        """
        return patiently(lambda: self._output(digest, key))

    def _output(self, digest: str, key: str) -> Any:
        return from_tensors(digest, key, copies(self._tensors(digest, key)))

    def _tensors(self, digest: str, key: str) -> dict[str, np.ndarray]:
        """The arrays of an output, as views of the file."""
        record = self._index.known.get(digest)
        if record is not None and key in record.outputs:
            with contextlib.suppress(FileNotFoundError):
                return self._views(record, key)
        # Only now look for changes, which takes longer than reading an output.
        record = self.record(digest)
        if key not in record.outputs:
            guess = nearest(key, record.outputs)
            hint = f"; did you mean '{guess}'?" if guess else ""
            known = ", ".join(sorted(record.outputs)) or "none"
            raise StoreError(f"{digest} has no output '{key}'{hint} Kept: {known}")
        return self._views(record, key)

    def _views(self, record: Record, key: str) -> dict[str, np.ndarray]:
        found = record.arrays.stat()
        tensors = self._open(record.arrays, (found.st_mtime_ns, found.st_ino))
        if (record.digest, key) not in tensors.by_output:
            raise FileNotFoundError(record.arrays)  # replaced by a file that keeps less
        return {name: tensors[name] for name in tensors.by_output[record.digest, key]}

    def blank(self, digest: str, key: str) -> Any:
        """Zeros in the shape of an output, which take no memory; raises as `output` does."""
        return patiently(lambda: self._blank(digest, key))

    def _blank(self, digest: str, key: str) -> Any:
        own = self._tensors(digest, key)
        blank = {name: np.broadcast_to(np.zeros((), x.dtype), x.shape) for name, x in own.items()}
        return from_tensors(digest, key, blank)

    def ask(
        self, experiment: str, rows: Sequence[tuple[Mapping[str, Any], str]], fields: Mapping[str, Any]
    ) -> None:
        """Store which runs answer an experiment, under which labels; the same question is stored once.

        Args:
          experiment: Its name.
          rows: Labels and digests.
          fields: Its settings.
        """
        asking.ask(self.root / "asked", experiment, rows, fields)

    def asked(self, experiment: str | None = None) -> pd.DataFrame:
        """What was asked: columns `experiment`, `run` and the labels.

        Raises:
          InputError: If no experiment of that name has asked.
        """
        return self._questions.frame(experiment)

    def questions(self, experiment: str | None = None) -> list[asking.Question]:
        """What was asked, with settings and time, the oldest first. Not to be modified."""
        return self._questions.of(experiment)

    def work(self, cohort: str) -> Work:
        """What there is of an unfinished cohort; nothing is written yet."""
        return Work(self.root / "work" / check_name("cohort", cohort))

    def unfinished(self) -> list[Work]:
        """The cohorts that were begun and not finished, whoever may be working on them."""
        return unfinished(self.root / "work")

    def save_provenance(self, record: Mapping[str, Any]) -> str:
        """Store circumstances; returns the id that rows refer to."""
        return provenance.save(self.root / "provenance", record)

    def close_provenance(self, name: str, *, seconds: float, exit_status: int) -> None:
        """Add how a command ended."""
        provenance.close(self.root / "provenance", name, seconds, exit_status)

    def provenance(self, name: str) -> dict[str, Any]:
        """The circumstances of an id, with `seconds` and `exit_status` once the command has ended.

        Raises:
          StoreError: If there are none of that id.
        """
        return provenance.load(self.root / "provenance", name)


def opened(out: "str | Path | Store") -> Store:
    """A store that exists already."""
    return out if isinstance(out, Store) else Store(out, create=False)


def _open_arrays(path: Path, _: tuple[int, int]) -> Tensors:
    """A file's arrays; the second argument tells the file from an earlier one of that name."""
    return Tensors(path, "arrays")


def _check_outputs(rows: Sequence[RunRow], arrays: Mapping[str, np.ndarray]) -> None:
    kept = set(map(owner, arrays))
    for row in rows:
        for key in row.outputs:
            if (row.digest, key) not in kept:
                raise StoreError(f"run {row.digest} lists the output '{key}', but no array of it was given")
