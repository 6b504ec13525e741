"""Histories as they were measured: what is not a number is there, what was not recorded is not.

The tables of `read` leave out what is not finite; what copies a folder's numbers elsewhere takes them from
here. Each file is read once, whatever the number of its runs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from weightspace.store.base import Store
from weightspace.store.index import patiently
from weightspace.store.rows import Record
from weightspace.store.schema import HISTORY, DamagedError, read_parquet, skip

Readings = dict[str, tuple[np.ndarray, np.ndarray]]
"""By metric: steps (int64, rising) and values (float64) of the readings that have it."""


def readings(store: Store, digests: Iterable[str]) -> dict[str, Readings]:
    """The history of each run, by digest; of one without a history nothing.

    Damaged files are named in a `StoreWarning` and left out.

    Args:
      store: The store.
      digests: Of runs; those that it has no record of are passed over.
    """
    wanted = tuple(dict.fromkeys(digests))
    return patiently(lambda: _readings(store.records(), wanted))


def _readings(records: Mapping[str, Record], digests: tuple[str, ...]) -> dict[str, Readings]:
    files: dict[Path, list[str]] = {}
    for digest in digests:
        if digest in records and records[digest].readings:
            files.setdefault(records[digest].history, []).append(digest)
    found: dict[str, Readings] = {}
    for path, own in files.items():
        try:
            found |= _of_file(read_parquet(path, "history"), set(own))
        except DamagedError as error:
            skip(error, "its histories are left out")
    return found


def _of_file(table: pa.Table, wanted: set[str]) -> dict[str, Readings]:
    digests = np.asarray(table["digest"].to_pylist(), object)
    steps = table["step"].to_numpy()
    columns = {
        name: (np.asarray(table[name].is_valid()), table[name].to_numpy().astype(np.float64))
        for name in table.column_names
        if name not in HISTORY.names
    }
    places = {digest: np.flatnonzero(digests == digest) for digest in wanted}
    found: dict[str, Readings] = {}
    for digest, rows in places.items():
        rows = rows[np.argsort(steps[rows], kind="stable")]
        kept = {name: rows[valid[rows]] for name, (valid, _) in columns.items()}
        found[digest] = {name: (steps[own], columns[name][1][own]) for name, own in kept.items() if len(own)}
    return found
