"""Names in data that stand for code: resolved where a user's own command gives them, and nowhere else.

A results folder may come from anywhere, and its settings may name `package.module:factory`, a data set or a
network. Whoever only looks at a folder does so within `looking()`: there a name stays a name, and asking for
what it stands for is an error. All that resolves names asks here.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from weightspace import code
from weightspace.code import import_object
from weightspace.errors import InputError

_LOOKING: ContextVar[bool] = ContextVar("looking", default=False)


class NotRunError(InputError):
    """Something that a results folder names would be run, while the folder is only looked at."""


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Within, no name becomes code, a network or a data set."""
    before = _LOOKING.set(True)
    try:
        yield
    finally:
        _LOOKING.reset(before)


def check_may_run(what: str, name: str) -> None:
    """Raise unless names may be resolved here.

    Args:
      what: What the name stands for.
      name: The name.

    Raises:
      NotRunError: Within `looking()`.
    """
    if _LOOKING.get():
        raise NotRunError(
            f"{what} '{name}' is named by a results folder; looking at a folder runs nothing that it names"
        )


def resolve(name: str, what: str = "code") -> Any:
    """What `package.module:name` stands for.

    Raises:
      NotRunError: Within `looking()`.
      InputError: If the module or the name in it does not exist.
    """
    check_may_run(what, name)
    return import_object(name)


def import_module(name: str) -> Any:
    """The module of a name; the current folder is searched too.

    Raises:
      NotRunError: Within `looking()`.
      InputError: If there is none.
    """
    check_may_run("module", name)
    return code.import_module(name, name)
