"""What code does with the names it reads: without a seed, by text, under a name of its own.

`names` finds what a global name leads to; here it is seen whether what is done with it reads from outside.
"""

import dis
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from weightspace.identity.homes import installed, qualified_name
from weightspace.identity.imports import module_named
from weightspace.identity.instructions import instructions_of
from weightspace.identity.refusals import UNSEEN, attribute_refusal, is_seeded, leads_outside, refusal

Refuse = Callable[[str, str], Any]
ANY = "*"
"""Stands among the attributes that are read for all there are."""
_BETWEEN = ("CACHE", "PRECALL", "PUSH_NULL")
_CALLS = ("CALL", "CALL_KW")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_LOCAL = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_CLASSDEREF")
_KEEP = ("STORE_FAST", "STORE_DEREF")
_BY_TEXT = ("getattr", "attrgetter", "methodcaller", "vars")
"""What takes attributes by names that are given as text."""


def check(
    function: types.FunctionType,
    dotted: str,
    value: Any,
    attribute: str | None,
    refuse: Refuse,
    *,
    unseeded: bool = False,
) -> None:
    """Refuse what a name leads to, or the attribute that is read of it, if it reads from outside.

    Args:
      function: The user's.
      dotted: The name, as the code has it.
      value: What it leads to.
      attribute: What is read of that, if it is no module; None for nothing.
      refuse: Notes it.
      unseeded: Whether it is called without arguments there, or kept for later.
    """
    if isinstance(value, types.FunctionType) and not installed(value):
        return
    if function.__name__ in UNSEEN and (value is hash or value is id):
        return
    why = refusal(value, dotted.rpartition(".")[2], unseeded=unseeded)
    if why is None and attribute is not None:
        of_class = isinstance(value, type) and installed(value)
        why = refusal(getattr(value, attribute, None), attribute) if of_class else None
        why, dotted = why or attribute_refusal(attribute, value), f"{dotted}.{attribute}"
    if why:
        refuse(qualified_name(function), f"{why} ('{dotted}')")


def by_name(
    function: types.FunctionType,
    instructions: Sequence[dis.Instruction],
    place: int,
    dotted: str,
    refuse: Refuse,
) -> set[str]:
    """The attributes that a `getattr` may read: all, unless its second argument is written as text."""
    if dotted.rpartition(".")[2] not in _BY_TEXT:
        return set()
    texts = [each.argval for each in instructions if each.opname == "LOAD_CONST"]
    if meant := leads_outside(text for text in texts if isinstance(text, str)):
        refuse(qualified_name(function), f"reads from outside by the name '{meant}'")
    after = [each for each in instructions[place + 1 :] if each.opname not in _BETWEEN]
    end = next((i for i, each in enumerate(after) if not each.opname.startswith("LOAD_")), len(after))
    written = [each.argval for each in after[1:end] if each.opname == "LOAD_CONST"]
    return set() if written and isinstance(written[0], str) else {ANY}


def without_arguments(instructions: Sequence[dis.Instruction], place: int, attributes: int) -> bool:
    """Whether what is named there is called with nothing, with None first, or kept for later.

    Args:
      instructions: Of the code.
      place: Where the name is read.
      attributes: How many attributes follow until what is meant.
    """
    after = [each for each in instructions[place + 1 :] if each.opname not in _BETWEEN]
    first = after[attributes]
    if first.opname in _CALLS:
        return not first.arg
    if first.opname == "LOAD_CONST":
        return first.argval is None
    return first.opname.startswith(("STORE_", "RETURN"))


def check_aliases(function: types.FunctionType, codes: Sequence[types.CodeType], refuse: Refuse) -> None:
    """Refuse what reads from outside by a name within: after `import numpy as n`, `n = np`."""
    known: dict[str, Any] = {}
    for code in codes:
        instructions = instructions_of(code)
        for name, value in _aliases(function, instructions):
            known.setdefault(name, value)
    for code in codes if known else ():
        instructions = instructions_of(code)
        for place, each in enumerate(instructions):
            if each.opname in _LOCAL and each.argval in known:
                names, value, rest = _chain(known[each.argval], instructions[place + 1 :])
                dotted = ".".join((each.argval, *names))
                unseeded = rest is None and without_arguments(instructions, place, len(names))
                check(function, dotted, value, rest, refuse, unseeded=unseeded)


def _aliases(
    function: types.FunctionType, instructions: Sequence[dis.Instruction]
) -> Iterator[tuple[str, Any]]:
    """Local names that stand for a package's module or class, and what they stand for."""
    for place, each in enumerate(instructions):
        if each.opname == "IMPORT_NAME":
            yield from _imported(function, instructions, place)
        elif each.opname == "LOAD_GLOBAL" and each.argval in function.__globals__:
            names, value, _ = _chain(function.__globals__[each.argval], instructions[place + 1 :])
            after = instructions[place + 1 + len(names) :]
            if after and after[0].opname in _KEEP and _is_outside(value):
                yield after[0].argval, value


def _imported(
    function: types.FunctionType, instructions: Sequence[dis.Instruction], place: int
) -> Iterator[tuple[str, Any]]:
    """The names that an import statement binds."""
    name, parts = instructions[place].argval or "", instructions[place - 1].argval
    level = next(i.argval for i in reversed(instructions[:place]) if isinstance(i.argval, int))
    module = module_named(function.__globals__, name, level)
    after = instructions[place + 1 :]
    if module is None or not after:
        return
    if parts is None:
        keep = next((each for each in after if each.opname in _KEEP), None)
        # `import a.b` binds a, `import a.b as c` binds a.b.
        bound = sys.modules.get(name.partition(".")[0]) if after[0].opname in _KEEP and level == 0 else module
        if keep is not None and _is_outside(bound):
            yield keep.argval, bound
        return
    for taken, keep in zip(after[::2], after[1::2], strict=False):
        if taken.opname != "IMPORT_FROM" or keep.opname not in _KEEP:
            return
        value = getattr(module, taken.argval, None)
        if _is_outside(value):
            yield keep.argval, value


def _is_outside(value: Any) -> bool:
    return is_seeded(value) or (isinstance(value, types.ModuleType | type) and installed(value))


def _chain(value: Any, after: Sequence[dis.Instruction]) -> tuple[list[str], Any, str | None]:
    """The attributes that are read of modules, what they lead to, and the attribute that is read of that."""
    names: list[str] = []
    for each in after:
        if each.opname not in _ATTRIBUTE:
            return names, value, None
        if not isinstance(value, types.ModuleType):
            return names, value, each.argval
        names.append(each.argval)
        value = getattr(value, each.argval, None)
    return names, value, None
