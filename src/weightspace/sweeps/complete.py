"""Complete a record: what an earlier training of the same run left is kept beside what this one adds.

A run's identity does not hold what is recorded of it. Where something more is asked of a finished run, it is
trained again (to the same numbers) and its old outputs and columns are carried over to the new record.
"""

import dataclasses
import math
from typing import Any

import pyarrow.compute as pc

from weightspace.run import Run
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.rows import Record, RunRow
from weightspace.store.schema import HISTORY, read_parquet
from weightspace.sweeps.keep import Kept
from weightspace.sweeps.recorded import still_true
from weightspace.sweeps.requests import Request


def complete(request: Request, record: Record | None, kept: Kept) -> Request:
    """The request with the readings of an earlier training as well, and with the network that is kept."""
    return _with_earlier_readings(request, record).also(kept.probes(request.node))


def _with_earlier_readings(request: Request, record: Record | None) -> Request:
    if record is None or not record.finished or not isinstance(request.node, Run):
        return request
    return dataclasses.replace(request, readings=tuple(sorted({*request.readings, *record.readings})))


def carry_over(store: Store, row: RunRow, history: dict[str, list[Any]]) -> tuple[RunRow, dict[str, Any]]:
    """A new row with the outputs and scalars of the old record, and the old arrays.

    Args:
      store: The store.
      row: The row of the new training.
      history: The new history by column; columns that only the old one has are added.
    """
    old = store.records().get(row.digest)
    if old is None or not old.finished or row.status not in ("ok", "diverged"):
        return row, {}
    arrays: dict[str, Any] = {}
    for key in old.outputs - set(row.outputs):
        arrays |= to_tensors(row.digest, key, store.output(row.digest, key))
    diverged, before = row.status == "diverged", _scalars(old)
    changed = any(not _equal(value, row.scalars.get(name)) for name, value in before.items())
    # What an older version took for a sound run's was read of a broken network.
    if not (diverged and old.status == "ok"):
        changed |= _carry_history(row.digest, old, history)
    scalars = {
        name: math.nan if diverged else value for name, value in before.items() if name not in row.scalars
    }
    kept = dataclasses.replace(
        row,
        error=row.error or (old.error if any(map(math.isnan, scalars.values())) else None),
        outputs=tuple(sorted({*row.outputs, *old.outputs})),
        probes=tuple(sorted({*row.probes, *still_true(old.probes, row.probes, changed=changed)})),
        scalars={**scalars, **row.scalars},
    )
    return kept, arrays


def _scalars(old: Record) -> dict[str, float]:
    table = read_parquet(old.file, "runs")
    line = table.filter(pc.equal(table["digest"], old.digest)).to_pylist()[0]  # pyright: ignore
    return {name: line[name] for name in old.metrics if line.get(name) is not None}


def _equal(one: Any, other: Any) -> bool:
    """Whether two values of a column are the same, or there is one only."""
    return other is None or one == other or (one != one and other != other)


def _carry_history(digest: str, old: Record, history: dict[str, list[Any]]) -> bool:
    """Add what the old history alone has; gives whether both have a value that differs."""
    changed = False
    if not old.readings:
        return changed
    table = read_parquet(old.history, "history")
    lines = table.filter(pc.equal(table["digest"], digest)).to_pylist()  # pyright: ignore
    earlier = {line["step"]: line for line in lines}
    places = [i for i, each in enumerate(history["digest"]) if each == digest]
    for name in (n for n in table.column_names if n not in HISTORY.names and n not in history):
        history[name] = [None] * len(history["digest"])
    for i in places:
        for name, value in earlier.get(history["step"][i], {}).items():
            if history[name][i] is None:
                history[name][i] = value
            elif value is not None and name not in HISTORY.names:
                changed |= not _equal(value, history[name][i])
    return changed
