"""What the reference is told of the package: specs are dataclasses, bases document their fields.

Griffe reads sources without running them. It knows dataclasses by their decorator, while `@spec` makes one,
as `dataclass_transform` says; and of a class it reads its own docstring alone.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import griffe

_SPEC = "weightspace.spec.spec"
_FIELDS = ("weightspace.spec.static", "weightspace.spec.common", "weightspace.spec.leaf")
_FIELD = "dataclasses.field"
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:[ ]+.*\n?|\n(?=[ ]))+)", re.MULTILINE)
_TRIED = re.compile(r"^>>> .*\n(?:(?!>>> )\S.*\n?|>>> .*\n?)*", re.MULTILINE)
_ENTRY = re.compile(r"^  (\w+):(?:.*\n?)(?:^   +.*\n?)*", re.MULTILINE)


class Specs(griffe.Extension):
    """`@spec` is read as `@dataclass`, `static(…)` as `field(…)`, names of types as what they stand for."""

    def on_class_members(self, *, node: ast.AST | griffe.ObjectNode, cls: griffe.Class, **more: Any) -> None:
        """Once a class is read: its decorator, and what its fields are, in words that Griffe knows."""
        if not _is_spec(cls):
            return
        module = cls.module
        for name, path in (("_dataclass", "dataclasses.dataclass"), ("_field", _FIELD)):
            if name not in module.imports:
                module.imports[name] = path
                module.set_member(name, griffe.Alias(name, path, parent=module))
        decorator = griffe.ExprName("_dataclass", parent=module)
        cls.decorators.append(griffe.Decorator(decorator, lineno=None, endlineno=None))
        for member in cls.members.values():
            value = getattr(member, "value", None)
            if isinstance(value, griffe.ExprCall) and value.canonical_path in _FIELDS:
                value.function = griffe.ExprName("_field", parent=module)
                if not value.arguments:  # a mark alone, and no default
                    member.value = None

    def on_package(self, *, pkg: griffe.Module, **more: Any) -> None:
        """Once all is read: types by what they stand for, and what bases say of the fields they declare."""
        for part in _parts(pkg):
            for each in part.parameters if isinstance(part, griffe.Function) else part.members.values():
                if isinstance(each, griffe.Parameter | griffe.Attribute):
                    each.annotation = spelled_out(each.annotation, pkg)
        for part in _parts(pkg):
            if isinstance(part, griffe.Class) and _is_spec(part) and part.docstring is not None:
                bases = [base.docstring.value for base in part.mro() if base.docstring is not None]
                part.docstring.value = with_inherited(part.docstring.value, bases)
        for part in _parts(pkg):
            if part.docstring is not None:
                part.docstring.value = _TRIED.sub(fenced, part.docstring.value)


def _is_spec(cls: griffe.Class) -> bool:
    return any(each.callable_path == _SPEC for each in cls.decorators)


def _parts(parent: griffe.Module | griffe.Class) -> Iterator[griffe.Class | griffe.Function]:
    for member in parent.members.values():
        if isinstance(member, griffe.Class | griffe.Function):
            yield member
        if isinstance(member, griffe.Class | griffe.Module):
            yield from _parts(member)


def spelled_out(annotation: Any, package: griffe.Module) -> Any:
    """What a name that the package gives to a type stands for: readers do not have those names."""
    if not isinstance(annotation, griffe.ExprName):
        return annotation
    if annotation.name == "ClassVar":  # no field; Griffe knows it with brackets only
        return None
    head, _, path = annotation.canonical_path.partition(".")
    try:
        found = package[path].final_target if package[path].is_alias else package[path]
    except (KeyError, ValueError, griffe.AliasResolutionError):
        return annotation
    if head != package.name or not isinstance(found, griffe.Attribute) or found.value is None:
        return annotation
    text = str(found.value)
    return text.strip("'\"") if text[0] in "'\"" else found.value


def fenced(tried: re.Match[str]) -> str:
    """A doctest as code: a page of Markdown takes its signs for quotations."""
    return f"```pycon\n{tried[0].rstrip()}\n```\n".replace("  # doctest: +SKIP", "")


def with_inherited(text: str, bases: list[str]) -> str:
    """A docstring with the attributes that bases document and it does not.

    Args:
      text: The docstring.
      bases: Those of the bases, nearest first.
    """
    found = _ATTRIBUTES.search(text)
    known = {entry[1] for entry in _ENTRY.finditer(found[1])} if found else set()
    more = []
    for base in bases:
        section = _ATTRIBUTES.search(base)
        for entry in _ENTRY.finditer(section[1]) if section else ():
            if entry[1] not in known:
                known.add(entry[1])
                more.append(entry[0].rstrip())
    if not more:
        return text
    if found is None:
        return text.rstrip() + "\n\nAttributes:\n" + "\n".join(more)
    end = found.start(1) + len(found[1].rstrip())
    return text[:end] + "\n" + "\n".join(more) + text[end:]
