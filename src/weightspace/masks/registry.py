"""The members of a kind by name, with options that are checked before they reach a constructor."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from weightspace.errors import InputError, nearest, unknown
from weightspace.options import read_options

T = TypeVar("T")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def build(
    kind: str,
    members: Mapping[str, type[T]],
    name: str,
    options: Mapping[str, Any],
    at_hand: Mapping[str, Any] = NOTHING,
) -> T:
    """A member by name.

    Args:
      kind: What is chosen, for errors.
      members: Spec classes by name, with underscores.
      name: One of the names, where `-` stands for `_`; options may follow, as in `constant:value=0.1`.
      options: Fields of that class; those in the name go before them.
      at_hand: What is given to a member that has such a field, and to no other.

    Raises:
      InputError: If there is no such member, it has no such option, or one that it needs is missing.
    """
    base, _, text = name.partition(":")
    cls: Any = members.get(base.replace("-", "_"))
    if cls is None:
        raise unknown(kind, base, members)
    what = f"the {kind} '{base}'"
    fields = {field.name: field for field in dataclasses.fields(cls)}
    writable = [field for field in fields if fields[field].type is not Any]
    own = {field: value for field, value in at_hand.items() if field in fields}
    given = {**own, **options, **read_options(what, cls, writable, text)}
    for option in given:
        if option not in fields:
            guess = nearest(option, fields)
            hint = f"; did you mean '{guess}'?" if guess else "."
            raise InputError(f"{what} has no option '{option}'{hint} Options: {', '.join(fields) or 'none'}.")
    for field in fields.values():
        if field.default is dataclasses.MISSING and field.name not in given:
            raise InputError(f"{what} needs {field.name}=, which has no default")
    return cls(**given)
