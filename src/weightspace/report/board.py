"""TensorBoard: a folder for each run, with its history at its steps, last values, and labels as hparams.

Events are written by tensorboardX's record writer, one after the other, without threads, host names or the
time of writing: each run's time is when it was stored. The whole is written beside its place and renamed, so
that it is there whole or not at all.
"""

import contextlib
import math
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weightspace.errors import InputError, StoreError
from weightspace.report.tags import Tagged
from weightspace.store.base import Store
from weightspace.store.exact import LARGEST, digits
from weightspace.store.measured import Readings, readings
from weightspace.store.write import TEMPORARY, sentences

_FILE = "events.out.tfevents.0.weightspace"
_FLOAT32 = float(np.finfo(np.float32).max)


def write_board(store: Store, found: Sequence[Tagged], to: Path) -> int:
    """Write runs for TensorBoard; gives the number of folders.

    Scalars are float32, as the format has them: NaN and infinity stay such, and a finite number that float32
    cannot hold, or a whole one beyond 2^53, is written as text, with all of its digits. Steps are exact.

    Args:
      store: Where the runs are.
      found: Which.
      to: A folder that does not exist, or is empty.

    Raises:
      InputError: If tensorboardX is not installed.
      StoreError: If there is something in the folder, or it cannot be written.
    """
    _library()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise StoreError(
            f"{to} is there already, and runs are not mixed into what it holds; remove it, or name another "
            "folder by --into"
        )
    histories = readings(store, (digest for each in found for digest in each.digests))
    shown = _columns(found)
    with _whole(to) as folder:
        for each in found:
            mine = [histories.get(digest, {}) for digest in each.digests]
            record = store.record(each.digests[0])
            events = _events(each, _together(mine), record.steps, shown)
            own = folder / each.name
            own.mkdir(parents=True)
            _write(own / _FILE, events, record.written)
    return len(found)


def _library() -> Any:
    try:
        import tensorboardX
    except ImportError as error:
        raise InputError(
            "writing files for TensorBoard needs tensorboardX, which is not installed; "
            "pip install 'weightspace[tensorboard]'"
        ) from error
    return tensorboardX


@contextlib.contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """A folder beside another that takes its place at the end, if all went well."""
    temporary = to.with_name(f".{to.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with sentences(to):
            temporary.mkdir(parents=True)
            yield temporary
            if to.is_dir():
                to.rmdir()
            temporary.rename(to)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _together(histories: Sequence[Readings]) -> Readings:
    """The histories of a run's nodes; a metric that an earlier node has too is called `<metric>_<node>`."""
    found: Readings = {}
    for number, history in enumerate(histories):
        found |= {f"{name}_{number}" if name in found else name: own for name, own in history.items()}
    return found


def _columns(found: Sequence[Tagged]) -> tuple[dict[str, Any], list[str]]:
    """The labels of all runs, each with a value of the type that holds all of its values, and the metrics.

    TensorBoard takes the columns of its table of hparams from one run, whichever it finds first.
    """
    values: dict[str, list[Any]] = {}
    for each in found:
        for name, value in each.labels.items():
            values.setdefault(name, []).append(value)
    labels = {name: own[0] if len(set(map(_kind, own))) == 1 else "" for name, own in values.items()}
    return labels, list(dict.fromkeys(name for each in found for name, v in each.values.items() if _fits(v)))


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _fits(value: Any) -> bool:
    """Whether a value is a scalar of the format."""
    if isinstance(value, str):
        return False
    if type(value) is int and abs(value) > LARGEST:
        return False
    return not math.isfinite(value) or abs(value) <= _FLOAT32


def _events(
    each: Tagged, history: Readings, steps: int, shown: tuple[Mapping[str, Any], Sequence[str]]
) -> Iterator[tuple[int, Any]]:
    """Steps and summaries: what the run is, its history in the order of steps, last values without one."""
    from tensorboardX import summary

    labels, metrics = shown
    own = {
        name: str(value) if isinstance(labels[name], str) else value for name, value in each.labels.items()
    }
    experiment, _, _ = summary.hparams(dict(labels), dict.fromkeys(metrics, 0.0))
    _, start, end = summary.hparams(own, {})
    yield from ((0, part) for part in (experiment, start))
    yield 0, summary.text("run", f"{' '.join(each.digests)}: {each.status}")
    by_step: dict[int, dict[str, float]] = {}
    for name, (at, values) in history.items():
        for step, value in zip(at.tolist(), values.tolist(), strict=True):
            by_step.setdefault(step, {})[name] = value
    last = {name: value for name, value in each.values.items() if name not in history}
    by_step.setdefault(steps, {}).update(last)
    for step in sorted(by_step):
        scalars = {name: value for name, value in by_step[step].items() if _fits(value)}
        if scalars:
            yield step, _scalars(scalars)
        for name, value in by_step[step].items():
            if name not in scalars:
                yield step, summary.text(name, digits(value) if type(value) is int else str(value))
    yield steps, end


def _scalars(values: Mapping[str, float]) -> Any:
    """One summary of several scalars, under their very names."""
    from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

    parts = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
    return Summary(value=parts)


def _write(path: Path, events: Iterator[tuple[int, Any]], written: float) -> None:
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboardX.record_writer import RecordWriter

    # Closed by hand: the writer of the library is no context manager.
    writer = RecordWriter(str(path))
    try:
        writer.write(Event(wall_time=written, file_version="brain.Event:2").SerializeToString())
        for step, summary in events:
            writer.write(Event(wall_time=written, step=step, summary=summary).SerializeToString())
    finally:
        writer.close()
