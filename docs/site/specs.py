"""What the reference is told of specs: their fields are the arguments of their constructors.

`@spec` makes a frozen dataclass, as `dataclass_transform` says; Griffe, which reads sources without running
them, knows dataclasses by their decorator only.
"""

import ast
from typing import Any

import griffe

_FIELDS = ("weightspace.spec.static", "weightspace.spec.common", "weightspace.spec.leaf")
_FIELD = "dataclasses.field"


class Specs(griffe.Extension):
    """Reads `@spec` as `@dataclass`, and `static(default=…)` as `field(default=…)`."""

    def on_class_members(self, *, node: ast.AST | griffe.ObjectNode, cls: griffe.Class, **more: Any) -> None:
        """Once a class is read: its decorator, and what its fields are, in words that Griffe knows."""
        if not any(each.callable_path == "weightspace.spec.spec" for each in cls.decorators):
            return
        module = cls.module
        for name, path in (("_dataclass", "dataclasses.dataclass"), ("_field", _FIELD)):
            if name not in module.imports:
                module.imports[name] = path
                module.set_member(name, griffe.Alias(name, path, parent=module))
        cls.decorators.append(
            griffe.Decorator(griffe.ExprName("_dataclass", parent=module), lineno=None, endlineno=None)
        )
        for member in cls.members.values():
            value = getattr(member, "value", None)
            if isinstance(value, griffe.ExprCall) and value.canonical_path in _FIELDS:
                value.function = griffe.ExprName("_field", parent=module)
