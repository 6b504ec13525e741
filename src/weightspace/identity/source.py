"""Code as its syntax tree, without comments, docstrings, annotations of functions, and layout.

The tree is found in the source file and believed only if it compiles to the code that is running: a file may
have been edited since it was imported. Where there is no such source (an interactive session, `exec`, an
edited file) the compiled code itself stands for it, with the version of Python that its instructions are of.
"""

import ast
import functools
import hashlib
import linecache
import sys
import types
from typing import Any

_SKIPPED = {"ctx", "type_comment", "kind", "type_params", "returns", "type_ignores"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def code_form(code: types.CodeType) -> str:
    """A digest of what a function's code says; equal for sources that differ in comments and layout.

    Decorators and default arguments are left out: what they made of the function can be seen on it.
    """
    known = _FORMS.get(id(code))
    if known is None:
        if len(_FORMS) >= _KEPT:
            _FORMS.clear()
        # Codes of equal content compare as equal, whatever stands around them, so they go by identity.
        known = _FORMS[id(code)] = (code, _form(code))
    return known[1]


_KEPT = 8192
_FORMS: dict[int, tuple[types.CodeType, str]] = {}


def _form(code: types.CodeType) -> str:
    node = _node(code)
    if node is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"bytes {version} " + _hash(repr(_plain(code)))
    kept = [(name, _normal(field)) for name, field in ast.iter_fields(node.args) if "defaults" not in name]
    return _hash(repr((type(node).__name__, kept, _normal(node.body))))


def tree_of(code: types.CodeType) -> Any:
    """The syntax tree of a function; None where its source is not found, or is no longer what runs."""
    return _node(code)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(file: str) -> str:
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


def _node(code: types.CodeType) -> Any:
    """The function or lambda that compiles to this code."""
    functions, compiled = _parsed(code.co_filename, _text(code.co_filename))
    key = (code.co_qualname, code.co_firstlineno)
    if not any(_plain(other) == _plain(code) for other in compiled.get(key, ())):
        return None
    fitting = [node for node in functions.get(code.co_firstlineno, ()) if _may_be(node, code)]
    if len(fitting) > 1:
        fitting = [node for node in fitting if _spans(node, code)]
        # Of lambdas within lambdas on one line the innermost holds all positions of its code.
        fitting.sort(key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0, -node.col_offset))
    return fitting[0] if fitting else None


def _may_be(node: Any, code: types.CodeType) -> bool:
    return code.co_name == ("<lambda>" if isinstance(node, ast.Lambda) else node.name)


def _spans(node: Any, code: types.CodeType) -> bool:
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    places = [
        ((line, column), (last, final))
        for line, last, column, final in code.co_positions()
        if None not in (line, last, column, final) and final != 0
    ]
    return bool(places) and all(start <= first and final <= end for first, final in places)  # pyright: ignore


@functools.lru_cache(maxsize=256)
def _parsed(file: str, text: str) -> tuple[dict[int, list[Any]], dict[tuple[str, int], list[types.CodeType]]]:
    """Functions of a source by first line, and their compiled code by name and first line."""
    functions: dict[int, list[Any]] = {}
    compiled: dict[tuple[str, int], list[types.CodeType]] = {}
    try:
        module = ast.parse(text)
        pending = [compile(module, file, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):  # a magic of a notebook, or no text at all
        return functions, compiled
    for node in ast.walk(module):
        if isinstance(node, _FUNCTIONS):
            decorators = getattr(node, "decorator_list", ())
            first = min((d.lineno for d in decorators), default=node.lineno)
            functions.setdefault(first, []).append(node)
    while pending:
        code = pending.pop()
        compiled.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
        pending += [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return functions, compiled


def _plain(code: types.CodeType) -> Any:
    """A code object as values that are equal where two of them do the same; places in a file are left out."""
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        code.co_exceptiontable,
        tuple(_constant(item) for item in code.co_consts),
    )


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _plain(value)
    if isinstance(value, tuple):
        return ("tuple", *(_constant(item) for item in value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(repr(_constant(item)) for item in value))
    return (type(value).__name__, repr(value))  # 1, 1.0 and True are equal but not the same


def _normal(value: Any) -> Any:
    """A syntax tree as nested tuples, without empty fields, documentation, and annotations of functions."""
    if isinstance(value, list):
        return [_normal(item) for item in value if not _is_text(item)]
    if isinstance(value, ast.Constant):
        return ("Constant", _constant(value.value))
    if not isinstance(value, ast.AST):
        return value
    fields = [
        (name, _normal(field))
        for name, field in ast.iter_fields(value)
        if name not in _SKIPPED and field is not None and field != []
    ]
    if isinstance(value, ast.arg):
        fields = [("arg", value.arg)]
    return (type(value).__name__, *fields)


def _is_text(node: Any) -> bool:
    """Whether a statement is nothing but text or a number: documentation."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
