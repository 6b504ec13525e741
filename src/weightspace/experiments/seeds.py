"""Seeds as a user writes them: a count, a list, or a range."""

from collections.abc import Sequence

from weightspace.errors import InputError

MOST = 1_000_000
"""Seeds of one question."""


def parse_seeds(given: int | str | Sequence[int | str]) -> tuple[int, ...]:
    """The seeds meant.

    >>> parse_seeds(3), parse_seeds("3"), parse_seeds(["100:103"]), parse_seeds(["4", "9"])
    ((0, 1, 2), (0, 1, 2), (100, 101, 102), (4, 9))

    Raises:
      InputError: If it is none of a count, a list of seeds or a range `first:end`.
    """
    items = [given] if isinstance(given, int | str) else list(given)
    try:
        if len(items) == 1 and not (isinstance(items[0], int) and not isinstance(given, int)):
            text = str(items[0])
            first, colon, end = text.partition(":")
            numbers = range(int(first), int(end)) if colon else range(int(text))
            if len(numbers) > MOST:
                raise InputError(f"seeds are {given}, which is {len(numbers):,}; at most {MOST:,} are taken")
            found = tuple(numbers)
        else:
            found = tuple(int(item) for item in items)
    except ValueError:
        raise InputError(f"seeds are {given}; write a count, a list, or a range such as 100:105") from None
    if not found or min(found) < 0:
        raise InputError(f"seeds are {given}; at least one is needed, and none may be negative")
    if len(set(found)) != len(found):
        raise InputError(f"seeds are {given}; each may be named once")
    return found
