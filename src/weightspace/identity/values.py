"""Values as JSON: numbers and text as themselves, arrays by content, objects by class and attributes."""

import dataclasses
import enum
import hashlib
import json
import pathlib
import random
import re
import types
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from weightspace.identity import classes
from weightspace.identity.homes import importable, installed, qualified_name
from weightspace.identity.witnesses import content

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower

_GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_CHECKERS = ("jaxtyping", "beartype", "typeguard")
_JUST_WRAPPERS = ("PjitFunction", "_lru_cache_wrapper", "_JitWrapper")
"""Callables that give what they wrap gives; what else they hold (places in files, caches) says nothing."""
_BY_TEXT = (range, slice, np.dtype, pathlib.PurePath)


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
    array = _array(value)
    if array is not None:
        return array
    if isinstance(value, _GENERATORS):
        return follower.refuse(f"a {type(value).__name__}", "gives other numbers at each draw")
    if isinstance(value, Tracer):
        return follower.refuse("a traced value", "belongs to one call of a function only")
    if isinstance(value, enum.Enum):
        return ["member", classes.instance_class(follower, value), value.name, follower.describe(value.value)]
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


def _array(value: Any) -> "Description":
    if isinstance(value, Tracer):
        return None
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return ["key", str(value.dtype), _array(jax.random.key_data(value))]
    if isinstance(value, np.ma.MaskedArray):
        return ["masked", _array(value.data), _array(np.ma.getmaskarray(value))]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return None
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        held = np.ascontiguousarray(np.asarray(value))
        digest = hashlib.sha256(held.tobytes()).hexdigest()
        return ["array", str(held.dtype), list(np.shape(value)), digest, isinstance(value, jax.Array)]
    return None


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
        return ["set", kind, sorted(follower.alone(item) for item in value)]
    return None


def _ours(value: Any) -> "Description":
    """Specs and other values of this package that know their own identity."""
    if not qualified_name(type(value)).startswith("weightspace."):
        return None
    if hasattr(value, "__canonical__"):
        return ["canonical", json.loads(json.dumps(value.__canonical__()))]
    digest = getattr(value, "digest", None)
    return ["spec", digest] if isinstance(digest, str) else None


def _object(follower: "Follower", value: Any) -> "Description":
    """Class and attributes; where there are none, what the object says it can be made again from."""
    kind = classes.instance_class(follower, value)
    if type(value).__name__ in _JUST_WRAPPERS and installed(type(value)):
        return ["wraps", kind, follower.describe(wrapped(value))]
    attributes = _attributes_of(follower, value)
    if attributes or not installed(type(value)):
        return ["object", kind, attributes]
    if isinstance(
        value, types.BuiltinFunctionType | types.WrapperDescriptorType | types.MethodDescriptorType
    ):
        own = getattr(value, "__self__", None)
        held = None if isinstance(own, types.ModuleType | type(None)) else follower.describe(own)
        return ["builtin", qualified_name(value), held]
    if importable(value):
        return ["named", qualified_name(value)]
    try:
        made = value.__reduce_ex__(2)
    except Exception:
        return follower.refuse(f"it holds {_shown(value)}", "that cannot be looked into")
    if isinstance(made, str):
        return ["named", kind, made]
    state = [list(part) if index in (3, 4) and part is not None else part for index, part in enumerate(made)]
    return ["reduced", kind, [follower.describe(part) for part in state]]


def _shown(value: Any) -> str:
    return f"an object of type {type(value).__module__}.{type(value).__qualname__}"


def _attributes_of(follower: "Follower", value: Any) -> list["Description"]:
    """Attributes of an object, in its dict and in slots, without those for Python's own use."""
    if dataclasses.is_dataclass(value) and any(installed(base) for base in type(value).__mro__[1:-1]):
        # Modules of Linen and Equinox: what else they carry is their library's.
        names = [field.name for field in dataclasses.fields(value)]
        return follower.items((name, getattr(value, name)) for name in names if hasattr(value, name))
    held = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot) and not slot.startswith("__"):
                held[slot] = getattr(value, slot)
    if callable(value) and hasattr(value, "__wrapped__"):
        held["__wrapped__"] = wrapped(value)
    special = {name for name in held if name.startswith("__") and name not in ("__wrapped__", "__self__")}
    return follower.items((name, held[name]) for name in sorted(held) if name not in special)
