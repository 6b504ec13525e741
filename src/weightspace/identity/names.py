"""The globals that a function's code names, from its instructions: `scale`, `helpers.scale`, `np.mean`."""

import builtins
import dataclasses
import dis
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from weightspace.identity import calls, sets
from weightspace.identity.homes import installed, qualified_name
from weightspace.identity.imports import Imported, imports_of
from weightspace.identity.instructions import instructions_of
from weightspace.identity.libraries import PYTHONS_GLOBALS
from weightspace.identity.refusals import attribute_refusal, refusal
from weightspace.identity.witnesses import ABSENT

_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_LOCAL = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "LOAD_NAME")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_WRITES = {"STORE_GLOBAL": "global", "DELETE_GLOBAL": "global"}

Refuse = Callable[[str, str], Any]


@dataclasses.dataclass
class Named:
    """What a function names.

    Attributes:
      values: Dotted names of globals and of what is imported within, and what they lead to.
      read: Where each name was looked up: namespace, name, value, which is `ABSENT` where it has none.
      attributes: The names of all attributes that are read, of whatever object; `calls.ANY` where they are
        made while the code runs.
      through: Those of them that are gone through in a loop.
      sets: Those that are given a set.
    """

    values: list[tuple[str, Any]]
    read: list[tuple[Mapping[str, Any], str, Any]]
    attributes: set[str]
    through: set[str] = dataclasses.field(default_factory=set)
    sets: set[str] = dataclasses.field(default_factory=set)


def names_of(function: types.FunctionType, refuse: Refuse) -> Named:
    """The names in the code of a function and of all functions within it."""
    found, seen = Named([], [], set()), set()
    codes = [(code, _instructions(code)) for code in _codes(function.__code__)]
    within = imports_of(function, [instructions for _, instructions in codes])
    found.read += within.read
    for dotted, value in within.taken:
        _allow(function, dotted, value, refuse)
        found.values.append((dotted, value))
    for code, instructions in codes:
        found.attributes |= set(code.co_names) | set(_texts(code.co_consts))
        for place, instruction in enumerate(instructions):
            _check(function, instruction, refuse)
            for start in _starts(function, instruction, within, found):
                dotted, value = _met(function, start, instructions, place, found, refuse)
                if dotted not in seen:
                    seen.add(dotted)
                    found.values.append((dotted, value))
                found.attributes |= calls.by_name(function, instructions, place, dotted, refuse)
    calls.check_aliases(function, list(_codes(function.__code__)), refuse)
    found.through |= sets.attributes_gone_through(function)
    found.sets |= sets.check(function, list(_codes(function.__code__)), refuse)
    found.values.sort(key=lambda pair: pair[0])
    return found


def _check(function: types.FunctionType, instruction: dis.Instruction, refuse: Refuse) -> None:
    """Refuse what writes to variables that live on, and attributes whose names tell."""
    name, operation = instruction.argval, instruction.opname
    if operation in _WRITES:
        refuse(f"{qualified_name(function)}", f"writes the {_WRITES[operation]} variable '{name}'")
    elif operation == "STORE_DEREF" and name in function.__code__.co_freevars:
        refuse(f"{qualified_name(function)}", f"writes the captured variable '{name}'")
    elif operation in _ATTRIBUTE and attribute_refusal(name):
        refuse(f"{qualified_name(function)}", f"{attribute_refusal(name)} ('.{name}')")


def _allow(function: types.FunctionType, dotted: str, value: Any, refuse: Refuse) -> None:
    """Refuse what a name leads to, where that cannot be followed."""
    if isinstance(value, types.FunctionType) and not installed(value):
        return
    why = refusal(value, dotted.rpartition(".")[2])
    if why:
        refuse(qualified_name(function), f"{why} ('{dotted}')")


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from _codes(item)


def _instructions(code: types.CodeType) -> list[dis.Instruction]:
    return [item for item in instructions_of(code) if item.opname != "EXTENDED_ARG"]


def _texts(constants: Any) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple | frozenset):
            yield from _texts(constant)


def _attributes_after(instructions: list[dis.Instruction], place: int) -> Iterator[str]:
    for instruction in instructions[place + 1 :]:
        if instruction.opname not in _ATTRIBUTE:
            return
        yield instruction.argval


def _met(
    function: types.FunctionType,
    start: tuple[str, Any],
    instructions: list[dis.Instruction],
    place: int,
    found: Named,
    refuse: Refuse,
) -> tuple[str, Any]:
    """What a name leads to, refused if it reads from outside as it is used there."""
    following = _attributes_after(instructions, place)
    dotted, value = _along(*start, following, found)
    if not (isinstance(value, tuple) and value[:1] == ("undefined",)):
        attribute = next(following, None)
        steps = dotted.count(".") - start[0].count(".")
        unseeded = attribute is None and calls.without_arguments(instructions, place, steps)
        calls.check(function, dotted, value, attribute, refuse, unseeded=unseeded)
    return dotted, value


def _starts(
    function: types.FunctionType, instruction: dis.Instruction, within: Imported, found: Named
) -> Iterator[tuple[str, Any]]:
    """What an instruction begins at: a module that was imported within, or a global, with its name."""
    name, operation = instruction.argval, instruction.opname
    if operation.startswith(_LOCAL):
        # Newer versions of Python load two variables at once.
        for each in name if isinstance(name, tuple) else (name,):
            yield from ((f"import {module.__name__}", module) for module in within.modules.get(each, ()))
    if operation in _GLOBAL and isinstance(name, str) and name not in PYTHONS_GLOBALS:
        space = function.__globals__
        value = space.get(name, ABSENT)
        found.read.append((space, name, value))
        if value is ABSENT:
            value = getattr(builtins, name, ABSENT)
            found.read.append((vars(builtins), name, value))
        yield name, value


def _along(dotted: str, value: Any, following: Iterator[str], found: Named) -> tuple[str, Any]:
    """What a name leads to, through modules as far as the code names attributes of them."""
    while isinstance(value, types.ModuleType):
        attribute = next(following, None)
        if attribute is None:
            break
        space, value = vars(value), getattr(value, attribute, ABSENT)
        dotted = f"{dotted}.{attribute}"
        found.read.append((space, attribute, space.get(attribute, ABSENT)))
    return dotted, ("undefined", dotted.rpartition(".")[2]) if value is ABSENT else value
