"""Linen's collections of variables as nested dicts of ours, and the outputs that a call leaves in one."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array

from weightspace import tree
from weightspace.errors import InputError

PASSING = "intermediates"
"""The collection of activations: made by a call, not carried on."""
JOINT = ":"
"""In the place of `/` within a key, as layers that wrap others make them: `/` sets keys apart here."""


def joined(made: Any, more: Any) -> Any:
    """Nested dicts, with what only the second has."""
    if not isinstance(made, Mapping) or not isinstance(more, Mapping):
        return made
    return {**more, **{key: joined(part, more.get(key)) for key, part in made.items()}}


def renamed(variables: Any, old: str, new: str) -> Any:
    """The same variables, with one letter replaced by another in their keys."""
    if not isinstance(variables, Mapping):
        return variables
    taken = [key for key in variables if new in key and old == "/"]
    if taken:
        raise InputError(f"a layer or array is called '{taken[0]}'; choose a name without '{new}'")
    return {key.replace(old, new): renamed(part, old, new) for key, part in variables.items()}


def outputs_of_calls(captured: Any) -> dict[str, Array]:
    """`{path: output}`; the outputs of later calls of a module are `path#2` and so on."""
    found = {}
    for name, value in tree.flat_dict(captured).items():
        path, call, number = f"/{name}".partition("/__call__/")
        if call and isinstance(value, jax.Array):
            own, number = path.removeprefix("/"), int(number.partition("/")[0])
            found.setdefault(own if number == 0 else f"{own}#{number + 1}", value)
    return found


def numbered(paths: list[str]) -> list[str]:
    """The same names, later ones of equal name as `path#2`."""
    seen: dict[str, int] = {}
    numbered = []
    for path in paths:
        seen[path] = seen.get(path, 0) + 1
        numbered.append(path if seen[path] == 1 else f"{path}#{seen[path]}")
    return numbered
