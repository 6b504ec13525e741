"""The globals that a function's code names, from its instructions: `scale`, `helpers.scale`, `np.mean`."""

import builtins
import dataclasses
import dis
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from weightspace.identity import calls, sets
from weightspace.identity.homes import imported, installed, qualified_name
from weightspace.identity.refusals import attribute_refusal, refusal

_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_WRITES = {"STORE_GLOBAL": "global", "DELETE_GLOBAL": "global"}

Refuse = Callable[[str, str], Any]


@dataclasses.dataclass
class Named:
    """What a function names.

    Attributes:
      values: Dotted names of globals, and what they lead to.
      read: Where each name was looked up: namespace, name, value.
      modules: The user's modules that are imported within.
      attributes: The names of all attributes that are read, of whatever object; `calls.ANY` where they are
        made while the code runs.
      through: Those of them that are gone through in a loop.
      sets: Those that are given a set.
    """

    values: list[tuple[str, Any]]
    read: list[tuple[dict[str, Any], str, Any]]
    modules: list[types.ModuleType]
    attributes: set[str]
    through: set[str] = dataclasses.field(default_factory=set)
    sets: set[str] = dataclasses.field(default_factory=set)


def names_of(function: types.FunctionType, refuse: Refuse) -> Named:
    """The names in the code of a function and of all functions within it."""
    found, seen = Named([], [], [], set()), set()
    for code in _codes(function.__code__):
        instructions = list(dis.get_instructions(code))
        found.attributes |= set(code.co_names) | {c for c in code.co_consts if isinstance(c, str)}
        for place, instruction in enumerate(instructions):
            name, operation = instruction.argval, instruction.opname
            if operation in _WRITES:
                refuse(f"{qualified_name(function)}", f"writes the {_WRITES[operation]} variable '{name}'")
            elif operation == "STORE_DEREF" and name in function.__code__.co_freevars:
                refuse(f"{qualified_name(function)}", f"writes the captured variable '{name}'")
            elif operation in _ATTRIBUTE and attribute_refusal(name):
                refuse(f"{qualified_name(function)}", f"{attribute_refusal(name)} ('.{name}')")
            elif operation == "IMPORT_NAME":
                _import(function, instructions, place, found, refuse)
            elif operation in _GLOBAL and not name.startswith("__"):
                dotted, value = _resolve(function, instructions, place, found, refuse)
                if dotted not in seen:
                    seen.add(dotted)
                    found.values.append((dotted, value))
                found.attributes |= calls.by_name(function, instructions, place, dotted, refuse)
    calls.check_aliases(function, list(_codes(function.__code__)), refuse)
    found.through |= sets.attributes_gone_through(function)
    found.sets |= sets.check(function, list(_codes(function.__code__)), refuse)
    found.values.sort(key=lambda pair: pair[0])
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from _codes(item)


def _attributes_after(instructions: list[dis.Instruction], place: int) -> Iterator[str]:
    for instruction in instructions[place + 1 :]:
        if instruction.opname in ("CACHE", "PRECALL"):
            continue
        if instruction.opname not in _ATTRIBUTE:
            return
        yield instruction.argval


def _resolve(
    function: types.FunctionType,
    instructions: list[dis.Instruction],
    place: int,
    found: Named,
    refuse: Refuse,
) -> tuple[str, Any]:
    """What a global name leads to, through modules as far as the code names attributes of them."""
    name, space = instructions[place].argval, function.__globals__
    following = _attributes_after(instructions, place)
    if name in space:
        value = space[name]
        found.read.append((space, name, value))
    elif hasattr(builtins, name):
        value = getattr(builtins, name)
    else:
        return name, ("undefined", name)
    dotted = name
    attribute = next(following, None)
    while isinstance(value, types.ModuleType) and attribute is not None:
        dotted = f"{dotted}.{attribute}"
        space, value = vars(value), getattr(value, attribute, ("undefined", attribute))
        if space.get("__name__", "").partition(".")[0] not in sys.stdlib_module_names:
            found.read.append((space, attribute, value))
        attribute = next(following, None)
    unseeded = attribute is None and calls.without_arguments(instructions, place, dotted.count("."))
    calls.check(function, dotted, value, attribute, refuse, unseeded=unseeded)
    return dotted, value


def _import(
    function: types.FunctionType,
    instructions: list[dis.Instruction],
    place: int,
    found: Named,
    refuse: Refuse,
) -> None:
    """An import statement within a function."""
    level = next(i.argval for i in reversed(instructions[:place]) if isinstance(i.argval, int))
    module = imported(instructions[place].argval or "", function.__globals__.get("__package__"), level)
    if module is None:
        found.values.append((f"import {instructions[place].argval}", ("undefined", "module")))
        return
    # `import a.b as c` takes parts too, but of a, not of a.b.
    names = _taken(instructions[place + 1 :]) if instructions[place - 1].argval is not None else []
    for name in names:
        value = getattr(module, name, ("undefined", name))
        why = refusal(value, name) if installed(value) else None
        if why:
            refuse(qualified_name(function), f"{why} ('{name}')")
        found.values.append((f"{module.__name__}.{name}", value))
    if not names:
        found.modules.append(module)


def _taken(instructions: list[dis.Instruction]) -> list[str]:
    """The names that `from ... import` takes, where it is one."""
    names = []
    for instruction in instructions:
        if instruction.opname == "IMPORT_FROM":
            names.append(instruction.argval)
        elif not instruction.opname.startswith(("STORE_", "CACHE")):
            break
    return names
