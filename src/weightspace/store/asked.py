"""Questions: what an experiment asked, as labels that point at runs.

The same run may answer several questions under different labels, so labels are kept apart from runs. A
question's file is named by a digest of its content: asked twice it is one file.
"""

import dataclasses
import json
import math
import operator
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from weightspace.digests import text_digest
from weightspace.errors import InputError, StoreError, unknown
from weightspace.store.schema import DamagedError, check_name, read_parquet, skip
from weightspace.store.write import sentences, write_parquet

Label = str | int | float | bool | None
NOT_LABELS = frozenset(
    ("run", "experiment", "status", "seconds", "error", "question", "digest", "step", "metric", "value")
)
"""Names of columns that no label may take."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What was asked at one time.

    Attributes:
      experiment: Who asked.
      id: A digest of the content.
      fields: The experiment's settings, as JSON values.
      when: Seconds since 1970.
      rows: Labels and the digest of the run or derived value that answers.
    """

    experiment: str
    id: str
    fields: dict[str, Any]
    when: float
    rows: list[tuple[dict[str, Label], str]]


def ask(
    folder: Path, experiment: str, rows: Sequence[tuple[Mapping[str, Any], str]], fields: Mapping[str, Any]
) -> str:
    """Store a question, unless it is there already.

    Args:
      folder: The store's folder of questions.
      experiment: The experiment's name.
      rows: Labels (text, numbers, booleans or None) and digests.
      fields: The experiment's settings: JSON values or specs.

    Returns:
      The id of the question.

    Raises:
      StoreError: If a label has a reserved name or a value of another type, or it cannot be written.
    """
    from weightspace.spec import canonical_json

    check_name("experiment", experiment)
    plain = plain_rows(rows)
    settings = canonical_json(fields)
    content = canonical_json(
        [experiment, [[labels, digest] for labels, digest in plain], json.loads(settings)]
    )
    name = text_digest(content)
    path = folder / experiment / f"{name}.parquet"
    if _read(path) is None:
        with sentences(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(path, _table(plain), "asked", {"fields": settings, "when": repr(time.time())})
    return name


def plain_rows(
    rows: Sequence[tuple[Mapping[str, Any], str]],
) -> list[tuple[dict[str, Label], str]]:
    """Labels as they are stored, and digests.

    Raises:
      StoreError: If a label has a name or a value that cannot be stored as it is.
    """
    for name in dict.fromkeys(name for labels, _ in rows for name in labels):
        _check_label_name(name)
    return [
        ({name: _label(name, value) for name, value in labels.items()}, digest) for labels, digest in rows
    ]


def _check_label_name(name: Any) -> None:
    if not isinstance(name, str) or not name or not _is_text(name):
        raise StoreError(f"a label is called {name!r}, but names of labels are text; write '{name}'")
    if name in NOT_LABELS:
        raise StoreError(f"a label cannot be called '{name}': the table of results has a column of that name")


def _label(name: str, value: Any) -> Label:
    """A label exactly as it was given, or a sentence."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is not None and type(value) not in _ARROW:
        raise StoreError(
            f"label {name} is {value!r} of type {type(value).__name__}; labels are text, numbers, booleans "
            f"or None; {_ADVICE.get(type(value).__name__, 'give str() or float() of it')}"
        )
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise StoreError(
            f"label {name} is {value}; whole numbers must be below 2^63 in size; give it as text"
        )
    if type(value) is float and not math.isfinite(value):
        raise StoreError(f"label {name} is {value}, which equals no other value; give None, or '{value}'")
    if type(value) is str and not _is_text(value):
        raise StoreError(f"label {name} is {value!r}, which is no valid text")
    return value


_ADVICE: dict[str, str] = dict.fromkeys(
    ("tuple", "list", "set", "dict"), "give one label for each part, or text"
)


def _is_text(value: str) -> bool:
    """Whether text can be written: half a pair of surrogates cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _table(rows: Sequence[tuple[Mapping[str, Label], str]]) -> pa.Table:
    table = pa.table({"digest": pa.array([digest for _, digest in rows], pa.string())})
    for name in dict.fromkeys(name for labels, _ in rows for name in labels):
        values = [labels.get(name) for labels, _ in rows]
        kinds = _kinds(values)
        if len(kinds) > 1:
            # A column has one type; one of several is text in JSON, marked as such.
            texts = [None if value is None else json.dumps(value) for value in values]
            table = table.append_column(
                pa.field(name, pa.string(), metadata={"json": "yes"}), pa.array(texts)
            )
        else:
            dtype = _ARROW[kinds.pop()] if kinds else pa.string()
            table = table.append_column(name, pa.array(values, dtype))
    return table


_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def _kinds(values: Iterable[Label]) -> set[type]:
    """The types among values; whole numbers among others are such numbers, if all of them can be."""
    given = [value for value in values if value is not None]
    kinds = set(map(type, given))
    exact = float in kinds and all(int(float(value)) == value for value in given if type(value) is int)
    return kinds - {int} if exact else kinds


class Questions:
    """The questions of a folder; a file that has not changed is not read again.

    Args:
      folder: The store's folder of questions.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._read: dict[Path, tuple[tuple[int, int, int], Question]] = {}
        self._frames: dict[str | None, tuple[list[Question], pd.DataFrame]] = {}

    def of(self, experiment: str | None = None) -> list[Question]:
        """All questions, or those of one experiment, the oldest first; damaged files are named and left out.

        Raises:
          InputError: If there are none of that name.
          StoreError: If a file is of another version.
        """
        names = experiments(self.folder)
        if experiment is not None and experiment not in names:
            if not names:
                raise InputError(
                    f"nothing is answered in {self.folder.parent} yet, '{experiment}' neither; weightspace "
                    "status says what is under way"
                )
            raise unknown("experiment", experiment, names)
        chosen = names if experiment is None else [experiment]
        paths = [path for name in chosen for path in sorted((self.folder / name).glob("[!.]*.parquet"))]
        found = [question for path in paths if (question := self._question(path)) is not None]
        return sorted(found, key=lambda question: question.when)

    def frame(self, experiment: str | None = None) -> pd.DataFrame:
        """The same as a table, as `asked_frame` makes it; raises as `of` does."""
        found = self.of(experiment)
        before, frame = self._frames.get(experiment, (None, pd.DataFrame()))
        if before is None or len(before) != len(found) or any(map(operator.is_not, before, found)):
            frame = asked_frame(found)
            self._frames[experiment] = found, frame
        return frame.copy()  # older pandas write through a shallow one

    def _question(self, path: Path) -> Question | None:
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            question = _read(path)
            if question is None:
                return None
            known = self._read[path] = stamp, question
        return known[1]


def experiments(folder: Path) -> list[str]:
    """The names of those that asked."""
    if not folder.exists():
        return []
    with sentences(folder):
        return sorted(
            path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )


def _read(path: Path) -> Question | None:
    try:
        table = read_parquet(path, "asked")
    except FileNotFoundError:
        return None
    except DamagedError as error:
        skip(error, "its question counts as not asked")
        return None
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    columns = {field.name: _values(table, field) for field in table.schema if field.name != "digest"}
    digests = table["digest"].to_pylist()
    rows = [
        ({name: column[row] for name, column in columns.items()}, digest)
        for row, digest in enumerate(digests)
    ]
    return Question(
        path.parent.name, path.stem, json.loads(metadata["fields"]), float(metadata["when"]), rows
    )


def _values(table: pa.Table, field: pa.Field) -> list[Label]:
    values = table[field.name].to_pylist()
    if (field.metadata or {}).get(b"json"):
        return [None if value is None else json.loads(value) for value in values]
    return values


def asked_frame(found: Iterable[Question]) -> pd.DataFrame:
    """Questions as a table: `experiment`, `run`, the labels; a row that was asked twice is there once."""
    every = [(each.experiment, digest, labels) for each in found for labels, digest in each.rows]
    times = Counter((experiment, digest) for experiment, digest, _ in every)
    names: dict[str, None] = dict.fromkeys(("experiment", "run"))
    rows: list[dict[str, Any]] = []
    seen: set[Any] = set()
    for experiment, digest, labels in every:
        if times[experiment, digest] > 1:
            # True equals 1, but is another label.
            given = frozenset((name, type(v) is bool, v) for name, v in labels.items() if v is not None)
            if (experiment, digest, given) in seen:
                continue
            seen.add((experiment, digest, given))
        names.update(dict.fromkeys(labels))
        rows.append({"experiment": experiment, "run": digest, **labels})
    return pd.DataFrame({name: column([row.get(name) for row in rows]) for name in names})


def column(values: list[Any]) -> pd.Series:
    """Labels as a column of their common type; whole numbers stay whole where some are missing."""
    kinds = _kinds(values)
    if kinds == {str}:
        return pd.Series(values)
    if len(kinds) != 1 or not kinds <= set(_COLUMNS):
        return pd.Series(values, dtype=object)
    return pd.Series(values, dtype=_COLUMNS[kinds.pop()][None in values])


_COLUMNS = {bool: ("bool", "boolean"), int: ("int64", "Int64"), float: ("float64", "float64")}
"""Types of columns without and with gaps."""
