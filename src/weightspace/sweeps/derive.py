"""Carry out derived values: each under a lease of its own, kept as soon as it is there.

A finished value goes to a work folder at once and, every few seconds, with others to files of the store;
until then its lease is held. A process that is killed loses the value that it was computing, no other: who
goes on takes up what lies in the work folders. Processes that share a folder pass over what others hold, so
that no value is computed twice, however the values were divided among jobs. What fails is recorded with its
traceback, whatever was raised; only an interruption, or a store that cannot be written, ends the sweep.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from weightspace import tree
from weightspace.errors import InputError, nearest
from weightspace.node import Found, fill, outputs_in
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.lease import Lease
from weightspace.store.rows import Record, RunRow
from weightspace.store.work import Work
from weightspace.sweeps.progress import Silent
from weightspace.sweeps.requests import DONE, Request, satisfied
from weightspace.sweeps.rows import row_of

STORE_SECONDS = 5.0
"""Seconds after which finished values are stored together."""
MOST_VALUES = 64
"""Values of one file; each has a lease until then, which a thread renews."""
MOST_BYTES = 2**28
"""Bytes of arrays that wait in memory."""


def carry_out(
    requests: Iterable[Request], store: Store, provenance: str, since: float, progress: Silent
) -> str | None:
    """Compute and store values; gives who holds the lease of one that was passed over, if there is one.

    Args:
      requests: The values, whose inputs exist.
      store: The store.
      provenance: The id of the sweep's circumstances.
      since: When the sweep began: what has failed since then was tried.
      progress: What to tell of the progress.

    Raises:
      StoreError: If an input cannot be read, or results cannot be written; what was finished before stays.
    """
    values, held_by = _Values(store), None
    with contextlib.closing(values):
        try:
            for request in requests:
                done = _settled(request, store, since)
                holder = None if done else values.take(request, provenance, since)
                held_by = holder or held_by
                if holder is None:
                    progress.found_values()
        finally:
            values.store_all()
    return held_by


def _settled(request: Request, store: Store, since: float) -> bool:
    record: Record | None = store.records().get(request.node.digest)
    failed = record is not None and record.status not in DONE and record.written >= since
    return failed or satisfied(request, record)


class _Values:
    """Finished values that wait to be stored, and their leases."""

    def __init__(self, store: Store):
        self.store = store
        self.rows: list[RunRow] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.held: list[tuple[Work, Lease]] = []
        self.stored = time.monotonic()

    def take(self, request: Request, provenance: str, since: float) -> str | None:
        """Compute a value, unless somebody else does: then gives who."""
        work = self.store.work(f"derived-{request.node.digest}")
        lease = work.lease()
        if not lease.acquire():
            return str(lease.held_by() or "another process")
        self.held.append((work, lease))
        if _settled(request, self.store, since):
            work.finish()
            self.held.pop()[1].release()
            return None
        kept = work.value()
        if kept is None or not request.outputs <= set(kept[0].outputs):
            work.write_manifest({"digests": [request.node.digest], "derived": True}, flush=False)
            kept = computed(request, self.store, provenance)
            if kept[0].status in DONE:
                work.save_value(*kept)
        self.rows.append(kept[0])
        self.arrays |= kept[1]
        late = time.monotonic() - self.stored > STORE_SECONDS
        if late or len(self.rows) >= MOST_VALUES or tree.nbytes(self.arrays) > MOST_BYTES:
            self.store_all()
        return None

    def store_all(self) -> None:
        """Write what waits to the store, and let go of it."""
        if self.rows:
            self.store.write_derived(f"wave-{self.rows[0].digest[:16]}", self.rows, self.arrays)
        done = {row.digest for row in self.rows}
        self.rows, self.arrays, self.stored = [], {}, time.monotonic()
        for work, lease in [pair for pair in self.held if pair[0].cohort.removeprefix("derived-") in done]:
            work.finish()
            lease.release()
            self.held.remove((work, lease))

    def close(self) -> None:
        """Let others have what is left."""
        for _, lease in self.held:
            lease.release()
        self.held.clear()


def computed(request: Request, store: Store, provenance: str) -> tuple[RunRow, Mapping[str, np.ndarray]]:
    """A value's row and arrays; its row says so where it failed.

    Raises:
      StoreError: If an input cannot be read.
    """
    node: Any = request.node
    inputs = {output: store.output(output.of.digest, output.key) for output in outputs_in(node)}
    began = time.perf_counter()
    try:
        found = _with_asked(request, fill(node, inputs).compute())
        arrays: dict[str, np.ndarray] = {}
        for name, value in found.arrays.items():
            arrays |= to_tensors(node.digest, name, jax.device_get(value))
        row = row_of(
            node, "ok", provenance, seconds=time.perf_counter() - began, outputs=sorted(found.arrays),
            metrics={**found.columns, **found.text},
        )  # fmt: skip
    except Exception as error:
        return row_of(node, "failed", provenance, seconds=time.perf_counter() - began, raised=error), {}
    return row, arrays


def _with_asked(request: Request, made: Any) -> Found:
    """What was found; numbers that another node takes as an output are outputs too.

    Raises:
      InputError: If an output that another node takes is not there.
    """
    found = Found.of(made)
    given: Mapping[str, Any] = found.columns if isinstance(made, Found) else made
    more = {key: given.get(key) for key in request.outputs - found.arrays.keys()}
    for key in more:
        if key not in found.columns:
            known = sorted({*found.arrays, *found.columns})
            guess = nearest(key, known)
            hint = f"; did you mean '{guess}'?" if guess else ""
            raise InputError(
                f"{type(request.node).__name__} gives no output '{key}', which another node takes{hint} "
                f"It gives: {', '.join(known) or 'none'}"
            )
    return dataclasses.replace(found, arrays={**found.arrays, **more})
