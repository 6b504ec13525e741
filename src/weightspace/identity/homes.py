"""Whose code something is: the user's, or an installed package's (the standard library among them)."""

import functools
import re
import site
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

OURS = "weightspace"
_GENERATED = re.compile(r"<(frozen .*|string|attrs generated .*|__array_function__ internals)>")


def qualified_name(target: Any) -> str:
    """`package.module:Class.method`, as `import_object` takes it; of an object, that of its class.

    >>> qualified_name(functools.cached_property.__get__)
    'functools:cached_property.__get__'
    """
    if isinstance(target, types.ModuleType):
        return target.__name__
    if isinstance(target, functools.partial):
        return qualified_name(target.func)
    named = target if isinstance(getattr(target, "__qualname__", None), str) else type(target)
    return f"{getattr(named, '__module__', None) or 'builtins'}:{named.__qualname__}"


def installed(target: Any) -> bool:
    """Whether a module, class, function or code object belongs to an installed package, or to this one."""
    if isinstance(target, types.MethodType):
        return installed(target.__func__)
    if isinstance(target, types.FunctionType):
        file = target.__code__.co_filename
        return space_installed(target.__globals__) if _GENERATED.fullmatch(file) else _file_installed(file)
    if isinstance(target, types.ModuleType):
        return space_installed(vars(target))
    if not isinstance(target, type) and not isinstance(getattr(target, "__qualname__", None), str):
        target = type(target)
    module = sys.modules.get(getattr(target, "__module__", None) or "builtins")
    return module is not None and space_installed(vars(module))


def importable(target: Any) -> bool:
    """Whether the name of a package's object leads to this very object, and so says which it is."""
    module, _, path = qualified_name(target).partition(":")
    found: Any = sys.modules.get(module)
    if not isinstance(getattr(target, "__qualname__", None), str) or found is None:
        return False
    if not space_installed(vars(found)):
        return False  # a package's wrapper carries the name of what it wraps
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is target


def changeable(cls: type) -> bool:
    """Whether the attributes of a class can be set: it was made as a program runs, not with Python."""
    return bool(cls.__flags__ & 1 << 9)  # CPython's Py_TPFLAGS_HEAPTYPE


def defined_by_package(cls: type) -> bool:
    """Whether the name of a class says what it is.

    A class made by `exec`, `make_dataclass` or `new_class` may carry the name of a module of Python's that
    has no such class; a class that is part of the interpreter may have a name that leads nowhere.
    """
    return installed(cls) and (importable(cls) or not changeable(cls))


def space_installed(namespace: dict[str, Any]) -> bool:
    """Whether the globals of a module are those of an installed one."""
    name, file = str(namespace.get("__name__", "")), namespace.get("__file__")
    if name.split(".")[0] == OURS:
        return True
    if name == "__main__":
        return False
    if not isinstance(file, str):
        # Namespace packages and modules of the interpreter have no file.
        return name.split(".")[0] in sys.stdlib_module_names or _file_installed(_first_folder(namespace))
    return _file_installed(file)


def _first_folder(namespace: dict[str, Any]) -> str:
    return next(iter(namespace.get("__path__", ())), "<none>")


@functools.lru_cache(maxsize=4096)
def _file_installed(file: str) -> bool:
    if file.startswith("<"):
        return file.startswith("<frozen")
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.is_relative_to(folder) for folder in _library_folders())


@functools.cache
def _library_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_paths()[name] for name in names}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    ours = Path(__file__).resolve().parents[1]
    return (*(Path(folder).resolve() for folder in folders), ours)
