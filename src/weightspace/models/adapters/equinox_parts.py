"""The modules within an Equinox module: in fields, lists, tuples and dicts, at any depth."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx

from weightspace.models.adapters.modes import in_training, is_yes_or_no


def children(value: Any) -> list[tuple[Any, Any]]:
    """What a value holds, by name or place."""
    if isinstance(value, eqx.Module):
        return [(f.name, getattr(value, f.name, None)) for f in dataclasses.fields(value)]
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return list(value.items()) if isinstance(value, dict) else []


def parts(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """The modules within a module that can be called, by path."""
    own = [(path, value)] if isinstance(value, eqx.Module) and callable(value) else []
    inner = [parts(child, f"{path}/{name}" if path else str(name)) for name, child in children(value)]
    return own + [part for group in inner for part in group]


def modules(value: Any) -> Iterator[Any]:
    """All modules within a module, itself too."""
    if isinstance(value, eqx.Module):
        yield value
    for _, child in children(value):
        yield from modules(child)


def held_flags(module: Any) -> list[tuple[Any, str]]:
    """The flags that a module and its parts hold, each with the part that holds it."""
    return [
        (part, field.name)
        for part in modules(module)
        for field in dataclasses.fields(part)
        if in_training(field.name, held=True) is not None and is_yes_or_no(getattr(part, field.name, None))
    ]
