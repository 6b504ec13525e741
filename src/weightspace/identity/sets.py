"""Sets that are gone through: their order is another one in each process, unless they hold numbers only.

Membership, sizes, set operations and `sorted` do not go by the order. A loop does, and so does what makes a
list, a tuple or an iterator of a set. Sets are found as they are written: displays, `set(…)`, operations of
sets, and names that stand for one. Without a source there are the instructions alone, which tell of a set
that is gone through where it is written.
"""

import ast
import dis
import itertools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from weightspace.identity.homes import installed, qualified_name
from weightspace.identity.instructions import instructions_of
from weightspace.identity.source import tree_of
from weightspace.identity.witnesses import content

_ORDERED = ("list", "tuple", "enumerate", "iter", "zip", "map", "filter", "next", "reversed")
"""What goes through what it is given, in its order."""
_UNORDERED = ("sorted", "set", "frozenset", "any", "all", "len", "min", "max")
_OPERATIONS = ("union", "intersection", "difference", "symmetric_difference", "copy")
_BY_ORDER = ("fromkeys", "join", "stack", "concatenate", "array", "asarray")
Lookup = Callable[[str], Any]


def check(
    function: types.FunctionType, codes: Sequence[types.CodeType], refuse: Callable[[str, str], Any]
) -> set[str]:
    """Refuse a function that goes through a set; gives the attributes that it makes sets.

    Args:
      function: The user's.
      codes: Its code and all within.
      refuse: Notes it.
    """
    instructions = [instructions_of(code) for code in codes]
    names = {name for code in codes for name in (*code.co_names, *code.co_freevars, *code.co_varnames)}
    lookup = lookup_of(function)
    made = {each.opname for those in instructions for each in those} & {"BUILD_SET", "SET_ADD"}
    made |= {"set", "frozenset"} & names
    written = any(is_unordered(constant) for code in codes for constant in code.co_consts)
    if not (made or written or _named(names, lookup)):
        return set()
    tree = tree_of(function.__code__)
    if tree is not None:
        through = goes_through_a_set(tree, lookup)
    else:
        through = "a set" if any(map(_made_and_gone_through, instructions)) else None
    if through:
        refuse(qualified_name(function), said(through))
    return set() if tree is None else _given_sets(tree, lookup)


def said(what: str) -> str:
    """What is wrong with going through a set."""
    return f"goes through {what}, whose order is another one in each process (write sorted(…) around it)"


def _given_sets(tree: ast.AST, lookup: Lookup) -> set[str]:
    local = _assigned(tree)
    return {
        target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_set(node.value, local, lookup)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }


def attributes_gone_through(function: types.FunctionType) -> set[str]:
    """The names of attributes that a function's loops go through."""
    found, pending = set[str](), [function.__code__]
    while pending:
        code = pending.pop()
        pending += [item for item in code.co_consts if isinstance(item, types.CodeType)]
        for before, after in itertools.pairwise(instructions_of(code)):
            if before.opname in ("LOAD_ATTR", "LOAD_METHOD") and after.opname == "GET_ITER":
                found.add(before.argval)
    return found


def _named(names: set[str], lookup: Lookup) -> bool:
    """Whether a name stands for a set, or for a user's module or class that has one under a name."""
    values = [lookup(name) for name in names]
    users = [v for v in values if isinstance(v, types.ModuleType | type) and not installed(v)]
    spaces = [
        vars(each) for value in users for each in (value.__mro__ if isinstance(value, type) else (value,))
    ]
    return any(map(is_unordered, values)) or any(is_unordered(s.get(name)) for s in spaces for name in names)


def goes_through_a_set(tree: ast.AST, lookup: Lookup) -> str | None:
    """How a function goes through a set, in its own words; None if it does not.

    Args:
      tree: The function.
      lookup: What a name that is not set within leads to; None where it is unknown.
    """
    local = _assigned(tree)
    for node in _reading(tree):
        if _is_set(node, local, lookup):
            return ast.unparse(node)
    return None


def _made_and_gone_through(instructions: Sequence[dis.Instruction]) -> bool:
    """Whether a set of other things than numbers is made and gone through at once."""
    return any(
        (before.opname in ("BUILD_SET", "SET_UPDATE") or is_unordered(before.argval))
        and after.opname == "GET_ITER"
        for before, after in itertools.pairwise(instructions)
    )


def is_unordered(value: Any) -> bool:
    """Whether a value is a set whose order may change: numbers alone have the same hash everywhere."""
    numbers = isinstance(value, set | frozenset) and all(isinstance(item, int | float) for item in value)
    return isinstance(value, set | frozenset) and not numbers


def _reading(tree: ast.AST) -> Iterator[ast.AST]:
    """The expressions that are gone through in order."""
    free = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _UNORDERED
        for argument in node.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor | ast.YieldFrom):
            yield node.iter if not isinstance(node, ast.YieldFrom) else node.value
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and id(node) not in free:
            yield from (part.iter for part in node.generators)
        elif (isinstance(node, ast.Starred) and id(node) not in free) or (
            isinstance(node, ast.Assign) and any(isinstance(to, ast.Tuple | ast.List) for to in node.targets)
        ):
            yield node.value
        elif isinstance(node, ast.Call) and (id(node) not in free or not isinstance(node.func, ast.Name)):
            yield from _given(node)


def _given(call: ast.Call) -> Iterator[ast.AST]:
    """The arguments that a call goes through in their order."""
    if isinstance(call.func, ast.Name) and call.func.id in _ORDERED:
        yield from call.args
    elif isinstance(call.func, ast.Attribute):
        if call.func.attr in _BY_ORDER:
            yield from call.args
        elif call.func.attr == "pop" and not call.args:
            yield call.func.value


def _assigned(tree: ast.AST) -> Mapping[str, list[ast.AST]]:
    """What is assigned to each name within; of a loop's or an argument's name nothing is known."""
    found: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            if isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, [])
    return found


def _is_set(node: ast.AST, local: Mapping[str, list[ast.AST]], lookup: Lookup, depth: int = 8) -> bool:
    """Whether an expression is a set of other things than numbers, as far as it is written."""

    def inner(part: ast.AST) -> bool:
        return depth > 0 and _is_set(part, local, lookup, depth - 1)

    if isinstance(node, ast.Set):
        return not all(_is_number(item) for item in node.elts)
    if isinstance(node, ast.SetComp):
        return not _is_number(node.elt)
    if isinstance(node, ast.Name):
        return any(map(inner, local[node.id])) if node.id in local else is_unordered(lookup(node.id))
    if isinstance(node, ast.Attribute):
        return is_unordered(_attribute(node, lookup))
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor) and (
            inner(node.left) or inner(node.right)
        )
    if isinstance(node, ast.IfExp):
        return inner(node.body) or inner(node.orelse)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset"):
        return node.func.id not in local and not all(map(_is_range, node.args or [node]))
    if isinstance(node.func, ast.Attribute) and node.func.attr in _OPERATIONS:
        return inner(node.func.value)
    in_order = isinstance(node.func, ast.Name) and node.func.id in (
        "enumerate",
        "zip",
        "iter",
        "list",
        "tuple",
    )
    return in_order and any(map(inner, node.args))


def _attribute(node: ast.Attribute, lookup: Lookup) -> Any:
    """What an attribute of a module or a class is; nothing is called to find it."""
    base = lookup(node.value.id) if isinstance(node.value, ast.Name) else None
    spaces = [vars(each) for each in base.__mro__] if isinstance(base, type) else []
    spaces += [vars(base)] if isinstance(base, types.ModuleType) else []
    return next((space[node.attr] for space in spaces if node.attr in space), None)


def _is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_range(node: ast.AST) -> bool:
    """Whether it gives whole numbers: `range(n)`, `(1, 2)`."""
    if isinstance(node, ast.List | ast.Tuple):
        return all(map(_is_number, node.elts))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def lookup_of(function: types.FunctionType) -> Lookup:
    """What names lead to that a function takes from elsewhere: captured variables, defaults, globals.

    A method's own object leads to its class, where that is found by its name.
    """
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    names = code.co_varnames[: code.co_argcount]
    given = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    given |= function.__kwdefaults__ or {}
    owner: Any = function.__globals__.get(function.__qualname__.split(".")[0])
    for part in function.__qualname__.split(".")[1:-1]:
        owner = getattr(owner, part, None)

    def lookup(name: str) -> Any:
        if name in cells:
            return content(cells[name])
        if name in code.co_varnames:
            return owner if name in names[:1] and isinstance(owner, type) else given.get(name)
        return function.__globals__.get(name)

    return lookup
