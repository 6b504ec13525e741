"""What goes wrong, in sentences: what, the value received, what is allowed, what to do.

Every error a user can cause is a `WeightspaceError`; the command line prints its text in one line and
exits with status 2. The helpers below check plain numbers only: inside compiled code the same specs hold
tracers, which were checked when the spec was built.
"""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any


class WeightspaceError(Exception):
    """Base of every error that a user's input or files can cause."""


class InputError(WeightspaceError, ValueError):
    """A value is not one that is allowed."""


class DataError(WeightspaceError):
    """A data set is absent, unreadable or unfit for the task."""


class StoreError(WeightspaceError):
    """A results folder cannot be read or written."""


class BlockedError(WeightspaceError):
    """A node cannot be computed because one of its parents diverged or failed."""


class NoResultWarning(UserWarning):
    """Some of what was asked of a sweep failed, was blocked or diverged."""


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that looks most like `name`, or None where nothing does."""
    choices = sorted(allowed)
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def unknown(kind: str, name: str, allowed: Iterable[str]) -> InputError:
    """An error for a name that is not in a list, with the nearest spelling.

    >>> print(unknown("model", "conv22", ["conv2", "fc"]))
    unknown model 'conv22'; did you mean 'conv2'? Known: conv2, fc.
    """
    choices = sorted(allowed)
    guess = nearest(name, choices)
    hint = f"; did you mean '{guess}'?" if guess else "."
    return InputError(f"unknown {kind} '{name}'{hint} Known: {', '.join(choices)}.")


def _concrete(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    hint: str = "",
) -> None:
    """Raise unless the number lies within the bounds; anything but a plain number passes.

    Args:
      name: What the number is, as the user knows it.
      value: The number, or a tracer or array, which is let through.
      above: Open lower bound.
      least: Closed lower bound.
      below: Open upper bound.
      most: Closed upper bound.
      hint: A sentence that says what to do.

    Raises:
      InputError: If the number is not finite or out of bounds.
    """
    if not _concrete(value):
        return
    lower = f"({above:g}" if above is not None else f"[{least:g}" if least is not None else "(-inf"
    upper = f"{below:g})" if below is not None else f"{most:g}]" if most is not None else "inf)"
    fits = (
        math.isfinite(value)
        and (above is None or value > above)
        and (least is None or value >= least)
        and (below is None or value < below)
        and (most is None or value <= most)
    )
    if not fits:
        raise InputError(f"{name} is {value}, but must lie in {lower}, {upper}.{' ' + hint if hint else ''}")


def check_kind(what: str, value: Any, allowed: type | tuple[type, ...], hint: str) -> None:
    """Raise unless a value is of a kind.

    Args:
      what: What the value is, as the user knows it: `Run.seeds`.
      value: The value.
      allowed: The kind, or kinds.
      hint: What to give.
    """
    if not isinstance(value, allowed):
        given = f"the class {value.__name__}" if isinstance(value, type) else f"{value!r:.80}"
        raise InputError(f"{what} is {given} of type {type(value).__name__}; {hint}")


def check_choice(name: str, value: str, allowed: Iterable[str]) -> None:
    """Raise unless the value is one of the allowed names."""
    if value not in tuple(allowed):
        raise unknown(name, str(value), allowed)
