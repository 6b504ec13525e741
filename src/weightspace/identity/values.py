"""Values as JSON: numbers and text as themselves, arrays by content, objects by class and attributes."""

import collections
import dataclasses
import enum
import functools
import json
import logging
import pathlib
import random
import re
import sys
import threading
import types
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from weightspace.identity import arrays, classes, libraries
from weightspace.identity.homes import importable, installed, qualified_name
from weightspace.identity.witnesses import content

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower

_GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_CHECKERS = ("jaxtyping", "beartype", "typeguard")
_JUST_WRAPPERS = ("PjitFunction", "_lru_cache_wrapper", "_JitWrapper")
_WRAPPERS_OWN = {"__wrapped__", "cache_parameters", "_fun", "_jit_info"}
"""Callables that give what they wrap gives; what is their own (places in files, caches) says nothing."""
_BY_TEXT = (range, np.dtype, pathlib.PurePath)
_HARMLESS = (logging.Logger, logging.Handler, type(threading.Lock()), type(threading.RLock()))
"""What numbers do not come from, though it changes as it is used."""


_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
_NUMBERS_AND_TEXT = (int, float, complex, str, bytes)


def plain(value: Any) -> "Description":
    """A number, a text or nothing as it is, with its type; None for anything else."""
    return [type(value).__name__, repr(value)] if type(value) in _PLAIN else None


def fixed(value: Any) -> bool:
    """Whether an object cannot change in place."""
    return isinstance(value, (*_BY_TEXT, jax.Array, np.generic, frozenset, enum.Enum, re.Pattern)) or (
        type(value).__name__ in _JUST_WRAPPERS and installed(type(value))
    )


def under_checks(function: types.FunctionType) -> Any:
    """The function that a package for type checks wraps: the checks change no numbers."""
    module = str(function.__globals__.get("__name__")).split(".")[0]
    checks = module in _CHECKERS or function.__code__.co_filename.startswith("<@beartype")
    return wrapped(function) if checks and hasattr(function, "__wrapped__") else function


def wrapped(function: Any) -> Any:
    """What a wrapper says it wraps."""
    return function.__wrapped__


def define(follower: "Follower", value: Any) -> "Description":
    """The definition of an object that is neither code nor a module."""
    array = arrays.array(value)
    if array is not None:
        return arrays.with_class(value, array, follower)
    table = arrays.table(value, follower)
    if table is not None:
        return table
    if isinstance(value, _GENERATORS):
        return follower.refuse(f"a {type(value).__name__}", "gives other numbers at each draw")
    if isinstance(value, Tracer):
        return follower.refuse("a traced value", "belongs to one call of a function only")
    if isinstance(value, enum.Enum):
        kind, more = classes.instance_class(follower, value), _attributes_of(follower, value)
        return ["member", kind, value.name, follower.describe(value.value), *([more] if more else [])]
    if isinstance(value, _HARMLESS) and installed(type(value)):
        return ["object", classes.instance_class(follower, value)]
    if isinstance(value, slice):
        return ["slice", *map(follower.describe, (value.start, value.stop, value.step))]
    if isinstance(value, _BY_TEXT):
        return ["text", qualified_name(value), repr(value)]
    if isinstance(value, re.Pattern):
        return ["pattern", follower.describe(value.pattern), value.flags]
    if isinstance(value, weakref.ref):
        return ["weak", follower.describe(value())]
    if isinstance(value, types.CellType):
        return ["cell", follower.describe(content(value))]
    if isinstance(value, _NUMBERS_AND_TEXT):
        base: Any = next(base for base in _NUMBERS_AND_TEXT if isinstance(value, base))
        return [
            "number",
            classes.instance_class(follower, value),
            repr(base(value)),
            _attributes_of(follower, value),
        ]
    held = _container(follower, value)
    if held is not None:
        return held
    own = _ours(value)
    return _object(follower, value) if own is None else own


def _container(follower: "Follower", value: Any) -> "Description":
    """Items in order; those of sets, which have none, by their own digests."""
    kind = classes.instance_class(follower, value)
    if isinstance(value, np.ndarray):
        return [
            "objects",
            list(value.shape),
            [follower.describe(item) for item in value.reshape(-1).tolist()],
        ]
    if isinstance(value, tuple | list):
        return ["items", kind, [follower.describe(item) for item in value], _attributes_of(follower, value)]
    if isinstance(value, Mapping | types.MappingProxyType):
        return ["mapping", kind, follower.items(value.items()), _attributes_of(follower, value)]
    if isinstance(value, set | frozenset):
        more = _attributes_of(follower, value)
        return ["set", kind, sorted(follower.alone(item) for item in value), *([more] if more else [])]
    return None


def _ours(value: Any) -> "Description":
    """Specs and other values of this package that know their own identity."""
    if not any(qualified_name(base).startswith("weightspace.") for base in type(value).__mro__):
        return None
    if hasattr(value, "__canonical__"):
        return ["canonical", json.loads(json.dumps(value.__canonical__()))]
    digest = getattr(value, "digest", None)
    return ["spec", digest] if isinstance(digest, str) else None


def _object(follower: "Follower", value: Any) -> "Description":
    """Class and attributes; where there are none, what the object says it can be made again from."""
    kind = classes.instance_class(follower, value)
    if type(value).__name__ in _JUST_WRAPPERS and installed(type(value)):
        follower.witnesses.held(value)
        put = _put_on_wrapper(follower, value)
        return ["wraps", kind, follower.describe(wrapped(value)), *([put] if put else [])]
    attributes = _attributes_of(follower, value)
    if not installed(type(value)):
        return ["object", kind, attributes, *_under(follower, value)]
    if attributes:
        return ["object", kind, attributes]
    if isinstance(
        value, types.BuiltinFunctionType | types.WrapperDescriptorType | types.MethodDescriptorType
    ):
        own = getattr(value, "__self__", None)
        held = None if isinstance(own, types.ModuleType | type(None)) else follower.describe(own)
        return ["builtin", qualified_name(value), held]
    if importable(value):
        return ["named", qualified_name(value)]
    return _reduced(follower, kind, value)


def _reduced(follower: "Follower", kind: "Description", value: Any) -> "Description":
    """What an object says that it can be made again from."""
    try:
        made = value.__reduce_ex__(2)
    except Exception:
        return follower.refuse(f"it holds {_shown(value)}", "that cannot be looked into")
    if isinstance(made, str):
        return ["named", kind, made]
    state = [list(part) if index in (3, 4) and part is not None else part for index, part in enumerate(made)]
    return ["reduced", kind, [follower.describe(part) for part in state]]


def _under(follower: "Follower", value: Any) -> list["Description"]:
    """What an object of a user's class holds as one of a class in C: the items of a `deque`, say."""
    maker = next(base for base in type(value).__mro__ if "__new__" in vars(base))
    in_c = maker is not object and isinstance(vars(maker)["__new__"], types.BuiltinFunctionType)
    if not in_c or type(value).__module__ not in sys.modules:  # a method in C is of a class of no module
        return []
    return [_reduced(follower, qualified_name(maker), value)]


def _shown(value: Any) -> str:
    return f"an object of type {type(value).__module__}.{type(value).__qualname__}"


def _put_on_wrapper(follower: "Follower", value: Any) -> list["Description"]:
    """Attributes that the user put on a jitted or cached function."""
    held = getattr(value, "__dict__", {})
    own = libraries.WRAPPERS | _WRAPPERS_OWN | set(_field_names(value))
    own |= {name for name, item in getattr(wrapped(value), "__dict__", {}).items() if held.get(name) is item}
    return follower.items((name, held[name]) for name in sorted(held) if name not in own)


def _attributes_of(follower: "Follower", value: Any) -> list["Description"]:
    """Attributes of an object, in its dict and in slots, without those for Python's own use."""
    held = dict(getattr(value, "__dict__", {}))
    for cls in reversed(type(value).__mro__):
        slots = [name for name, slot in vars(cls).items() if isinstance(slot, types.MemberDescriptorType)]
        if "__slots__" in vars(cls) or cls is collections.defaultdict:
            held |= {name: getattr(value, name) for name in slots if hasattr(value, name)}
    fields = [name for name in _field_names(value) if hasattr(value, name)]
    held |= {name: getattr(value, name) for name in fields}
    if callable(value) and hasattr(value, "__wrapped__") and not fields:
        held["__wrapped__"] = wrapped(value)
    left_out = libraries.of_object(value) | {
        name for name in held if _is_cache(follower, value, name, held[name])
    }
    kind: type = type(value)
    inherits = any(installed(base) for base in kind.__mro__[1:-1])
    first = fields if inherits else []  # modules of Linen and Equinox, in their order
    names = [*first, *sorted(held.keys() - set(first))]
    return follower.items((name, held[name]) for name in names if name not in left_out)


def _field_names(value: Any) -> list[str]:
    """The fields of a dataclass; what a module of Linen or Equinox has by default lies in its class."""
    return [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []


def _is_cache(follower: "Follower", value: Any, name: str, held: Any) -> bool:
    """Whether an attribute is what a cached property computes, and so follows from the rest."""
    for cls in type(value).__mro__:
        found = vars(cls).get(name)
        if found is not None:
            return isinstance(found, functools.cached_property) and _computes(follower, found, value, held)
    return False


def _computes(follower: "Follower", found: functools.cached_property[Any], value: Any, held: Any) -> bool:
    """Whether a property still gives what is held; a user may have put something else in its place."""
    try:
        return follower.alone(found.func(value)) == follower.alone(held)
    except Exception:
        return False
