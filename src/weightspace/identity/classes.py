"""A class as what it is made of: name, base classes, fields and attributes.

Attributes are taken from the class itself, not from its text, so that values computed when it was made are
seen.
"""

import dataclasses
import enum
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from weightspace.identity.homes import installed, qualified_name
from weightspace.identity.source import innermost, names_in_class

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower

_DATACLASS_MADE = {
    "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__setattr__",
    "__delattr__", "__replace__", "__getstate__", "__setstate__",
}  # fmt: skip
_NAMEDTUPLE_MADE = {"_make", "_replace", "_asdict"}
_KEPT_SPECIAL = {"__slots__"}
HOOKS = ("setup",)
"""Methods that packages call without a base class that shows it."""


def define(follower: "Follower", cls: type) -> "Description":
    """The description of a user's class, or of one that a package made of a user's."""
    bases = [follower.describe(base) for base in cls.__bases__]
    made = [follower.describe(type(cls))] if not installed(type(cls)) else []
    return [
        "class",
        cls.__qualname__.rpartition(".")[2],
        bases,
        made,
        _fields(follower, cls),
        [[name, _attribute(follower, cls, name, value)] for name, value in _attributes(cls)],
    ]


def _attribute(follower: "Follower", cls: type, name: str, value: Any) -> "Description":
    """An attribute as it lies in the class: methods and properties by their functions."""
    # What a package's base class has under this name, the package calls.
    called = name.startswith("__") or any(installed(base) and hasattr(base, name) for base in cls.__mro__[1:])
    method = None if called else name
    if isinstance(value, classmethod | staticmethod):
        return [type(value).__name__, follower.describe(value.__func__, method=method)]
    if isinstance(value, property):
        held = (value.fget, value.fset, value.fdel)
        return ["property", *(follower.describe(f, method=method) for f in held)]
    if isinstance(value, functools.cached_property):
        return ["cached_property", follower.describe(value.func, method=method)]
    return follower.describe(value, method=method)


def _fields(follower: "Follower", cls: type) -> "Description":
    """Annotated names in order, and what a dataclass knows of them beyond their annotations."""
    defined = names_in_class(cls)
    annotated = [name for name in inspect.get_annotations(cls) if defined is None or name in defined]
    known = cls.__dict__.get("__dataclass_fields__", {})
    described = []
    for name, field in known.items():
        if name not in annotated:
            continue
        missing = (field.default is dataclasses.MISSING, field.default_factory is dataclasses.MISSING)
        held = [None if missing[0] else field.default, None if missing[1] else field.default_factory]
        described.append([name, field.init, field.kw_only, list(missing), *map(follower.describe, held)])
    return [annotated, described]


def _attributes(cls: type) -> list[tuple[str, Any]]:
    defined = names_in_class(cls)
    found = []
    for name, value in sorted(vars(cls).items()):
        if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
            continue
        if _made_by_package(cls, name, value, defined):
            continue
        found.append((name, value))
    return found


def _made_by_package(cls: type, name: str, value: Any, defined: frozenset[str] | None) -> bool:
    """Whether an attribute is machinery that Python or a package put there, not the user."""
    if defined is not None and name in defined:
        return name == "__doc__"
    inner = innermost(value)
    users = isinstance(inner, types.FunctionType) and not installed(inner)
    if _of_a_dataclass(cls, name) or name == "_abc_impl":
        return True
    if name.startswith("__") and name.endswith("__"):
        return name not in _KEPT_SPECIAL and not users and installed(type(inner))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return name in _NAMEDTUPLE_MADE or type(value).__name__ == "_tuplegetter"
    if issubclass(cls, enum.Enum) and name.startswith("_") and not users:
        return True
    if users or defined is None:
        return False
    return name.startswith("_") or any(
        installed(base) and (hasattr(base, name) or name in inspect.get_annotations(base))
        for base in cls.__mro__[1:]
    )


def _of_a_dataclass(cls: type, name: str) -> bool:
    """Whether a method is one that `dataclass` writes."""
    if "__dataclass_fields__" not in vars(cls):
        return False
    return vars(cls)["__dataclass_params__"].init if name == "__init__" else name in _DATACLASS_MADE


def instance_class(follower: "Follower", value: Any) -> "Description":
    """What an object's class is: a name where a package defines it."""
    cls = type(value)
    return qualified_name(cls) if installed(cls) else follower.describe(cls)
