"""Options on trial: the arguments and fields of a network that have been left as they are, and other values.

While a network is inspected, each of its modules is asked before it is called (`consulted`). In a survey its
open options are written down: yes/no, 0 or 1, members of an enumeration, words for a mode, keys left out,
`**kwargs`. In a trial one of them has another value, and what the network does then says whether it is a mode
that nobody tells it.
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

import numpy as np

from weightspace.models.adapters.keys import is_key, keys_of
from weightspace.models.adapters.modes import in_training, is_yes_or_no, of_library, parameters

A_KEY = "a random key"
"""In the place of a value: the key of the trial."""
_USUAL = (
    *({"train": True}, {"training": True}, {"deterministic": False}, {"key": A_KEY}, {"rng": A_KEY}),
    {"train": True, "deterministic": False, "key": A_KEY, "rng": A_KEY},
)
"""What may be hidden behind `**kwargs`."""


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
    undo: list[tuple[Any, str, Any]]


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
    _NOW.trial, _NOW.undo = None if option is None else (option, which, key), []
    try:
        yield
    finally:
        _NOW.trial = None
        for owner, name, value in _NOW.undo:
            object.__setattr__(owner, name, value)


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
    owner, call, places = module, type(module).__call__, len(args) + 1
    if fields is None:
        owner, call, places = _owner(module), module, len(args)
    held = vars(owner) if fields is None and owner is not None else fields or {}
    if _NOW.survey is not None and not of_library(owner):
        for p in parameters(call)[places:]:
            if p.name not in kwargs and not (not path and p.name in _NOW.fixed):
                _note(path, owner, p.name, False, _other_values(p, call, outermost=not path))
        for name, value in held.items():
            # The adapters set the flags of modules, but not those of other objects.
            is_set = fields is not None and in_training(name, held=True) is not None
            if not is_set and not _is_chosen(owner, name, value):
                _note(path, owner, name, True, _others(value))
    if _NOW.trial is None or path not in _NOW.trial[0].values:
        return {}
    option, which, key = _NOW.trial
    value = option.values[path][which]
    if option.field:
        _NOW.undo.append((owner, option.name, held[option.name]))
        object.__setattr__(owner, option.name, value)
        return {}
    given = value if isinstance(value, dict) else {option.name: value}
    return {name: key if v is A_KEY else v for name, v in given.items() if name not in kwargs}


def _owner(function: Any) -> Any:
    """The object whose method a function is, or that is called like a function; else None."""
    inner = function.func if isinstance(function, functools.partial) else function
    if inspect.isroutine(inner) or inspect.isclass(inner):
        inner = getattr(inner, "__self__", None)
    return inner if hasattr(inner, "__dict__") and not inspect.ismodule(inner) else None


def _note(path: str, module: Any, name: str, field: bool, values: tuple[Any, ...]) -> None:
    if values and _NOW.survey is not None:
        option = _NOW.survey.setdefault((type(module), name, field, len(values)), Option(name, field))
        option.values[path] = values


def _other_values(p: inspect.Parameter, call: Any, *, outermost: bool) -> tuple[Any, ...]:
    """What else an argument that is left out might be."""
    if p.kind == p.VAR_KEYWORD:
        return _USUAL
    if p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY) or p.default is p.empty:
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
    if isinstance(value, bool | np.bool_):
        return (not value,)
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        # At test time by default: a network in training by default would be random at test time.
        like = str.upper if value.isupper() else str.title if value.istitle() else str
        return (like("train"), like("training")) if in_training(value) is False else ()
    return tuple(v for v in type(value) if v is not value) if isinstance(value, enum.Enum) else ()


def _is_chosen(owner: Any, name: str, value: Any) -> bool:
    """Whether a field is none of a user's options, or is known to have been given its value."""
    if name.startswith("_") or name in ("parent", "name") or name in _NOW.fixed:
        return True
    if not _others(value):
        return True
    found = {p.name: p.default for p in parameters(type(owner))}
    return name in found and (found[name] is inspect.Parameter.empty or found[name] != value)
