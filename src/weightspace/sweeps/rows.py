"""What a sweep hands to the store: rows, histories and arrays of finished nodes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weightspace.models.layout import KINDS
from weightspace.probes.base import Probe
from weightspace.spec import canonical_json, kind
from weightspace.store.rows import NETWORK, RunRow
from weightspace.sweeps.requests import Request
from weightspace.training.step import layout_of_run


@dataclasses.dataclass
class Results:
    """Rows, history and arrays of finished runs."""

    rows: list[RunRow] = dataclasses.field(default_factory=list)
    history: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def add(self, other: "Results") -> None:
        """Append another block's results."""
        before, after = len(self.history.get("digest", ())), len(other.history.get("digest", ()))
        for name in {*self.history, *other.history}:
            mine = self.history.setdefault(name, [None] * before)
            mine.extend(other.history.get(name, [None] * after))
        self.rows += other.rows
        self.arrays |= other.arrays


def network_output(run: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What it takes to evaluate the weights kept of a run, beside them; nothing where none are kept.

    Args:
      run: The run.
      kept: Its outputs by key.

    Returns:
      `shift` and `scale`, float64: decoded inputs are (x - shift) · scale. `order` and `kind`, int32: for
      each leaf of the model's weights, in the order of their sorted paths, its place in the forward pass,
      and what it is, as a number of `KINDS`.
    """
    if not any(key.endswith(".weights") for key in kept):
        return {}
    arrays, leaves = run.task.data.arrays(), layout_of_run(run).leaves
    places = {leaf.path: place for place, leaf in enumerate(leaves)}
    order = np.asarray([places[path] for path in sorted(places)], np.int32)
    kinds = np.asarray([KINDS.index(leaves[place].kind) for place in order], np.int32)
    given = {name: getattr(arrays, name, None) for name in ("shift", "scale")}
    decoding = {name: np.asarray(value, np.float64) for name, value in given.items() if value is not None}
    return {NETWORK: decoding | {"order": order, "kind": kinds}}


def recorders(probes: Sequence[Probe]) -> tuple[str, ...]:
    """What recorded a run: digests of probes, and `digest=kind` of those that write columns."""
    marked = (f"{probe.digest}={kind(type(probe))}" for probe in probes if probe.writes_columns)
    return (*(probe.digest for probe in probes), *marked)


def row_of(
    node: Any,
    status: str,
    provenance: str,
    *,
    error: str | None = None,
    seconds: float = 0.0,
    steps: int = 0,
    request: Request | None = None,
    outputs: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
) -> RunRow:
    """A node's line in the store."""
    return RunRow(
        digest=node.digest,
        spec=canonical_json(node),
        status=status,
        error=error,
        seconds=seconds,
        steps=steps,
        outputs=tuple(outputs),
        probes=recorders(request.probes) if request else (),
        points=request.points if request else (),
        provenance=provenance,
        scalars=dict(metrics or {}),
    )
