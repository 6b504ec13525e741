"""Fields of specs: what is given for a number, a truth value or a list is one, in the type of the field.

A field that is declared `float` or `int` takes one number: of Python, of NumPy, or an array of no axes; it is
kept as a plain one, so that equal values have equal digests. An array of several would broadcast into the
update, a rate for each column. Tracers pass, as do references to what another node will make: inside compiled
code the same specs hold what was checked when they were built.
"""

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from weightspace.errors import InputError, is_number, plain, shown

_NAMES = {float: "a number", int: "a whole number", bool: "True or False", str: "text", type(None): "None"}


class Reference:
    """What stands in a spec for a value that another node will make; an opaque leaf."""


@functools.cache
def declared(cls: Any) -> tuple[tuple[str, Any, frozenset[type] | None], ...]:
    """Of each field of a dataclass name, declared type, and the types of what `coerce` leaves as it is."""
    hints = typing.get_type_hints(cls)
    return tuple((f.name, hints[f.name], unchanged(hints[f.name])) for f in dataclasses.fields(cls))


def coerce(name: str, value: Any, hint: Any) -> Any:
    """Numbers as plain ones in the type of the field, sequences as tuples, names as what they stand for.

    A declared type with a `parse` reads what is not one of it yet. All else is left as it is.

    Args:
      name: Of the field, as the user knows it: `Sgd.lr`.
      value: What was given.
      hint: The declared type.

    Raises:
      InputError: If a field of plain values is given another kind.
    """
    if isinstance(value, Tracer | Reference):
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(name, value, arguments)
    if origin is tuple:
        return _to_tuple(name, value, arguments)
    if hasattr(hint, "parse"):
        return value if isinstance(value, hint) else hint.parse(value)
    convert = _CONVERTERS.get(hint)
    return value if convert is None else convert(name, value)


def unchanged(hint: Any) -> frozenset[type] | None:
    """The types whose values `coerce` leaves as they are, told by the very type; None for those of any.

    >>> sorted(each.__name__ for each in unchanged(int | None))
    ['NoneType', 'int']
    """
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        parsed = [choice for choice in choices if hasattr(choice, "parse")]
        known = parsed[:1] or [choice for choice in choices if choice in _NAMES]
        return frozenset(known) | ({type(None)} & set(choices))
    if origin is tuple:
        return frozenset()
    if hasattr(hint, "parse"):
        return frozenset({hint})
    return frozenset({hint}) if hint in _CONVERTERS else None


def _coerce_union(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    value = plain(value)
    for choice in choices:
        if hasattr(choice, "parse") and not (value is None and type(None) in choices):
            return coerce(name, value, choice)
    for choice in choices:
        if type(value) is choice:
            return value
    lists = [choice for choice in choices if typing.get_origin(choice) is tuple]
    if lists and isinstance(value, list | tuple | np.ndarray):
        return coerce(name, value, lists[0])
    if is_number(value):
        whole = isinstance(value, numbers.Integral)
        for kind in (int, float) if whole else (float, int):
            if kind in choices:
                return coerce(name, value, kind)
    if isinstance(value, np.bool_) and bool in choices:
        return bool(value)
    if not all(choice in _NAMES or choice in lists for choice in choices):
        return value
    wanted = " or ".join("a list" if choice in lists else _NAMES[choice] for choice in choices)
    raise InputError(_refusal(name, value, wanted))


def _to_tuple(name: str, value: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    several = arguments[1:] == (Ellipsis,)
    if not isinstance(value, list | tuple):
        if arguments and arguments[0] in _NAMES:
            one = f"; give ({value!r},) for one" if type(value) in arguments else ""
            raise InputError(f"{name} is {shown(value)}, but must be a list{one}")
        return value
    if not several and len(value) != len(arguments):
        raise InputError(f"{name} is {value!r:.80}, but must be {len(arguments)} values")
    inner = arguments[:1] * len(value) if several else arguments
    return tuple(
        coerce(f"{name}[{i}]", item, part) for i, (item, part) in enumerate(zip(value, inner, strict=True))
    )


def _to_float(name: str, value: Any) -> float:
    value = plain(value)
    if not is_number(value):
        raise InputError(_refusal(name, value, _NAMES[float]))
    return float(value)


def _to_int(name: str, value: Any) -> int:
    value = plain(value)
    if not is_number(value) or not math.isfinite(value) or value != int(value):
        raise InputError(_refusal(name, value, _NAMES[int]))
    return int(value)


def _to_bool(name: str, value: Any) -> bool:
    value = plain(value)
    if not isinstance(value, bool | np.bool_):
        raise InputError(_refusal(name, value, _NAMES[bool]))
    return bool(value)


def _refusal(name: str, value: Any, wanted: str) -> str:
    advice = ""
    if isinstance(value, list | tuple | range | np.ndarray | jax.Array):
        count = value.size if isinstance(value, np.ndarray | jax.Array) else len(value)
        advice = f"; make one for each of the {count}" if count > 1 else "; give it without a list"
    return f"{name} is {shown(value)}, but must be {wanted}{advice}"


_CONVERTERS: dict[Any, Callable[[str, Any], Any]] = {float: _to_float, int: _to_int, bool: _to_bool}
