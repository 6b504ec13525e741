"""Exact: scalars that a float64 cannot hold, text and whole numbers of any size, as columns of text.

A column of scalars is float64 wherever that holds each of its values as it is. With text in it, or a whole
number beyond 2^53, it is text in the file; one of numbers is marked as such, so that it comes back as whole
numbers of Python. What is text for one run is text for all: readers widen the numbers of other files.
"""

import decimal
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from weightspace.errors import StoreError
from weightspace.store.schema import RUNS, TRACEBACK

Scalar = float | int | str
LARGEST = 2**53
"""Up to here float64 holds every whole number."""
_NUMBERS = {"numbers": "exact"}
"""The metadata of a column of text that holds numbers."""


def digits(number: int) -> str:
    """A whole number's decimal digits; Python's `str` refuses those of more than some thousand.

    >>> digits(-(10**30))
    '-1000000000000000000000000000000'
    """
    return str(number) if abs(number) < 10**100 else format(decimal.Decimal(number), "f")


def exact_number(text: str) -> int | float:
    """The inverse: a whole number where there are digits only.

    >>> exact_number("815915283247897734345611269596115894272000000000") % 41, exact_number("0.5")
    (40, 0.5)
    """
    plain = text.removeprefix("-")
    return int(decimal.Decimal(text)) if plain.isascii() and plain.isdigit() else float(text)


def needs_text(values: Iterable[Any]) -> bool:
    """Whether some value is text, or a whole number that float64 would round."""
    return any(isinstance(v, str) or (isinstance(v, int) and abs(v) > LARGEST) for v in values)


def texts(name: str, values: Sequence[Any]) -> pa.Array:
    """Numbers and text as text: a number by its shortest digits.

    Raises:
      StoreError: If a value is neither, or no valid text.
    """
    try:
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"metric '{name}' must be plain numbers or text; {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()
        return value
    if isinstance(value, int):
        return digits(int(value))
    return repr(float(value)).removesuffix(".0")


def text_field(name: str, *, numbers: bool) -> pa.Field:
    """The field of a column of text."""
    return pa.field(name, pa.string(), metadata=_NUMBERS if numbers else None)


def text_columns(schema: pa.Schema) -> frozenset[tuple[str, bool]]:
    """The scalars of a file that are columns of text, each with whether it holds numbers."""
    return frozenset(
        (field.name, b"numbers" in (field.metadata or {}))
        for field in schema
        if field.type == pa.string() and field.name not in (*RUNS.names, TRACEBACK)
    )


def exact_numbers(records: Iterable[Any]) -> list[str]:
    """The columns of text among these records' that hold numbers in all of their files."""
    found = set().union(*{record.exact for record in records})
    words = {name for name, numbers in found if not numbers}
    return sorted({name for name, numbers in found if numbers} - words)


def as_numbers(column: pd.Series) -> pd.Series:
    """A column of digits as numbers: float64 if that holds all of them, else Python's."""
    values = [None if pd.isna(text) else exact_number(text) for text in column]
    if not needs_text(values):
        return pd.Series([math.nan if v is None else float(v) for v in values], column.index, dtype=float)
    return pd.Series(values, column.index, dtype=object)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose columns with whole numbers beyond 2^53 are text, every digit of them."""
    found = {
        name: [None if pd.isna(v) else _text(v) for v in frame[name]]
        for name in frame
        if frame[name].dtype == object and any(type(v) is int and abs(v) > LARGEST for v in frame[name])
    }
    columns = {str(name): pd.Series(v, frame.index, dtype=object) for name, v in found.items()}
    return frame.assign(**columns)
