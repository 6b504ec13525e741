"""What a sweep hands to the store: rows, histories and arrays of finished nodes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weightspace.spec import canonical_json
from weightspace.store.rows import RunRow
from weightspace.sweeps.requests import Request


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
        probes=request.marks if request else (),
        points=request.points if request else (),
        provenance=provenance,
        scalars=dict(metrics or {}),
    )
