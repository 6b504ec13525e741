"""What goes wrong, in sentences: what, the value received, what is allowed, what to do.

Every error a user can cause is a `WeightspaceError`; the command line prints its text in one line and
exits with status 2. The helpers below check what users give: inside compiled code the same specs hold
tracers, which were checked when the spec was built and pass.
"""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

_LONGEST = 80
"""Characters of a value that are shown."""


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


def is_number(value: Any) -> bool:
    """Whether a value is one real number: of Python or NumPy, but no truth value and no array."""
    if isinstance(value, numbers.Real):
        return not isinstance(value, bool)
    # Types that NumPy knows by name only, as bfloat16.
    name = getattr(getattr(value, "dtype", None), "name", "")
    return getattr(value, "shape", None) == () and name.startswith(("bfloat16", "float8"))


def plain(value: Any) -> Any:
    """An array of no axes as the number that it holds; all else, tracers among it, as it is."""
    if getattr(value, "shape", None) == () and hasattr(value, "item") and not _may_be_anything(value):
        return value.item()
    return value


def _may_be_anything(value: Any) -> bool:
    """Whether it stands for a value that is not known yet."""
    from jax import ShapeDtypeStruct
    from jax.core import Tracer

    return isinstance(value, Tracer | ShapeDtypeStruct) or hasattr(value, "__canonical__")


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
    """Raise unless a value is one number within the bounds; None, which is no value, passes.

    Args:
      name: What the number is, as the user knows it.
      value: The number; tracers and what stands for another node's output are let through.
      above: Open lower bound.
      least: Closed lower bound.
      below: Open upper bound.
      most: Closed upper bound.
      hint: A sentence that says what to do.

    Raises:
      InputError: If it is no number, not finite or out of bounds.
    """
    value = plain(value)
    if value is None or (not is_number(value) and _may_be_anything(value)):
        return
    lower = f"({above:g}" if above is not None else f"[{least:g}" if least is not None else "(-inf"
    upper = f"{below:g})" if below is not None else f"{most:g}]" if most is not None else "inf)"
    fits = (
        is_number(value)
        and math.isfinite(value)
        and (above is None or value > above)
        and (least is None or value >= least)
        and (below is None or value < below)
        and (most is None or value <= most)
    )
    if not fits:
        raise InputError(
            f"{name} is {shown(value)}, but must lie in {lower}, {upper}.{' ' + hint if hint else ''}"
        )


def shown(value: Any) -> str:
    """A value in few words, on one line."""
    if is_number(value):
        return str(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "__array__"):
        return f"an array of shape {list(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


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
