"""`weightspace look`: a first look at a network, on one page, in the minutes that one has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weightspace.cli.parse import parse
from weightspace.cli.run import Options, carry_through


def look(arguments: Sequence[str]) -> int:
    """The command."""
    return parse(_look, arguments, prog="weightspace look")


def _look(
    model: str = "fc",
    data: str = "digits",
    minutes: float = 3.0,
    out: Path = Path("out/look"),
    seeds: int | None = None,
    epochs: float | None = None,
    lr: float | None = None,
    yes: bool = False,
    dry_run: bool = False,
) -> int:
    """How does this network train, how few degrees of freedom does it need, how far does it go? One page.

    It says what each size of the look would cost, and takes the largest that fits. Further settings:
    weightspace run look --help.

    Args:
      model: Network: a name of `list models`, or package.module:factory for one of your own.
      data: Data set: a name of `list data`, a folder, or package.module:factory.
      minutes: What may be spent.
      out: Folder of results; the same folder again trains nothing twice.
      seeds: Runs of each kind.
      epochs: Passes over the training data.
      lr: Learning rate of ordinary training (momentum 0.9).
      yes: Do not ask before hours of work.
      dry_run: Print what would be done, and stop.
    """
    from rich.console import Console

    from weightspace import platform
    from weightspace.cli.output import print_frame
    from weightspace.first_look import layers, sized

    platform.start()
    given: dict[str, Any] = {"seeds": seeds, "epochs": epochs, "reference_lr": lr}
    settings = {name: value for name, value in given.items() if value is not None}
    console = Console()
    experiment, planned = sized(model, data, out, minutes, settings, console.print)
    print_frame(console, layers(experiment), f"{model} on {data}: {experiment.slices.size:,} weights")
    options = Options(preset="", out=out, dry_run=dry_run, yes=yes)
    command = ["weightspace", "look", "--model", model, "--data", data]
    return carry_through(experiment, options, command, planned)
