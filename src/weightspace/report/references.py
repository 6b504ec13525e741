"""Tables of published or re-run numbers: those of this package, of an experiment, of a reader.

A CSV file with a line for each number. Columns: experiment, model and data; metric, statistic (the mean over
runs, unless it says `median`), value, n (runs behind it), spread (their standard deviation), tolerance (the
difference that counts as none), source, and how it is known. Every other column is a condition: a label of
our rows (dim, burn_in, …) or, where there is no such label, a setting of the question (epochs, or
training.epochs); one that is empty is any, and `absent` a label that a row must lack.
"""

import csv
import functools
import importlib.resources
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weightspace.errors import InputError, unknown
from weightspace.experiments import experiment_class, names
from weightspace.experiments.base import Experiment

Line = Mapping[str, str]
FACTS = (
    "experiment", "model", "data", "metric", "statistic", "value", "n", "spread", "tolerance", "source",
    "known",
)  # fmt: skip
"""The columns that are no conditions."""
ABSENT = "absent"
STATISTICS = ("mean", "median")
_NEEDED = ("metric", "value", "n", "source")


@functools.cache
def references() -> tuple[Line, ...]:
    """All lines of all reference tables of this package, as text by column; what is empty is left out."""
    folder = importlib.resources.files("weightspace.report") / "reference"
    lines: list[Line] = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".csv"):
            lines += _lines(file.read_text(encoding="utf-8"))
    return tuple(lines)


def _lines(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(text.splitlines())
    return [{name: value for name, value in row.items() if name and value} for row in rows]


@functools.cache
def references_of(cls: type[Experiment]) -> tuple[Line, ...]:
    """The lines of the table that an experiment brings itself.

    Raises:
      InputError: If the file cannot be read, or lacks a column that every line needs.
    """
    if not cls.reference:
        return ()
    module = sys.modules.get(cls.__module__)
    path = Path(getattr(module, "__file__", None) or ".").parent / cls.reference
    whole = {"experiment": cls.name, "known": f"{cls.name}: {path.name}"}
    return tuple({**whole, **line} for line in _read(path, f"{cls.__name__}.reference", _NEEDED))


def read_references(path: Path, experiments: Iterable[type[Experiment]] = ()) -> list[Line]:
    """The lines of a reader's own file.

    Args:
      path: The CSV file.
      experiments: Experiments beside those of this package that its lines may name.

    Raises:
      InputError: If it cannot be read, holds no line, or a line lacks a column, names no experiment, or has
        no number where one belongs.
    """
    lines = _read(path, "the reference", ("experiment", *_NEEDED))
    if not lines:
        raise InputError(
            f"{path} holds no line; give a first line of columns, experiment,metric,value,n,source"
        )
    known = {*names(), *(cls.name for cls in experiments)}
    for line in lines:
        if line["experiment"] not in known:
            raise unknown(f"experiment in {path}:", line["experiment"], known)
    return [{"known": path.name, **line} for line in lines]


def _read(path: Path, what: str, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        lines = _lines(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{what} is {path}, which cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is {path}, which is no text in UTF-8 ({error})") from error
    for place, line in enumerate(lines):
        where = f"line {place + 2} of {path}"
        lacking = [name for name in needed if name not in line]
        if lacking:
            raise InputError(f"{where} has no {lacking[0]}; each line needs {', '.join(needed)}")
        for name in ("value", "n", "spread", "tolerance"):
            _check_number(where, name, line.get(name))
        if line.get("statistic", "mean") not in STATISTICS:
            raise InputError(f"{where} has statistic {line['statistic']}; it is {' or '.join(STATISTICS)}")
    return lines


def _check_number(where: str, name: str, text: str | None) -> None:
    if text is None:
        return
    value = number(text)
    good = isinstance(value, int | float) and math.isfinite(value)
    if not good or (name == "n" and (value < 1 or value != int(value))) or (name != "value" and value < 0):
        kind = "a whole number of runs, 1 at least" if name == "n" else "a number"
        raise InputError(f"{where} has {name} {text}, which must be {kind}")


def number(text: str) -> Any:
    """A number as such, a whole one as int; all else as it is."""
    try:
        found = float(text)
    except ValueError:
        return text
    return int(found) if found.is_integer() else found


def known_class(name: str, experiments: Iterable[type[Experiment]]) -> type[Experiment]:
    """The experiment of a name, among those given or of this package."""
    return next((cls for cls in experiments if cls.name == name), None) or experiment_class(name)
