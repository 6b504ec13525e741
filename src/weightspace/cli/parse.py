"""Parsing by tyro, with one line for a misspelt flag."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from weightspace.errors import InputError, nearest

T = TypeVar("T")


def parse(target: Callable[..., T], arguments: Sequence[str], *, prog: str, **options: Any) -> T:
    """Parse arguments into a dataclass or call a function with them.

    Raises:
      InputError: For a flag that does not exist, with the nearest that does.
    """
    config = (tyro.conf.FlagConversionOff, tyro.conf.CascadeSubcommandArgs)
    _check_flags(target, arguments, prog, config, options)
    return tyro.cli(target, args=list(arguments), prog=prog, config=config, **options)


def _check_flags(
    target: Any, arguments: Sequence[str], prog: str, config: Any, options: dict[str, Any]
) -> None:
    given = [a.split("=")[0] for a in arguments if a.startswith("--") and len(a) > 2]
    if not given:
        return
    parser = tyro.extras.get_parser(target, prog=prog, config=config, **options)
    known = {option for action in parser._actions for option in action.option_strings}
    known |= {option.replace("_", "-") for option in known} | {"--help"}
    for flag in given:
        if flag.replace("_", "-") not in known:
            guess = nearest(flag, sorted(k for k in known if k.startswith("--")))
            hint = f"; did you mean {guess}?" if guess else "."
            raise InputError(f"unknown flag {flag}{hint} See {prog} --help.")
