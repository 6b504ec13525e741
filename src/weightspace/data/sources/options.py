"""Options of a set known by name: some of its classes, corrupted test images."""

from typing import Any

from weightspace.data.sources.corrupted import Corrupted
from weightspace.data.sources.selected import Selected
from weightspace.errors import InputError
from weightspace.options import read_options

_SELECTED, _CORRUPTED = ("classes", "train_each", "test_each"), ("corruption", "severity", "folder", "seed")


class _Options:
    """What may be set, and its types."""

    classes: tuple[int, ...]
    train_each: int
    test_each: int
    corruption: str
    severity: int
    folder: str
    seed: int


def with_options(base: str, text: str, source: Any) -> Any:
    """A set as `cifar10:classes=0,1,corruption=fog,severity=3` means it.

    Args:
      base: The set's name.
      text: The options.
      source: The whole set.

    Raises:
      InputError: For an unknown option, or one whose own is missing.
    """
    options = read_options(base, _Options, _SELECTED + _CORRUPTED, text)
    chosen, worse = (
        {name: options[name] for name in of if name in options} for of in (_SELECTED, _CORRUPTED)
    )
    if chosen and "classes" not in chosen:
        raise InputError(f"'{base}:{text}' chooses no classes; write {base}:classes=0,1")
    if worse and "corruption" not in worse:
        raise InputError(f"'{base}:{text}' names no corruption; write {base}:corruption=fog,severity=3")
    if chosen:
        source = Selected(source, **chosen)
    return Corrupted(source, **worse) if worse else source
