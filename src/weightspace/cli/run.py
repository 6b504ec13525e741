"""`weightspace run NAME`: train what is missing, print the answer, draw the figures, write the page."""

import dataclasses
import sys
import time
import typing
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from weightspace.cli.flags import are_short, as_shown
from weightspace.cli.parse import parse
from weightspace.errors import InputError, NoResultWarning, check_choice, check_number
from weightspace.experiments import experiment_class, names
from weightspace.experiments.base import Experiment


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run, whatever the experiment."""

    preset: str = "quick"
    """Defaults of the fields: smoke, quick, paper; `list experiments` names all of an experiment's."""
    out: Path = Path("out")
    """Folder of results, of the experiment's name in `out` by default; the same folder again resumes."""
    dry_run: bool = False
    """Print what would be done and what it would cost, and stop."""
    yes: bool = False
    """Do not ask before hours of work."""
    lanes: int | None = None
    """Runs a device works on at once; the table's number by default."""
    keep: str = "small"
    """Networks kept for load and export: small (final ones of new runs, if all take less than 200 MB), final,
    best (of least validation loss; needs --validation), none."""
    engine: str = "local"
    """Where runs are carried out: local, or ray (a cluster)."""
    format: tuple[str, ...] = ("png", "svg")
    """Formats of the figures."""


def run(arguments: Sequence[str]) -> int:
    """The command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(
            "usage: weightspace run NAME [--preset smoke|quick|paper] [--out OUT] [--dry-run] [--FIELD …]\n"
        )
        for name in names():
            print(f"  {name:<18} {experiment_class(name).question}")
        print("\nweightspace run NAME --help has every field of an experiment.")
        print("NAME is package.module:Class for an experiment of your own.")
        return 0
    if arguments[0].startswith("-"):
        raise InputError(
            "name the experiment first: weightspace run NAME --FLAG …; see weightspace list experiments"
        )
    cls = experiment_class(arguments[0])
    experiment, options = read(cls, arguments[1:])
    _tell_of_older(options.out, cls)
    experiment = _fitted(experiment, cls.preset(options.preset), arguments[1:])
    return carry_through(experiment, options, ["weightspace", "run", *arguments])


def read(cls: type[Experiment], arguments: Sequence[str]) -> tuple[Experiment, Options]:
    """The experiment and the options meant; presets are defaults of the fields."""
    preset = _preset(arguments, cls)
    check_choice("preset", preset, cls.presets)
    default = cls.preset(preset)
    fields = [
        ("experiment", Annotated[cls, tyro.conf.arg(name="")], dataclasses.field(default=default)),
        (
            "options",
            Annotated[Options, tyro.conf.arg(name="")],
            dataclasses.field(default=Options(preset=preset, out=home_of(cls))),
        ),
    ]
    both = dataclasses.make_dataclass("Run", fields)
    prog = f"weightspace run {cls.name}"
    config = (tyro.conf.OmitArgPrefixes,) if are_short(cls) else ()
    shown = as_shown(cls, arguments)
    parsed: Any = parse(both, shown, prog=prog, description=_description(cls), config=config)
    return parsed.experiment, parsed.options


def home_of(cls: type[Experiment]) -> Path:
    """Where the results of an experiment go if nothing is said: a folder of its name."""
    return Options.out / cls.name


def _tell_of_older(out: Path, cls: type[Experiment]) -> None:
    """Say where results are that were made when all experiments shared one folder by default."""
    from weightspace.store.base import MARKER

    if out == home_of(cls) and not out.exists() and (Options.out / MARKER).is_file():
        print(
            f"weightspace: results go to {out}; those in {Options.out} itself are read and resumed with "
            f"--out {Options.out}",
            file=sys.stderr,
        )


def _fitted(experiment: Experiment, preset: Experiment, arguments: Sequence[str]) -> Experiment:
    """With what the preset sets aside of its own data cut to the size of the data that were given instead."""
    from weightspace import platform
    from weightspace.experiments.aside import fitted

    platform.start()
    given = [each[2:].partition("=")[0].replace("-", "_") for each in arguments if each.startswith("--")]
    found, told = fitted(experiment, preset, given)
    for line in told:
        print(f"weightspace: {line}", file=sys.stderr)
    return found


def _preset(arguments: Sequence[str], cls: type[Experiment]) -> str:
    for i, argument in enumerate(arguments):
        if argument.startswith("--preset="):
            return argument.partition("=")[2]
        if argument == "--preset" and i + 1 < len(arguments):
            return arguments[i + 1]
    return Options.preset if Options.preset in cls.presets else next(iter(cls.presets), Options.preset)


def _description(cls: type[Experiment]) -> str:
    heavy = f"\n\nFor a GPU, on a CPU they take days: --preset {', '.join(cls.gpu)}." if cls.gpu else ""
    if not cls.paper.title:
        return f"{cls.question}{heavy}"
    return f"{cls.question}{heavy}\n\n{cls.paper.title}. {cls.paper.figure}.\n\n{cls.paper.bibtex}"


def carry_through(experiment: Experiment, options: Options, command: list[str], planned: Any = None) -> int:
    """Plan or sweep, then table, figures and page; a plan that was made already is carried out."""
    from weightspace import platform

    platform.start()
    from weightspace.cli.answer import answer
    from weightspace.figures.style import check_formats
    from weightspace.run import Run
    from weightspace.sweeps.estimate import confirm, estimate, print_estimate
    from weightspace.sweeps.plan import plan

    check_formats(options.format)
    check_number("lanes", options.lanes, least=1)
    console = Console()
    asked = typing.cast(Any, experiment)
    planned = planned or plan(asked, _stored(options.out), options.lanes, options.keep)
    if options.dry_run:
        print_estimate(estimate(planned), console)
        return 0
    confirm(planned, options.yes, sys.stdin.isatty(), console)
    from weightspace.sweeps.ask import see_through
    from weightspace.sweeps.progress import progress_bar

    began = time.perf_counter()
    with progress_bar() as progress, warnings.catch_warnings():
        # The answer says so itself, below the table.
        warnings.simplefilter("ignore", NoResultWarning)
        table = see_through(
            lambda _: planned, options.out, engine=options.engine, progress=progress, command=command
        )
    seconds = time.perf_counter() - began
    runs = [row.node for row in planned.rows if isinstance(row.node, Run)]
    return answer(experiment, table, options, console, seconds, progress, command, runs)


def _stored(out: Path) -> Any:
    """The results that are there already; None where there are none."""
    from weightspace.store.base import MARKER, Store

    return Store(out, create=False) if (out / MARKER).is_file() else None
