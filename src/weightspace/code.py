"""A user's own code as a value of a spec: what it is (by `identity`), and the arguments bound to it."""

import copy
import dataclasses
import functools
import importlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weightspace.errors import InputError, nearest
from weightspace.identity import identity_digest, qualified_name, what_changed

_GIVEN = "the model, loss or metric"
_ITSELF = (
    "if the code itself changes it as it runs (a counter, a memo, a list of shapes), keep such a thing "
    "out of the code, or give name= and version="
)


def import_object(name: str) -> Any:
    """What `package.module:name` names; the current folder is searched too.

    Raises:
      InputError: If the module or the name in it does not exist.
    """
    module_name, separator, attribute = name.partition(":")
    if not separator:
        raise InputError(f"'{name}' names no object; write package.module:name")
    found = import_module(module_name, name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            guess = nearest(part, [each for each in dir(found) if not each.startswith("_")])
            hint = f"; did you mean '{guess}'?" if guess else ""
            raise InputError(f"module '{module_name}' has no '{attribute}'{hint}")
        found = getattr(found, part)
    return found


def import_module(module_name: str, name: str) -> Any:
    """The module of a name; the current folder is searched too.

    Args:
      module_name: Its name.
      name: What the user wrote.

    Raises:
      InputError: If it does not exist.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = _modules_meant(module_name) if error.name and module_name.startswith(error.name) else ""
        raise InputError(f"cannot import module '{module_name}' of '{name}': {error}{hint}") from error


def _modules_meant(module_name: str) -> str:
    """What was probably meant by a module that is not there: a file's name, or a file of the folder."""
    if module_name.endswith(".py"):
        return f"; a module is named without its ending: {module_name.removesuffix('.py').replace('/', '.')}"
    guess = nearest(module_name, [path.stem for path in Path.cwd().glob("*.py")])
    return (
        f"; did you mean '{guess}', of {guess}.py here?" if guess else "; it is looked for in this folder too"
    )


class Code:
    """A callable of the user's, compared and hashed by what it is rather than by where it lies.

    Attributes:
      call: The callable itself.
      arguments: Keyword arguments that are bound to each call; they are part of the identity.
      identity: Name, version or digest of the code, and arguments, as canonical JSON values.

    Raises:
      InputError: If the code or an argument cannot be followed and no version is given.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        arguments: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
    ):
        self.arguments = dict(arguments or {})
        self.call = call
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(
                f"name is {name!r}, which is no text; what the code takes is given by keyword, as in width=32"
            )
        if (name is None) != (version is None):
            raise InputError("name= and version= go together: give both or neither")
        if name is None:
            self.identity: dict[str, Any] = {"code": qualified_name(call), "source": identity_digest(call)}
        else:
            self.identity = {"code": name, "version": version}
        if self.arguments:
            self.identity["arguments"] = _arguments(self.arguments)

    @property
    def label(self) -> str:
        """`package.module:factory`, and its arguments."""
        shown = ",".join(f"{key}={_shown(value)}" for key, value in self.arguments.items())
        return self.identity["code"] + (f":{shown}" if shown else "")

    def check_unchanged(self) -> None:
        """Raise unless the code is what it was when this was made.

        Raises:
          InputError: If a global, an attribute or a captured variable has changed since.
        """
        given, now = self.identity.get("arguments", {}), _arguments(self.arguments)
        other = [name for name in given if given[name] != now.get(name)]
        if other:
            raise _changed(
                self.identity["code"], f"its argument '{other[0]}' is another now; make {_GIVEN} anew"
            )
        source = self.identity.get("source")
        if source is not None:
            check_same(source, self.call, self.identity["code"], _GIVEN)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it with its bound arguments."""
        return self.call(*args, **self.arguments, **kwargs)

    def __canonical__(self) -> Any:
        """Its identity."""
        return self.identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(json.dumps(self.identity, sort_keys=True))

    def __repr__(self) -> str:
        return f"Code({self.identity['code']})"


def check_same(source: str, target: Any, name: str, made: str) -> None:
    """Raise unless a function, class or object is what it was when its digest was `source`.

    Raises:
      InputError: If something that it reaches is another now; the sentence says what, and what to make anew.
    """
    try:
        if source == identity_digest(target):
            return
        change = what_changed(source, target)
    except InputError as error:
        raise _changed(name, f"{error}; {_ITSELF}") from error
    if change is None or not change.path:
        raise _changed(name, f"something it reads is another now; make {made} anew; {_ITSELF}")
    if change.undefined:
        raise _changed(
            name, f"'{change}' was not defined then and is now; define it above the line that makes {made}"
        )
    raise _changed(name, f"'{change}', which it reads, is another now; make {made} anew; {_ITSELF}")


def _changed(name: str, what: str) -> InputError:
    return InputError(f"{name} has changed since it was handed over: {what}")


def check_unchanged(value: Any, seen: set[int] | None = None) -> None:
    """Raise unless all of the user's code within a value, at any depth, is what it was.

    Args:
      value: A spec, or several.
      seen: Identities of what has been looked at and lives on, filled on the way.

    Raises:
      InputError: If something has changed since the code was handed over or the spec was named.
    """
    if type(value) in _PLAIN:
        return
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if hasattr(value, "check_unchanged"):
        value.check_unchanged()
    if isinstance(value, tuple | list):
        held = list(value)
    elif isinstance(value, Mapping):
        held = list(value.values())
    else:
        held = [getattr(value, name) for name in _field_names(type(value))]
    for item in held:
        if type(item) not in _PLAIN:
            check_unchanged(item, seen)


_PLAIN = frozenset({type(None), bool, int, float, str})
"""What holds no code."""


@functools.cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments as JSON, where JSON tells them apart from others; else what following them gives."""
    return {
        # A copy, for lists may change.
        name: copy.deepcopy(value) if _is_json(value) else {"followed": identity_digest(value)}
        for name, value in given.items()
    }


def _is_json(value: Any) -> bool:
    if value is None or type(value) in (bool, int, str):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(map(_is_json, value))
    if type(value) is dict:
        return "followed" not in value and all(
            type(key) is str and _is_json(item) for key, item in value.items()
        )
    return False


def _shown(value: Any) -> str:
    named = callable(value) and not _is_json(value)
    return qualified_name(value).rpartition(":")[2] if named else str(value)
