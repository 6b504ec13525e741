"""Help of an experiment, remembered: its flags need JAX to be loaded, its text does not."""

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

from weightspace.remembered import remembered

FLAGS = ("-h", "--help")
_SEEN_BY_HELP = ("TERM", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING")


def asks(arguments: Sequence[str]) -> bool:
    """Whether help of an experiment of this package is asked for; what users name may change at any time."""
    return bool(set(FLAGS) & set(arguments)) and not any(":" in each for each in arguments)


def show(arguments: Sequence[str], command: Callable[[], Any]) -> int:
    """Print the help that a command prints, as it would in this terminal, and end as it would.

    Raises:
      SystemExit: As the parser of flags does once it has printed help, with status 0.
    """
    terminal = [sys.stdout.isatty(), str(sys.stdout.encoding), *shutil.get_terminal_size()]
    key = [list(arguments), terminal, [os.environ.get(name) for name in _SEEN_BY_HELP]]
    found = remembered("help", key, lambda: _printed(command))
    print(found["text"], end="")
    if found["exits"]:
        raise SystemExit(0)
    return 0


class _Copy(io.StringIO):
    """What takes the place of the standard output, and looks like it."""

    def __init__(self, other: Any):
        super().__init__()
        self._other = other

    encoding = property(lambda self: self._other.encoding)  # pyright: ignore[reportAssignmentType]

    def isatty(self) -> bool:
        return self._other.isatty()


def _printed(command: Callable[[], Any]) -> dict[str, Any]:
    """All that a command prints, and whether it exits then.

    Raises:
      SystemExit: If it ends with another status than 0.
    """
    copy, exits = _Copy(sys.stdout), False
    try:
        with contextlib.redirect_stdout(copy):
            status = command()
    except SystemExit as end:
        status, exits = end.code, True
    if status:
        print(copy.getvalue(), end="")
        raise SystemExit(status)
    return {"text": copy.getvalue(), "exits": exits}
