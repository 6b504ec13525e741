"""Tags: the numbers of a folder as `{run: {tag: value}}`, a run a set of labels, for whatever reads such.

A run here is what a question asked under one set of labels, with the columns of all nodes that answer it: a
training and what was counted of its mask are one, so that any tag can be set against any other. Tags are
labels and the names of the vocabulary. `summary` gives them as a table, `write_summary` as JSON, and
`read_summary` the table again.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weightspace.errors import DataError, StoreError
from weightspace.experiments.answered import Answered, answered, safe_name
from weightspace.experiments.base import Experiment
from weightspace.store.base import Store
from weightspace.store.exact import LARGEST, digits, exact_number
from weightspace.store.read import WAITING, opened
from weightspace.store.schema import FINISHED
from weightspace.store.write import atomic

EXPERIMENT, RUN, STATUS = "experiment", "run", "status"
_DIGITS = 10
"""Digits of a digest in a name."""
_INFINITE = ("inf", "-inf")


@dataclasses.dataclass(frozen=True)
class Tagged:
    """What was asked under one set of labels, and what came of it.

    Attributes:
      name: `<experiment>/<labels>-<digest>`, a path; no two of a folder have one name.
      experiment: Who asked.
      digests: Of its nodes, the training's first.
      status: `ok` or `diverged`.
      labels: Those that it has a value of.
      values: The last values of its metrics, likewise: numbers, whole ones of any size, or text.
    """

    name: str
    experiment: str
    digests: tuple[str, ...]
    status: str
    labels: dict[str, Any]
    values: dict[str, Any]

    @property
    def tags(self) -> dict[str, Any]:
        """All of it, by name; a metric that is called like a label has that name of its own already."""
        own = {EXPERIMENT: self.experiment, "digest": self.digests[0], STATUS: self.status}
        return own | self.labels | self.values


def tagged(
    store: Store, experiment: str | None = None, experiments: Iterable[type[Experiment]] = ()
) -> list[Tagged]:
    """The finished runs that were asked, in the order asked.

    Args:
      store: The store.
      experiment: Only what this experiment asked.
      experiments: Classes beside those of this package, which the reader trusts.

    Raises:
      InputError: If no experiment of that name has asked.
      StoreError: If nothing has finished.
    """
    parts = answered(store, experiment, experiments=experiments)
    several = {part.name for part in parts if sum(other.name == part.name for other in parts) > 1}
    found: list[Tagged] = []
    taken: set[str] = set()
    for part in parts:
        folder = f"{safe_name(part.name)}/{part.folder}" if part.name in several else safe_name(part.name)
        found += _of_part(part, folder, taken)
    if not found:
        waiting = sum(int((part.table[STATUS] == WAITING).sum()) for part in parts)
        why = f"{waiting} are waiting" if waiting else "none has succeeded"
        raise StoreError(f"no run of {store.root} has finished ({why}); weightspace status {store.root}")
    return found


def _of_part(part: Answered, folder: str, taken: set[str]) -> list[Tagged]:
    rows = part.measured
    labels = [str(name) for name in part.asked if name not in (EXPERIMENT, RUN) and name in rows]
    nodes = [name for name in map(str, rows) if name == RUN or name.startswith(f"{RUN}_")]
    metrics = [
        name for name in map(str, rows)
        if name not in (*labels, *nodes, EXPERIMENT, STATUS, "seconds", "error", "kind")
    ]  # fmt: skip
    differ = [name for name in labels if rows[name].map(str).nunique() > 1]
    columns = {name: list(rows[name]) for name in (*labels, *nodes, *metrics, STATUS)}
    found = []
    for i in range(len(rows)):
        given = {name: value for name in labels if (value := _plain(columns[name][i])) is not None}
        values = {name: value for name in metrics if (value := _plain(columns[name][i])) is not None}
        digests = tuple(
            text for name in nodes if isinstance(text := columns[name][i], str) and _is_digest(text)
        )
        if columns[STATUS][i] not in FINISHED or not digests:
            continue
        said = ",".join(f"{name}={_short(given[name])}" for name in differ if name in given)
        name = _free(f"{folder}/{safe_name(said or part.name)}-{digests[0][:_DIGITS]}", taken)
        found.append(Tagged(name, part.name, digests, columns[STATUS][i], given, values))
    return found


def _is_digest(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789abcdef")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _plain(value: Any) -> Any:
    """A value of Python; None for what is absent."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def summary(
    out: str | Path | Store, experiment: str | None = None, experiments: Iterable[type[Experiment]] = ()
) -> pd.DataFrame:
    """The numbers of a folder as a table: a row a set of labels, a column a tag.

    Args:
      out: A results folder.
      experiment: Only what this experiment asked.
      experiments: Classes of your own experiments.

    Returns:
      Index `run`, names as of `Tagged`; columns `experiment`, `digest`, `status`, labels, then metrics. What
      was not recorded is missing.

    Raises:
      InputError: If no experiment of that name has asked.
      StoreError: If it is no results folder, or nothing in it has finished.
    """
    return _frame({each.name: each.tags for each in tagged(opened(out), experiment, experiments)})


def write_summary(found: Iterable[Tagged], to: Path) -> None:
    """Write `{run: {tag: value}}` as JSON.

    What was not recorded has no tag. Numbers have every digit; infinity is the text `inf` or `-inf`, and a
    whole number beyond 2^53, which most readers would round, the text of its digits.

    Raises:
      StoreError: If it cannot be written.
    """
    content = {each.name: {name: _jsonable(v) for name, v in each.tags.items()} for each in found}
    with atomic(to) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_summary(path: str | Path) -> pd.DataFrame:
    """The table of a file that `weightspace export OUT --to json` wrote, or of another of that form.

    Columns of numbers are numbers: digits beyond 2^53 are whole numbers of Python, `inf` is infinity.

    Args:
      path: The file.

    Raises:
      DataError: If the file is absent, no JSON, or not of the form {run: {tag: value}}.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); weightspace export OUT --to json writes it") from error
    if not isinstance(content, dict) or not all(isinstance(tags, dict) for tags in content.values()):
        raise DataError(f"{path} is not of the form {{run: {{tag: value}}}}")
    return _frame(content)


def _frame(content: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys(name for tags in content.values() for name in tags)
    columns = {name: _column([tags.get(name) for tags in content.values()]) for name in names}
    return pd.DataFrame(columns, index=pd.Index(list(content), name=RUN))


def _column(values: list[Any]) -> Any:
    """Numbers as float64 where it holds each of them, whole ones as such; anything else as it is."""
    there = [value for value in values if value is not None]
    read = [_number(value) for value in there]
    # Digests may be digits alone: text that no number stands beside, and that float64 would hold, stays text.
    texts = [value for value in there if isinstance(value, str)]
    if not there or None in read or (len(texts) == len(there) and not any(map(_is_number_text, texts))):
        return pd.array(values, dtype=object)
    numbers = iter(read)
    whole = [None if value is None else next(numbers) for value in values]
    if any(isinstance(value, int) and abs(value) > LARGEST for value in whole):
        return pd.array(whole, dtype=object)
    if None not in whole and all(isinstance(value, int) for value in whole):
        return np.asarray(whole, np.int64)
    return np.asarray([math.nan if value is None else float(value) for value in whole])


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return exact_number(value) if isinstance(value, str) and _is_number_text(value) else None


def _is_number_text(text: Any) -> bool:
    """Text that `write_summary` makes of a number."""
    if text in _INFINITE:
        return True
    plain = text.removeprefix("-")
    return plain.isascii() and plain.isdigit() and abs(int(exact_number(text))) > LARGEST and plain[0] != "0"


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return digits(value) if type(value) is int and abs(value) > LARGEST else value
