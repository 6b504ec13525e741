"""What a walk through code looked at, so that it can be told in microseconds whether all of it is as it was.

A sweep of ten thousand rows asks for the identity of one factory ten thousand times. Names, captured
variables, attributes and default arguments that were read are compared by identity; where a walk met
something that can be changed in place (a list, an array, an object), it is made anew each time.
"""

import types
from collections.abc import Mapping
from typing import Any

from weightspace.identity.libraries import same_objects

ABSENT = object()
"""What stands for a name that is not there."""


def content(cell: types.CellType) -> Any:
    """What a captured variable holds; it may hold nothing yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return ("undefined", "cell")


class Witnesses:
    """Places and what was found there.

    Attributes:
      changeable: Whether the walk met something that may change in place.
    """

    def __init__(self) -> None:
        self.changeable = False
        self._names: dict[tuple[int, str], tuple[Mapping[str, Any], str, Any]] = {}
        self._cells: list[tuple[types.CellType, Any]] = []
        self._functions: list[tuple[types.FunctionType, list[Any]]] = []
        self._classes: list[tuple[type, dict[str, Any]]] = []
        self._held: list[tuple[dict[str, Any], list[Any]]] = []
        self._libraries: dict[type, list[Any]] = {}

    def name(self, space: Mapping[str, Any], name: str, value: Any) -> None:
        """A name in a module, and what it led to; `ABSENT` where it has none."""
        self._names[id(space), name] = (space, name, value)

    def cell(self, cell: types.CellType) -> Any:
        """A captured variable; gives what it holds."""
        value = content(cell)
        self._cells.append((cell, value))
        return value

    def function(self, function: types.FunctionType) -> None:
        """What can be put in another place of a function."""
        self._functions.append((function, _parts(function)))

    def held(self, value: Any) -> None:
        """The attributes of an object that otherwise cannot change."""
        held = getattr(value, "__dict__", None)
        if isinstance(held, dict):
            self._held.append((held, [*held, *held.values()]))

    def attributes(self, cls: type) -> None:
        """The attributes of a class."""
        self._classes.append((cls, dict(vars(cls))))

    def library(self, cls: type) -> None:
        """The methods of an installed class, which a user may replace."""
        if cls not in self._libraries:
            self._libraries[cls] = list(vars(cls).values())

    def unchanged(self) -> bool:
        """Whether everything is where it was found."""
        return not self.changeable and (
            all(space.get(name, ABSENT) is value for space, name, value in self._names.values())
            and all(_same(content(cell), value) for cell, value in self._cells)
            and all(same_objects(_parts(function), parts) for function, parts in self._functions)
            and all(_attributes_same(cls, before) for cls, before in self._classes)
            and all(same_objects([*held, *held.values()], before) for held, before in self._held)
            and all(same_objects(list(vars(cls).values()), values) for cls, values in self._libraries.items())
        )


def _parts(function: types.FunctionType) -> list[Any]:
    kwdefaults = tuple((function.__kwdefaults__ or {}).values())
    held = vars(function)
    return [function.__code__, function.__defaults__, *kwdefaults, *held, *held.values()]


def _same(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, tuple) and isinstance(b, tuple) and a[:1] == b[:1] == ("undefined",))


def _attributes_same(cls: type, before: dict[str, Any]) -> bool:
    now = vars(cls)
    return len(now) == len(before) and all(now.get(name, ABSENT) is value for name, value in before.items())
