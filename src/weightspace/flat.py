"""Flat: the leaves of a spec and its form, put together from those of its parts.

Specs of one form have one structure and leaves of the same types, so that what follows from these alone
(which leaves are common, what a program is compiled for) is found once a form. Parts that specs share are
walked once; of a run among ten thousand that differ in a seed only the seed is looked at.
"""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from weightspace.fields import Reference
from weightspace.spec import FLATTENED, role, structure_fields

T = TypeVar("T")
_NUMBERS = (float, int, bool)
"""Types of leaves that are told apart from all that has leaves of its own at a glance."""


class Form:
    """What specs have in common that have one structure, and leaves of the same types.

    Two forms are one object if they are equal, as long as a spec of that form lives.

    Attributes:
      kinds: Type of each leaf.
      references: Whether one of them stands for what another node makes.
    """

    __slots__ = ("__weakref__", "_facts", "_key", "kinds", "references")

    def __init__(self, key: Any, kinds: tuple[type, ...]):
        self._key = key  # which keeps the forms of its parts alive
        self._facts: dict[Any, Any] = {}
        self.kinds = kinds
        self.references = any(issubclass(kind, Reference) for kind in kinds)

    def fact(self, name: Any, find: Callable[[], T]) -> T:
        """Something that follows from the form alone: found once, kept as long as the form.

        Args:
          name: What it is called.
          find: Finds it, at a spec of this form.
        """
        if name not in self._facts:
            self._facts[name] = find()
        return self._facts[name]


_FORMS: "weakref.WeakValueDictionary[Any, Form]" = weakref.WeakValueDictionary()


def flat(value: Any) -> tuple[Form, tuple[Any, ...]]:
    """Form and leaves of a spec, or of a tree of specs; leaves in the order of `jax.tree.leaves`.

    Specs do not change, so that theirs are kept with them.
    """
    fields = structure_fields(type(value))
    if fields is None:
        leaves, structure = jax.tree.flatten(value)
        return _formed((structure,), tuple(leaves))
    found = vars(value).get(FLATTENED)
    if found is None:
        found = vars(value)[FLATTENED] = _flat_spec(value, *fields)
    return found


def _flat_spec(value: Any, data: tuple[str, ...], meta: tuple[str, ...]) -> tuple[Form, tuple[Any, ...]]:
    parts: list[Any] = [type(value)]
    leaves: list[Any] = []
    for name in data:
        item = getattr(value, name)
        if type(item) in _NUMBERS:
            parts.append(None)  # the types of leaves stand in the key too
            leaves.append(item)
        elif item is None or (type(item) is tuple and not item):
            parts.append((item is None,))
        else:
            form, more = flat(item)
            parts.append(form)
            leaves += more
    return _formed((*parts, *(getattr(value, name) for name in meta)), tuple(leaves))


def _formed(key: tuple[Any, ...], leaves: tuple[Any, ...]) -> tuple[Form, tuple[Any, ...]]:
    kinds = tuple(map(type, leaves))
    try:
        found = _FORMS.get((key, kinds))
    except TypeError:  # a choice that cannot be hashed, as in a value that no program takes
        return Form(key, kinds), leaves
    if found is None:
        found = _FORMS[key, kinds] = Form(key, kinds)
    return found, leaves


def common_leaves(spec_: Any) -> list[bool]:
    """For each leaf, in the order of `jax.tree.leaves`, whether it is common to a cohort."""
    form, leaves = flat(spec_)

    def find() -> tuple[bool, ...]:
        return tuple(_is_common(spec_, path) for path, _ in jax.tree_util.tree_leaves_with_path(spec_))

    common = form.fact("common", find)
    if not form.references:
        return list(common)
    return [one or getattr(leaf, "shared", False) for one, leaf in zip(common, leaves, strict=True)]


def _is_common(node: Any, path: tuple[Any, ...]) -> bool:
    for key in path:
        if isinstance(key, jax.tree_util.GetAttrKey):
            fields = {field.name: field for field in dataclasses.fields(node)}
            if role(fields[key.name]) == "common":
                return True
            node = getattr(node, key.name)
        elif isinstance(key, jax.tree_util.SequenceKey):
            node = node[key.idx]
        else:
            node = node[key.key]  # pyright: ignore[reportAttributeAccessIssue]
    return False
