"""The identity of a user's own code: a qualified name and a digest of its source.

A result must not be reused after the code that made it has changed. Code that lives in a module is named
by the source of the whole module, since it may call its neighbours; code in a script or a notebook by its
own source, since the rest of the script only says what to run.
"""

import functools
import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weightspace.errors import InputError


@functools.cache
def source_digest(target: Any) -> str:
    """SHA-256 of the source of a class or function (of its module, where it has one).

    Raises:
      InputError: If the source cannot be found, as in an interactive session.
    """
    module = sys.modules.get(getattr(target, "__module__", ""))
    file = getattr(module, "__file__", None)
    try:
        if module is not None and module.__name__ != "__main__" and file:
            text = Path(file).read_text()
        else:
            text = inspect.getsource(target)
    except (OSError, TypeError) as error:
        raise InputError(
            f"the source of {qualified_name(target)} cannot be found, so its results could not be told "
            "apart from those of another version; give name= and version= instead"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def qualified_name(target: Any) -> str:
    """`package.module:Class.method`, as `import_object` takes it."""
    return f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', repr(target))}"


def import_object(name: str) -> Any:
    """What `package.module:name` names; the current folder is searched too.

    Raises:
      InputError: If the module or the name in it does not exist.
    """
    module_name, separator, attribute = name.partition(":")
    if not separator:
        raise InputError(f"'{name}' names no object; write package.module:name")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(f"cannot import module '{module_name}' of '{name}': {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"module '{module_name}' has no '{attribute}'")
        found = getattr(found, part)
    return found


class Code:
    """A callable of the user's, compared and hashed by what it is rather than by where it lies.

    Attributes:
      call: The callable itself.
      arguments: Keyword arguments that are bound to each call; they are part of the identity.
      identity: Name, version or source digest, and arguments, as canonical JSON values.
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
        if (name is None) != (version is None):
            raise InputError("name= and version= go together: give both or neither")
        if name is None:
            _refuse_hidden_values(call)
            self.identity: dict[str, Any] = {"code": qualified_name(call), "source": source_digest(call)}
        else:
            self.identity = {"code": name, "version": version}
        if self.arguments:
            self.identity["arguments"] = self._plain_arguments()

    def _plain_arguments(self) -> Any:
        try:
            return json.loads(json.dumps(self.arguments, sort_keys=True, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"arguments of {self.identity['code']} must be numbers, strings, lists or dicts, so that "
                f"results can be told apart; got {self.arguments}"
            ) from error

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


def _refuse_hidden_values(call: Callable[..., Any]) -> None:
    """A closure's captured values are invisible to the source digest, so they must be plain arguments."""
    if isinstance(call, functools.partial):
        raise InputError("give a partial's arguments by keyword to the adapter instead of functools.partial")
    closure = getattr(call, "__closure__", None) or ()
    names = getattr(getattr(call, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, closure, strict=True):
        if not (inspect.isclass(cell.cell_contents) or inspect.ismodule(cell.cell_contents)):
            raise InputError(
                f"{qualified_name(call)} captures the variable '{name}', whose value its source does not "
                "show; pass it as a keyword argument to the adapter, or give name= and version="
            )
