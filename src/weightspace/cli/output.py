"""Tables to the terminal or to a file: for reading, for spreadsheets, for programs, for papers."""

import sys
from pathlib import Path
from typing import Literal

import pandas as pd
import rich.box
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from weightspace.errors import InputError
from weightspace.report.tables import Column, columns, heading, shortened
from weightspace.store.write import atomic

Format = Literal["table", "csv", "json", "parquet", "latex"]
_DIGITS = 10
"""Digits of a digest on the terminal."""


def print_frame(console: Console, frame: pd.DataFrame, title: str) -> None:
    """A data frame as a table on the terminal; what all its lines share is said once, below it."""
    short, same = shortened(frame)
    shown = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    found = columns(short)
    for column in found:
        justify = "right" if column.numeric else "left"
        shown.add_column(heading(column.name), justify=justify, overflow="fold")
    for cells in zip(*(_brief(column) for column in found), strict=True):
        shown.add_row(*map(Text, cells))
    if not console.is_terminal:
        console.width = max(console.width, console.measure(shown, options=_endless(console)).maximum)
    console.print(shown)
    if same:
        console.print(f"in all lines: {same}", markup=False, highlight=False, soft_wrap=True)


def _brief(column: Column) -> list[str]:
    """The cells; of a digest its beginning, which is enough to name a run."""
    return [cell[:_DIGITS] for cell in column.cells] if column.name == "run" else column.cells


def _endless(console: Console) -> ConsoleOptions:
    return console.options.update(width=10_000)


def write_frame(frame: pd.DataFrame, kind: Format, to: Path | None) -> None:
    """A data frame in a format for programs, to a file or to the standard output.

    Infinite and missing numbers are null in JSON. In Parquet a column of labels of several types is text.

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
        sys.stdout.write(content.decode())


def _encoded(frame: pd.DataFrame, kind: Format) -> bytes:
    if kind == "csv":
        return frame.to_csv(index=False).encode()
    if kind == "json":
        return (
            frame.to_json(orient="records", indent=1, force_ascii=False, double_precision=15) + "\n"
        ).encode()
    if kind == "latex":
        plain = pd.DataFrame({column.name: column.cells for column in columns(frame)})
        right = "".join("r" if column.numeric else "l" for column in columns(frame))
        return plain.to_latex(index=False, escape=True, column_format=right).encode()
    mixed = [str(name) for name in frame if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed}).to_parquet(
        index=False
    )
