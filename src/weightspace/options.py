"""Options in a name, as in `fc:widths=512,512` or `cifar10:classes=0,5`: one syntax for models and data."""

import functools
import typing
from collections.abc import Iterable
from typing import Any

from weightspace.errors import InputError, nearest

_TYPES = {int: "a whole number", float: "a number", str: "a name", bool: "true or false"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def split_options(text: str) -> dict[str, list[str]]:
    """`a=1,2,b=x` as names and their values; a piece without `=` belongs to the option before it.

    Raises:
      InputError: If the text does not begin with an option or names one twice.
    """
    found: dict[str, list[str]] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = piece.partition("=")
        if equals and key.strip() in found:
            raise InputError(f"option '{key.strip()}' is given twice in '{text}'")
        if equals:
            found[key.strip()] = [value.strip()]
        elif found:
            found[list(found)[-1]].append(piece)
        else:
            raise InputError(f"'{piece}' is no option; write name=value")
    return found


def read_options(what: str, cls: Any, allowed: Iterable[str], text: str) -> dict[str, Any]:
    """The options of a text, in the types of a class's fields.

    Args:
      what: Whose options they are, for errors.
      cls: The class; its annotations give the types.
      allowed: The fields that may be set.
      text: As `split_options` takes it.

    Raises:
      InputError: For an option that there is not, or a value of another type.
    """
    hints = _hints(cls)
    types = {name: hints[name] for name in allowed if _readable(_plain(hints[name])[0])}
    found = {}
    for key, values in split_options(text).items():
        if key not in types:
            guess = nearest(key, types)
            hint = f"; did you mean '{guess}'?" if guess else "."
            known = ", ".join(f"{option} ({_shown_type(hint)})" for option, hint in types.items())
            raise InputError(f"{what} has no option '{key}'{hint} Options: {known}.")
        found[key] = _value(f"{what}: option '{key}'", types[key], values)
    return found


_hints = functools.lru_cache(maxsize=256)(typing.get_type_hints)


def _shown_type(hint: Any) -> str:
    kind, several = _plain(hint)
    return f"{_words(kind)} or several, by commas" if several else _words(kind)


def _readable(kind: Any) -> bool:
    """A plain value, or what reads a text itself and says how it is written, as lengths do."""
    return kind in _TYPES or (hasattr(kind, "parse") and hasattr(kind, "written"))


def _words(kind: Any) -> str:
    return _TYPES.get(kind) or kind.written


def _plain(hint: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be several."""
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    return _plain(choices[0]) if choices else (hint, False)


def _value(what: str, hint: Any, values: list[str]) -> Any:
    kind, several = _plain(hint)
    if several:
        return tuple(_single(what, kind, value) for value in values)
    if len(values) != 1:
        raise InputError(f"{what} is '{','.join(values)}', but must be {_words(kind)}")
    return _single(what, kind, values[0])


def _single(what: str, kind: Any, value: str) -> Any:
    try:
        if kind not in _TYPES:
            return kind.parse(value)
        return _TRUTH[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError) as error:
        raise InputError(f"{what} is '{value}', but must be {_words(kind)}") from error
