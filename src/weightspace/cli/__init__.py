"""The command line: `weightspace COMMAND …`.

Commands are loaded on use, so that help takes no second. What a user can get wrong ends in one sentence and
status 2, never in a traceback.
"""

import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from weightspace import compiler
from weightspace.cli import helped
from weightspace.errors import WeightspaceError, nearest

COMMANDS = {
    "demo": ("weightspace.cli.demo:demo", "the main question on embedded real data, under two minutes"),
    "look": (
        "weightspace.cli.look:look",
        "a first look at a network of your own, in the minutes you have: one page",
    ),
    "list": ("weightspace.cli.listing:listing", "experiments, models, data, spaces, probes, metrics"),
    "run": ("weightspace.cli.run:run", "run an experiment; the same folder again resumes"),
    "status": ("weightspace.cli.show:status", "how far the runs of a folder are"),
    "results": ("weightspace.cli.show:results", "the table of a folder"),
    "figures": ("weightspace.cli.show:figures", "draw the figures of a folder"),
    "report": ("weightspace.cli.show:report", "write the page of a folder"),
    "compare": ("weightspace.cli.show:compare", "our numbers beside the published ones"),
    "export": (
        "weightspace.cli.export:export",
        "a run's weights as safetensors; all numbers for TensorBoard, as JSON",
    ),
    "compact": ("weightspace.cli.show:compact", "merge small files of a folder"),
    "clean": ("weightspace.cli.show:clean", "drop stored arrays that can be made again"),
    "doctor": (
        "weightspace.cli.doctor:doctor",
        "is arithmetic right on this machine? compiled and not, against NumPy",
    ),
    "bench": ("weightspace.cli.bench:bench", "run-steps a second on this machine; --tune sets the lanes"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    try:
        try:
            return _answered(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            # Here, not as Python ends: a reader that has gone is noticed when what is left is written.
            sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # as Rich ends, with a status of its own
            return _unread()
        raise


def _answered(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if given[0] == "--version":
        from weightspace import __version__

        print(__version__)
        return 0
    try:
        with _plain_warnings():
            if given[0] == "run" and helped.asks(given[1:]):
                return helped.show(given[1:], lambda: _command("run")(given[1:]))
            compiler.avoid_known_faults()
            return _command(given[0])(given[1:]) or 0
    except WeightspaceError as error:
        return _refused(error)
    except (AssertionError, RuntimeError) as error:
        # As JAX says that it has no device: where it has one, the error is another.
        if "jax" not in sys.modules or isinstance(error, NotImplementedError | RecursionError):
            raise
        from weightspace import platform

        try:
            platform.check_devices()
        except WeightspaceError as why:
            return _refused(why)
        raise
    except KeyboardInterrupt:
        print("weightspace: stopped; run the same command again to resume", file=sys.stderr)
        return 130


def _refused(error: WeightspaceError) -> int:
    print(f"weightspace: {error}", file=sys.stderr)
    return 2


def _unread() -> int:
    """The reader of what is printed has gone, as `head` does: nothing more is said, also as Python ends.

    Gives the status of a process that ended by the signal for it, as shells count.
    """
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return 128 + getattr(signal, "SIGPIPE", 13)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our own warnings as one line each, said once, without the place in the code that they come from."""
    others, said = warnings.showwarning, set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not category.__module__.startswith("weightspace."):
            others(message, category, *place, **more)
        elif str(message) not in said:
            said.add(str(message))
            print(f"weightspace: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _command(name: str):
    if name not in COMMANDS:
        guess = nearest(name, COMMANDS)
        hint = f"; did you mean '{guess}'?" if guess else "."
        raise WeightspaceError(f"unknown command '{name}'{hint} See weightspace --help.")
    module, _, function = COMMANDS[name][0].partition(":")
    return getattr(importlib.import_module(module), function)


def overview() -> str:
    """What `weightspace --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: weightspace COMMAND …",
            "",
            "A workbench for the geometry of neural-network training.",
            "",
            *lines,
            "",
            "weightspace COMMAND --help tells more; run NAME --help has every field of an experiment.",
        ]
    )
