"""What is another in a later walk through the same code, by the names that lead there."""

import dataclasses
from typing import Any

_NO_NAMES = {"tuple", "items", "cell", "weak", "checked", "named", "module", "canonical", "spec", "pattern"}
_UNDEFINED = ["str", "'undefined'"]


@dataclasses.dataclass(frozen=True)
class Change:
    """The first thing that is another.

    Attributes:
      path: The names that lead there, from the code: `Net.__call__`, `TABLE`.
      undefined: Whether it was a name that meant nothing yet.
    """

    path: tuple[str, ...]
    undefined: bool = False

    def __str__(self) -> str:
        """The last names of the path."""
        return ".".join(self.path[-2:])


def first_change(before: list[Any], after: list[Any]) -> Change | None:
    """Where two documents of a walk (a description, and the definitions it refers to) first differ."""
    return _Comparison(before[1], after[1]).of(before[0], after[0], ())


class _Comparison:
    def __init__(self, before: list[Any], after: list[Any]):
        self._before, self._after = before, after
        self._seen: set[tuple[int, int]] = set()

    def of(self, a: Any, b: Any, path: tuple[str, ...]) -> Change | None:
        """The first change within two descriptions of one thing, which `path` leads to."""
        if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() == {"see"}:
            pair = a["see"], b["see"]
            if pair in self._seen:
                return None
            self._seen.add(pair)
            return self.of(self._before[pair[0]], self._after[pair[1]], path)
        if isinstance(a, list) and a[:1] == ["tuple"] and a[1][:1] == [_UNDEFINED]:
            return None if a == b else Change(path[-1:], undefined=True)
        if not isinstance(a, list) or not isinstance(b, list):
            return None if a == b else Change(path)
        if a[:1] == b[:1] == ["function"] and path:
            # What a function names are names of its module, not of what led to it.
            change = self.of(a, b, ())
            return change if change is None or change.path else Change(path)
        name = _name(a)
        if name is not None and name == _name(b):
            return self.of(a[1], b[1], (*path, name))
        if len(a) != len(b):
            added = [_name(item) for item in b if _name(item) not in map(_name, a)]
            return Change((*path, *filter(None, added[:1])))
        found = (self.of(x, y, path) for x, y in zip(a, b, strict=True))
        return next((change for change in found if change is not None), None)


def _name(item: Any) -> str | None:
    """The name in a pair of a name and a description."""
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[1], list | dict):
        return None
    if isinstance(item[0], str):
        return None if item[0] in _NO_NAMES else item[0]
    if isinstance(item[0], list) and item[0][:1] == ["str"]:
        return item[0][1].strip("'\"")
    return None
