"""Import statements within functions: what they bind, from their instructions.

`import a.b` binds `a`; `import a.b as c` binds `a.b`; `from a import b` takes an attribute of `a`, or imports
the module `a.b` where `a` has none.
"""

import dataclasses
import dis
import importlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from weightspace.identity.witnesses import ABSENT


@dataclasses.dataclass
class Imported:
    """What a function imports.

    Attributes:
      modules: By the names that they are bound to, modules.
      taken: Dotted names of what is taken from modules, and the values.
      read: Where each was looked up: namespace, name, value.
    """

    modules: dict[Any, list[types.ModuleType]]
    taken: list[tuple[str, Any]]
    read: list[tuple[Mapping[str, Any], str, Any]]

    def bind(self, name: Any, module: types.ModuleType) -> None:
        """Note that a name is bound to a module, perhaps to others elsewhere."""
        self.modules.setdefault(name, []).append(module)


def imports_of(function: types.FunctionType, codes: list[list[dis.Instruction]]) -> Imported:
    """The imports in the code of a function and of all functions within it."""
    found = Imported({}, [], [])
    for instructions in codes:
        for place, instruction in enumerate(instructions):
            if instruction.opname == "IMPORT_NAME":
                level, names = (instructions[place - back].argval for back in (2, 1))
                name = _absolute(function.__globals__, instruction.argval or "", level)
                _follow(name, names, instructions[place + 1 :], found)
    return found


def _follow(name: str, names: Any, after: list[dis.Instruction], found: Imported) -> None:
    module = _import(name, found)
    if module is None:
        found.taken.append((f"import {name}", ("undefined", "module")))
    elif names:
        bound = dict(_bound(after))
        for item in names:
            value = getattr(module, item, ABSENT)
            if value is ABSENT:
                value = _import(f"{name}.{item}", found)
                value = ("undefined", item) if value is None else value
            found.read.append((vars(module), item, vars(module).get(item, ABSENT)))
            if isinstance(value, types.ModuleType):
                found.bind(bound.get(item, item), value)
            else:
                found.taken.append((f"{name}.{item}", value))
    elif after[0].opname == "IMPORT_FROM":
        found.bind(_stored(after), module)
    else:
        top = _import(name.partition(".")[0], found)
        assert top is not None
        found.bind(_stored(after), top)


def _import(name: str, found: Imported) -> types.ModuleType | None:
    """A module, or None where there is none; that it is the one of this name can be seen later."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        module = None
    found.read.append((sys.modules, name, sys.modules.get(name, ABSENT)))
    return module


def module_named(space: dict[str, Any], name: str, level: int) -> types.ModuleType | None:
    """The module that an import statement names; None where there is none."""
    try:
        return importlib.import_module(_absolute(space, name, level))
    except ImportError:
        return None


def _absolute(space: dict[str, Any], name: str, level: int) -> str:
    """The full name of what a relative import names."""
    if not level:
        return name
    package = space.get("__package__")
    if package is None:
        package = space["__name__"] if "__path__" in space else space["__name__"].rpartition(".")[0]
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{name}" if name else base


def _bound(after: list[dis.Instruction]) -> Iterator[tuple[str, str]]:
    """What `from ... import` takes, and the names that it binds."""
    for taken, store in zip(after[::2], after[1::2], strict=False):
        if taken.opname != "IMPORT_FROM":
            return
        yield taken.argval, store.argval


def _stored(after: list[dis.Instruction]) -> str:
    """The name that the next instruction to store one binds."""
    return next(i.argval for i in after if i.opname.startswith("STORE_"))
