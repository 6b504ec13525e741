"""Tables to the terminal or to a file: for reading, for spreadsheets, for programs, for papers."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import rich.box
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from weightspace.errors import InputError
from weightspace.report.tables import Column, columns, heading, shortened
from weightspace.store.exact import as_text
from weightspace.store.reasons import shortly
from weightspace.store.schema import ERROR
from weightspace.store.write import atomic
from weightspace.tables.paired import caution

Format = Literal["table", "csv", "json", "parquet", "latex"]
_DIGITS = 10
"""Digits of a digest on the terminal."""
_ERROR = 60
"""Characters of an error within a table; `weightspace status` has more."""


def print_frame(console: Console, frame: pd.DataFrame, title: str) -> None:
    """A data frame as a table on the terminal; what all its lines share is said once, below it."""
    short, same = shortened(frame)
    shown = Table(
        title=Text(plain_text(title)), title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False
    )
    found = columns(short)
    for column in found:
        justify = "right" if column.numeric else "left"
        shown.add_column(Text(plain_text(heading(column.name))), justify=justify, overflow="fold")
    for cells in zip(*(_brief(column) for column in found), strict=True):
        shown.add_row(*(Text(plain_text(cell)) for cell in cells))
    if not console.is_terminal:
        console.width = max(console.width, console.measure(shown, options=_endless(console)).maximum)
    console.print(shown)
    if text := caution(frame):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if same:
        console.print(f"in all lines: {plain_text(same)}", markup=False, highlight=False, soft_wrap=True)


def plain_text(text: str) -> str:
    """Text of a results folder for a terminal: no character of it may command the terminal."""
    return "".join(" " if c in "\n\r\t" else c if c.isprintable() else "�" for c in text)


def _brief(column: Column) -> list[str]:
    """The cells; of a digest its beginning, which is enough to name a run, of an error what fits."""
    if column.name == "run":
        return [cell[:_DIGITS] for cell in column.cells]
    return [shortly(cell, _ERROR) for cell in column.cells] if column.name == ERROR else column.cells


def _endless(console: Console) -> ConsoleOptions:
    return console.options.update(width=10_000)


def write_frame(frame: pd.DataFrame, kind: Format, to: Path | None) -> None:
    """A data frame in a format for programs, to a file or to the standard output.

    In all formats a missing number is empty: null in JSON and Parquet. JSON has every digit, and text for
    what is infinite. A column with a whole number beyond 2^53 is text in JSON and Parquet, every digit of it:
    most readers would round such a number. In Parquet a column of labels of several types is text. In CSV,
    text that a spreadsheet would take for a formula begins with an apostrophe.

    Raises:
      InputError: If Parquet would go to a terminal.
      StoreError: If the file cannot be written.
    """
    if to is None and kind == "parquet" and sys.stdout.isatty():
        raise InputError("parquet is not for a terminal; give --to FILE or redirect the output")
    content = _encoded(frame, kind)
    if to is not None:
        with atomic(to) as temporary:
            temporary.write_bytes(content)
    elif kind == "parquet":
        sys.stdout.buffer.write(content)
    else:
        text = content.decode()
        sys.stdout.write("\n".join(map(plain_text, text.split("\n"))) if sys.stdout.isatty() else text)


def _encoded(frame: pd.DataFrame, kind: Format) -> bytes:
    if kind == "csv":
        named = frame.set_axis([_harmless(str(name)) for name in frame], axis=1)
        every = (named.iloc[:, i] for i in range(named.shape[1]))
        # Columns of numpy's numbers hold no text.
        safe = [each if is_plain(each.dtype) else each.map(_harmless) for each in every]
        whole = as_text(pd.concat(safe, axis=1) if safe else named)
        return whole.to_csv(index=False).encode()
    if kind == "json":
        rows = _rows(as_text(frame))
        lines = [dict(zip(map(str, frame), map(_jsonable, row), strict=True)) for row in rows]
        return (json.dumps(lines, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if kind == "latex":
        shown = [column._replace(cells=list(map(plain_text, column.cells))) for column in columns(frame)]
        right = "".join("r" if column.numeric else "l" for column in shown)
        plain = pd.DataFrame({column.name: column.cells for column in shown})
        return plain.to_latex(index=False, escape=True, column_format=right).encode()
    frame = as_text(frame)
    mixed = [str(name) for name in frame if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed}).to_parquet(
        index=False
    )


def is_plain(dtype: Any) -> bool:
    """Whether a column of this type holds numbers or truth values alone."""
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _rows(frame: pd.DataFrame) -> Iterator[list[Any]]:
    columns = [frame.iloc[:, place].astype(object) for place in range(frame.shape[1])]
    return (list(row) for row in zip(*columns, strict=True))


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
