"""A class as what it is made of: name, base classes, fields and attributes.

Attributes are taken from the class itself, not from its text, so that values computed when it was made are
seen, whoever put them there; only what Python and the libraries put is left out (`libraries`).
"""

import dataclasses
import enum
import functools
import inspect
from typing import TYPE_CHECKING, Any

from weightspace.identity import libraries
from weightspace.identity.homes import OURS, changeable, defined_by_package, installed, qualified_name

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower

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
        *([list(cls.__members__)] if issubclass(cls, enum.Enum) else []),
    ]


def _attribute(follower: "Follower", cls: type, name: str, value: Any) -> "Description":
    """An attribute as it lies in the class: methods and properties by their functions."""
    # What a package's base class has under this name, the package calls.
    called = name.startswith("__") or any(installed(base) and hasattr(base, name) for base in cls.__mro__[1:])
    method = None if called else name
    if type(value) in (classmethod, staticmethod):
        return [type(value).__name__, follower.describe(value.__func__, method=method)]
    if isinstance(value, property) and installed(type(value)):
        held = (value.fget, value.fset, value.fdel)
        return ["property", *(follower.describe(f, method=method) for f in held)]
    if type(value) is functools.cached_property:
        return ["cached_property", follower.describe(value.func, method=method)]
    return follower.describe(value, method=method)


def _fields(follower: "Follower", cls: type) -> "Description":
    """Annotated names in order, and what a dataclass knows of them beyond their annotations."""
    linens = ("parent", "name") if libraries.of_linen(cls) else ()
    annotated = [name for name in inspect.get_annotations(cls) if name not in linens]
    known = cls.__dict__.get("__dataclass_fields__", {})
    described = []
    for name, field in known.items():
        if name not in annotated:
            continue
        missing = (field.default is dataclasses.MISSING, field.default_factory is dataclasses.MISSING)
        held = [None if missing[0] else field.default, None if missing[1] else field.default_factory]
        by_name = None if field.kw_only is dataclasses.MISSING else field.kw_only
        described.append([name, field.init, by_name, list(missing), *map(follower.describe, held)])
        told = _told(follower, field)
        if told:
            described[-1].append(told)
    return [annotated, described, *_compared(cls)]


def _told(follower: "Follower", field: Any) -> list["Description"]:
    """What a field says of itself that goes beyond a default: how it is converted, compared, kept."""
    told: list[Any] = [] if field.compare else ["not compared"]
    told += [] if field.repr else ["not shown"]
    told += [] if field.hash is None else [["hashed", bool(field.hash)]]
    kind = str(field._field_type)  # a ClassVar or an InitVar is no attribute of instances
    told += [] if kind.endswith("_FIELD") else [kind]
    metadata = sorted(field.metadata.items(), key=lambda item: str(item[0]))
    return [*told, follower.items(metadata)] if metadata else told


def _compared(cls: type) -> list["Description"]:
    """How a dataclass compares its instances, where it does so otherwise than its base class."""
    own, *above = [vars(base).get("__dataclass_params__") for base in cls.__mro__]
    base = next(filter(None, above), None)
    usual = (base.eq, base.order) if base else (True, False)
    return [["compared", own.eq, own.order]] if own and (own.eq, own.order) != usual else []


def _attributes(cls: type) -> list[tuple[str, Any]]:
    return [pair for pair in sorted(vars(cls).items()) if not libraries.of_class(cls, *pair)]


def named(follower: "Follower", cls: type) -> "Description":
    """An installed class by its name, with the methods that the user put into it or its base classes.

    Ours say by their version that their numbers are others than at first.
    """
    version = getattr(cls, "version", 1) if cls.__module__.split(".")[0] == OURS else 1
    name = ["named", qualified_name(cls), *([["version", version]] if version != 1 else [])]
    patched = []
    for base in cls.__mro__:
        if installed(base) and changeable(base):
            follower.witnesses.library(base)
            patched += [
                [qualified_name(base), attribute, _attribute(follower, base, attribute, value)]
                for attribute, value in libraries.patches(base)
            ]
    return [*name, patched] if patched else name


def instance_class(follower: "Follower", value: Any) -> "Description":
    """What an object's class is: a name where a package defines it."""
    cls = type(value)
    if not defined_by_package(cls):
        return follower.describe(cls)
    described = named(follower, cls)
    return described[1] if len(described) == 2 else described
