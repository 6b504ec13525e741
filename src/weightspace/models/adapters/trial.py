"""Options on trial: the arguments and fields of a network that have been left as they are, and other values.

While a network is inspected, each of its modules is asked before it is called (`consulted`). In a survey its
open options are written down: yes/no, 0 or 1, members of an enumeration, keys left out. In a trial one of
them has another value, and what the network does then says whether it is a mode that nobody tells it.
"""

import contextlib
import dataclasses
import enum
import functools
import inspect
import threading
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from weightspace.models.adapters.keys import is_key, keys_of
from weightspace.models.adapters.modes import in_training, is_yes_or_no, of_library, parameters

A_KEY = "a random key"
"""In the place of a value: the key of the trial."""


@dataclasses.dataclass
class Option:
    """An option of all modules of one class.

    Attributes:
      name: Of the argument or field.
      field: Whether it is a field.
      values: By path of the module, what else it may be.
    """

    name: str
    field: bool
    values: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Where it is: `path.name`."""
        path = next(iter(self.values))
        return f"{path}.{self.name}" if path else self.name


class _Now(threading.local):
    survey: dict[Any, Option] | None = None
    fixed: frozenset[str] = frozenset()
    trial: tuple[Option, int, Any] | None = None


_NOW = _Now()


@contextlib.contextmanager
def surveying(code: Any) -> Iterator[dict[Any, Option]]:
    """Options that are met are written down, but for those that a user has chosen with the factory."""
    call = code.call
    bound = call.keywords if isinstance(call, functools.partial) else {}
    _NOW.survey, _NOW.fixed = {}, frozenset({*code.arguments, *bound})
    try:
        yield _NOW.survey
    finally:
        _NOW.survey = None


@contextlib.contextmanager
def trying(option: Option | None, which: int, key: Any) -> Iterator[None]:
    """Within it an option has the value of that number, a key being `key`."""
    _NOW.trial = None if option is None else (option, which, key)
    try:
        yield
    finally:
        _NOW.trial = None


def consulted(
    path: str, module: Any, args: Any, kwargs: Mapping[str, Any], fields: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a call is given beside its keywords, if one of its options is on trial.

    Args:
      path: Of the module.
      module: It, or a function.
      args: Of the call, the module itself left out.
      kwargs: Of the call.
      fields: Of a module, by name; a function has none.
    """
    call = module if fields is None else type(module).__call__
    if _NOW.survey is not None and not (fields is not None and of_library(module)):
        places = len(args) if fields is None else len(args) + 1
        for p in parameters(call)[places:]:
            if p.name not in kwargs and not (not path and p.name in _NOW.fixed):
                _note(path, module, p.name, False, _other_values(p, call, outermost=not path))
        for name, value in (fields or {}).items():
            if not _is_chosen(module, name, value):
                _note(path, module, name, True, _others(value))
    if _NOW.trial is None or path not in _NOW.trial[0].values:
        return {}
    option, which, key = _NOW.trial
    value = option.values[path][which]
    if not option.field:
        return {} if option.name in kwargs else {option.name: key if value is A_KEY else value}
    object.__setattr__(module, option.name, value)
    return {}


def _note(path: str, module: Any, name: str, field: bool, values: tuple[Any, ...]) -> None:
    if values and _NOW.survey is not None:
        option = _NOW.survey.setdefault((type(module), name, field, len(values)), Option(name, field))
        option.values[path] = values


def _other_values(p: inspect.Parameter, call: Any, *, outermost: bool) -> tuple[Any, ...]:
    """What else an argument that is left out might be."""
    if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) or p.default is p.empty:
        return ()
    if outermost and (in_training(p.name) is not None or p.name in keys_of(call)):
        return ()
    if p.default is None:
        return (A_KEY,) if is_key(p.name) else (A_KEY, True)
    if type(p.default) is int and is_yes_or_no(p.default):
        return (1 - p.default,)
    if typing.get_origin(p.annotation) is typing.Literal:
        return tuple(value for value in typing.get_args(p.annotation) if value != p.default)
    return _others(p.default)


def _others(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    return tuple(v for v in type(value) if v is not value) if isinstance(value, enum.Enum) else ()


def _is_chosen(module: Any, name: str, value: Any) -> bool:
    """Whether a field is none of a user's options, or is known to have been given its value."""
    if name.startswith("_") or name in ("parent", "name"):
        return True
    if in_training(name, held=True) is not None or name in _NOW.fixed:
        return True
    found = {p.name: p.default for p in parameters(type(module))}
    return name in found and (found[name] is inspect.Parameter.empty or found[name] != value)
