"""Parsing by tyro, with one line for a misspelt flag."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import tyro

from weightspace.cli.synonyms import meant
from weightspace.errors import InputError, nearest

T = TypeVar("T")


def parse(target: Callable[..., T], arguments: Sequence[str], *, prog: str, **options: Any) -> T:
    """Parse arguments into a dataclass or call a function with them.

    Raises:
      InputError: For a flag that does not exist, with what it is called here, or the nearest that does.
    """
    flat = tyro.conf.OmitArgPrefixes in options.get("config", ())
    _check_flags(target, arguments, prog, flat=flat)
    return tyro.cli(target, args=list(arguments), prog=prog, **options)


def _check_flags(target: Any, arguments: Sequence[str], prog: str, *, flat: bool) -> None:
    given = [a.split("=")[0] for a in arguments if a.startswith("--") and len(a) > 2]
    names = [name.replace("_", "-") for name in _names(target, flat=flat)]
    negated = [f"{head}{dot}no-{last}" for head, dot, last in (name.rpartition(".") for name in names)]
    known = {"--help", *(f"--{name}" for name in (*names, *negated))}
    for flag in given:
        if flag.replace("_", "-") not in known:
            usual, guess = meant(flag, known), nearest(flag, known)
            hint = f"; did you mean {guess}?" if guess else "."
            # A letter short of a flag is a slip, whatever other tools have.
            near = guess == f"{flag}s"
            hint = f"; {usual}." if usual and not near else hint
            raise InputError(f"unknown flag {flag}{hint} See {prog} --help.")


def _names(target: Any, prefix: str = "", *, flat: bool) -> Iterator[str]:
    """The fields of a dataclass, with those of dataclasses in it, or the parameters of a function."""
    if not dataclasses.is_dataclass(target):
        yield from inspect.signature(target).parameters
        return
    hints = typing.get_type_hints(target, include_extras=True)
    for field in dataclasses.fields(target):
        inner, name = hints.get(field.name, field.type), f"{prefix}{field.name}"
        unnamed = typing.get_origin(inner) is typing.Annotated
        if unnamed:
            inner = typing.get_args(inner)[0]
        if dataclasses.is_dataclass(inner):
            yield from _names(inner, "" if flat or unnamed else f"{name}.", flat=flat)
        else:
            yield name
