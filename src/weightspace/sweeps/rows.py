"""What a sweep hands to the store: rows, histories and arrays of finished nodes.

A row's scalars are the last that were read of each metric, whatever they are: those of a run that broke are
NaN, and its history says what it was before.
"""

import dataclasses
import math
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from weightspace.models.layout import KINDS
from weightspace.run import Run
from weightspace.spec import canonical_json
from weightspace.store.arrays import to_tensors
from weightspace.store.exact import Scalar
from weightspace.store.rows import NETWORK, RunRow
from weightspace.sweeps.requests import Request
from weightspace.sweeps.trouble import undefined
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
      and what it is, as a number of `KINDS`. `shape`, int32: of one example.
    """
    if not any(key.endswith(".weights") for key in kept):
        return {}
    leaves = layout_of_run(run).leaves
    places = {leaf.path: place for place, leaf in enumerate(leaves)}
    order = np.asarray([places[path] for path in sorted(places)], np.int32)
    kinds = np.asarray([KINDS.index(leaves[place].kind) for place in order], np.int32)
    given = dict(zip(("shift", "scale"), run.task.data.decoding(), strict=True))
    decoding = {name: np.asarray(value, np.float64) for name, value in given.items() if value is not None}
    return {
        NETWORK: decoding
        | {"order": order, "kind": kinds, "shape": np.asarray(run.task.data.shape, np.int32)}
    }


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
    metrics: Mapping[str, Scalar] | None = None,
    raised: BaseException | None = None,
) -> RunRow:
    """A node's line in the store; what was raised gives the sentence and the traceback."""
    if raised is not None:
        error = _writable(f"{type(raised).__name__}: {raised}")
    return RunRow(
        digest=node.digest,
        spec=canonical_json(node),
        status=status,
        error=error,
        seconds=seconds,
        steps=steps,
        outputs=tuple(outputs),
        probes=request.marks if request else (),
        readings=request.readings if request else (),
        provenance=provenance,
        scalars=dict(metrics or {}),
        traceback=None if raised is None else _writable("".join(traceback.format_exception(raised))),
    )


def _writable(text: str) -> str:
    """Text that can be stored: halves of pairs of surrogates, as in names of files, become marks."""
    return text.encode(errors="replace").decode()


@dataclasses.dataclass(frozen=True)
class Reading:
    """What was read of a block after some steps.

    Attributes:
      step: Steps done.
      record: Scalars of all runs, by metric; NaN for those not asked for here.
      asked: Which metrics were.
      edited: Whether an edit acted here: the history has a line of it.
    """

    step: int
    record: Mapping[str, np.ndarray]
    asked: frozenset[str]
    edited: bool = False


def block_results(
    requests: Sequence[Request],
    readings: Sequence[Reading],
    outputs: Any,
    errors: Mapping[int, str],
    provenance: str,
    *,
    seconds: float,
    steps: int,
    lost: Mapping[int, int] | None = None,
) -> Results:
    """What a block of runs leaves behind.

    Args:
      requests: The runs, in the order of the block.
      readings: What was read, in the order of the steps.
      outputs: Of each probe, with a first axis of runs.
      errors: For runs that diverged, by place in the block, where that began.
      provenance: The id of its circumstances.
      seconds: Of each run.
      steps: Of each run.
      lost: For runs whose loss was not finite, by place in the block, the first step at which it was not:
        a reading there is of a network that has no loss.
    """
    results = Results()
    names = sorted({name for reading in readings for name in reading.record})
    columns: dict[str, list[Any]] = {name: [] for name in ("digest", "step", *names)}
    for place, request in enumerate(requests):
        run = request.node
        assert isinstance(run, Run)
        last: dict[str, float] = {}
        end = (lost or {}).get(place, math.inf)
        for reading in readings:
            watched = reading.step in request.readings
            if not watched and not reading.edited:
                continue
            columns["digest"].append(run.digest)
            columns["step"].append(reading.step)
            for name in names:
                value = float(reading.record[name][place]) if reading.step < end else float("nan")
                columns[name].append(value if watched or name in reading.asked else None)
                if name in reading.asked:
                    last[name] = value
        kept = _outputs(request, outputs, place)
        for key, value in kept.items():
            results.arrays |= to_tensors(run.digest, key, value)
        status = "diverged" if place in errors else "ok"
        error = errors.get(place) or _undefined(request, last)
        results.rows.append(
            row_of(run, status, provenance, error=error, seconds=seconds,
                   steps=steps, request=request, outputs=sorted(kept), metrics=last)
        )  # fmt: skip
    results.history = columns
    return results


def _undefined(request: Request, last: Mapping[str, float]) -> str | None:
    """Why metrics of a run that is finite are NaN; None where none is."""
    expected = tuple(start for probe in request.probes for start in probe.missing)
    names = [name for name, value in last.items() if math.isnan(value) and not name.startswith(expected)]
    return undefined(names) if names else None


def _outputs(request: Request, outputs: Any, place: int) -> dict[str, Any]:
    """One run's outputs by key."""
    kept = {
        f"{probe.key}.{name}": jax.tree.map(lambda a: np.asarray(a)[place], value)
        for probe, made in zip(request.probes, outputs, strict=True)
        for name, value in made.items()
    }
    return kept | network_output(request.node, kept)
