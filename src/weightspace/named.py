"""Names in data that stand for code: resolved where a user's own command gives them, and nowhere else.

A results folder may come from anywhere, and its settings may name `package.module:factory`, a data set or a
network. Whoever only looks at a folder does so within `looking()`: there a name stays a name, and asking for
what it stands for is an error. All that resolves names asks here.
"""

import contextlib
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import Any

from weightspace import code
from weightspace.code import import_object
from weightspace.errors import InputError

_LOOKING: ContextVar[Collection[str] | None] = ContextVar("looking", default=None)


class NotRunError(InputError):
    """Something that a results folder names would be run, while the folder is only looked at."""


@contextlib.contextmanager
def looking(known: Collection[str] = ()) -> Iterator[None]:
    """Within, no name becomes code, a network or a data set.

    Args:
      known: Networks and data sets of this package that may be made all the same, by the beginning of their
        names; whole names of code that the reader's own command gives.
    """
    before = _LOOKING.set(known)
    try:
        yield
    finally:
        _LOOKING.reset(before)


_HANDED: dict[str, Any] = {}


def hand_over(name: str, value: Any, taken: Collection[str] = ()) -> str:
    """Give an object of this process a name that experiments' settings may have; gives the name.

    Args:
      name: What it should be called; a number is added where another object is called so.
      value: A model or what makes one, a data set or a source of one.
      taken: Names that mean something already, by their beginning before a colon: `own` is put before such.
    """
    own = f"own {name}" if name.partition(":")[0].replace("-", "_") in taken else name
    called, number = own, 1
    while called in _HANDED and not _same(_HANDED[called], value):
        number += 1
        called = f"{own} {number}"
    _HANDED[called] = value
    return called


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are one; models and data are by what they are made of, wherever they were made."""
    return one is other or (type(one) is type(other) and one == other)


def handed_over(name: Any) -> Any:
    """The object of a name that `hand_over` has given; None where there is none."""
    return _HANDED.get(name) if isinstance(name, str) else None


def check_may_run(what: str, name: str) -> None:
    """Raise unless names may be resolved here.

    Args:
      what: What the name stands for.
      name: The name.

    Raises:
      NotRunError: Within `looking()`, unless it is known there.
    """
    known = _LOOKING.get()
    if known is not None and name not in known and name.partition(":")[0].replace("-", "_") not in known:
        raise _not_run(what, name)


def _not_run(what: str, name: str) -> NotRunError:
    return NotRunError(
        f"{what} '{name}' is named by a results folder; looking at a folder runs nothing that it names"
    )


def resolve(name: str, what: str = "code") -> Any:
    """What `package.module:name` stands for.

    Raises:
      NotRunError: Within `looking()`, unless this very name is known there.
      InputError: If the module or the name in it does not exist.
    """
    known = _LOOKING.get()
    if known is not None and name not in known:
        raise _not_run(what, name)
    return import_object(name)


def import_module(name: str) -> Any:
    """The module of a name; the current folder is searched too.

    Raises:
      NotRunError: Within `looking()`.
      InputError: If there is none.
    """
    if _LOOKING.get() is not None:
        raise _not_run("module", name)
    return code.import_module(name, name)
