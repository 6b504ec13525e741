"""Flags of an experiment: a setting is given by its short name or by its path, whichever help shows.

Where all short names are told apart, flags are short (`--epochs`), and `--training.epochs` is the same; where
two recipes have a setting of one name, flags are paths, and what is short and clear stands for its path.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weightspace.errors import InputError
from weightspace.experiments.settings import Setting, settings_of

_RESERVED = {"from": "from_file"}
"""Flags that no field can be called, as Python has the word for itself."""


def are_short(cls: Any) -> bool:
    """Whether every setting has a short name."""
    return all("." not in name for name in settings_of(cls))


def as_shown(cls: Any, arguments: Sequence[str]) -> list[str]:
    """Arguments with the flags of settings as the parser knows them; all else as it is.

    Raises:
      InputError: For a short flag that several settings have.
    """
    known, short = settings_of(cls), are_short(cls)
    return [_shown(cls, argument, known, short=short) for argument in arguments]


def _shown(cls: Any, argument: str, known: Mapping[str, Setting], *, short: bool) -> str:
    if not argument.startswith("--") or len(argument) < 3:
        return argument
    flag, equals, value = argument[2:].partition("=")
    plain = flag.replace("-", "_")
    plain = _RESERVED.get(plain, plain)
    for negated in (False, True):
        # Of a truth value's flag the last part has the no: --training.no-shuffle.
        head, dot, last = plain.rpartition(".")
        name = f"{head}{dot}{last.removeprefix('no_')}" if negated else plain
        if negated and not last.startswith("no_"):
            break
        ends = [each for each in known.values() if name in (each.dotted, each.path[-1])]
        whole = [each for each in ends if name == each.dotted] or ends
        if len(whole) > 1:
            which = " or ".join(f"--{each.dotted.replace('_', '-')}" for each in whole)
            raise InputError(f"{cls.name} has several settings called {flag}; say which: {which}")
        if whole:
            *before, own = whole[0].path
            own = f"no_{own}" if negated else own
            path = own if short else ".".join((*before, own))
            return f"--{path.replace('_', '-')}{equals}{value}"
    return argument
