"""Parsing by tyro, with one line for a misspelt flag."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import tyro

from weightspace.errors import InputError, nearest

T = TypeVar("T")


def parse(target: Callable[..., T], arguments: Sequence[str], *, prog: str, **options: Any) -> T:
    """Parse arguments into a dataclass or call a function with them.

    Raises:
      InputError: For a flag that does not exist, with the nearest that does.
    """
    _check_flags(target, arguments, prog)
    return tyro.cli(target, args=list(arguments), prog=prog, **options)


def _check_flags(target: Any, arguments: Sequence[str], prog: str) -> None:
    given = [a.split("=")[0] for a in arguments if a.startswith("--") and len(a) > 2]
    names = [name.replace("_", "-") for name in _names(target)]
    known = {"--help", *(f"--{name}" for name in names), *(f"--no-{name}" for name in names)}
    for flag in given:
        if flag.replace("_", "-") not in known:
            guess = nearest(flag, known)
            hint = f"; did you mean {guess}?" if guess else "."
            raise InputError(f"unknown flag {flag}{hint} See {prog} --help.")


def _names(target: Any) -> Iterator[str]:
    """The fields of a dataclass, with those of dataclasses in it, or the parameters of a function."""
    if not dataclasses.is_dataclass(target):
        yield from inspect.signature(target).parameters
        return
    for field in dataclasses.fields(target):
        inner: Any = field.type
        if typing.get_origin(inner) is typing.Annotated:
            inner = typing.get_args(inner)[0]
        if dataclasses.is_dataclass(inner):
            yield from _names(inner)
        else:
            yield field.name
