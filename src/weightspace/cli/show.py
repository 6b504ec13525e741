"""What can be read from a results folder: status, tables, figures, page, comparison; exports; housekeeping.

Nothing here trains. Each command is a function of its arguments that gives the exit status.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from weightspace.cli.output import Format, plain_text, print_frame, write_frame
from weightspace.cli.parse import parse
from weightspace.cli.questions import RUNS, Spread, all_runs, joined, tables_of, with_errors
from weightspace.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from weightspace.store.base import Store

Out = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
Modules = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE")]
RunName = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]


def status(arguments: Sequence[str]) -> int:
    """How far the runs of a folder are."""

    def command(out: Out) -> int:
        """Count runs by status, for each experiment; below, why runs failed, were blocked or diverged.

        Args:
          out: Folder of results.
        """
        from weightspace.store.reasons import reasons_in
        from weightspace.store.status import status as counted

        store, console = opened(out), _console()
        print_frame(console, counted(store), str(out))
        for state, text, count in reasons_in(store):
            line = plain_text(f"{count} {state}: {text}")
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0

    return parse(command, arguments, prog="weightspace status")


def results(arguments: Sequence[str]) -> int:
    """The table of a folder."""

    def command(
        out: Out, experiment: str | None = None, table: str = "runs",
        format: Format = "table", to: Path | None = None,  # noqa: A002
        experiments: Modules = (), spread: Spread = "sd",
    ) -> int:  # fmt: skip
        """Print the table of runs, its summary over seeds, or an answer such as `thresholds`.

        On the terminal each question has a table of its own; in a file they are one below the other.

        Args:
          out: Folder of results.
          experiment: Only what this experiment asked.
          table: runs, summary, history, or the name of an answer: thresholds.
          format: table, csv, json, parquet or latex.
          to: File to write to instead of printing.
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
          spread: Beside means of n runs: sd, their standard deviation, or se, the standard error sd/√n.
        """
        store = opened(out)
        printed = format == "table" and to is None
        if table == RUNS and not printed:
            tables = [("", all_runs(store, experiment))]
        else:
            tables = tables_of(store, experiment, table, known_experiments(experiments))
        if spread == "se":
            tables = with_errors(tables, table)
        if printed:
            for title, frame in tables:
                print_frame(_console(), frame, ", ".join(filter(None, (f"{out}: {table}", title))))
        else:
            _deliver(joined(tables), format, to, f"{out}: {table}")
        return 0

    return parse(command, arguments, prog="weightspace results")


def figures(arguments: Sequence[str]) -> int:
    """Draw the figures of a folder."""

    def command(
        out: Out, experiment: str | None = None,
        format: tuple[str, ...] = ("png", "svg"),  # noqa: A002
        experiments: Modules = (),
    ) -> int:  # fmt: skip
        """Draw figures into OUT/figures, and beside each the plotted numbers as CSV.

        Args:
          out: Folder of results.
          experiment: Only the figures of this one.
          format: svg, png, pdf.
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
        """
        from weightspace.experiments.draw import draw

        files = draw(opened(out), experiment, format, experiments=known_experiments(experiments))
        print("\n".join(map(str, files)) or f"{out} has no results to draw yet")
        return 0

    return parse(command, arguments, prog="weightspace figures")


def report(arguments: Sequence[str]) -> int:
    """Write the page of a folder."""

    def command(out: Out, experiments: Modules = ()) -> int:
        """Write OUT/report/index.html: questions, figures, tables and provenance in one file.

        Args:
          out: Folder of results.
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
        """
        from weightspace.report import write_report

        print(write_report(opened(out), experiments=known_experiments(experiments)))
        return 0

    return parse(command, arguments, prog="weightspace report")


def compare(arguments: Sequence[str]) -> int:
    """Our numbers beside the published ones."""

    def command(
        out: Out,
        format: Format = "table",  # noqa: A002
        to: Path | None = None,
        experiments: Modules = (),
        reference: tuple[Path, ...] = (),
    ) -> int:
        """Set results beside published or re-run numbers; `within` is at most the joint spread or 0.02.

        Args:
          out: Folder of results.
          format: table, csv, json, parquet or latex.
          to: File to write to instead of printing.
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
          reference: CSV files of numbers of your own to compare with. Columns: experiment, metric, value, n
            and source; if need be model, data, statistic (mean, median), spread, tolerance, known; each other
            column is a condition, a label of our rows or a setting.
        """
        from weightspace.experiments.answered import answered
        from weightspace.report.compare import compare as compared
        from weightspace.report.compare import unanswered
        from weightspace.report.references import read_references
        from weightspace.report.wanted import commands, left_over

        store, own = opened(out), known_experiments(experiments)
        lines = [line for path in reference for line in read_references(path, own)]
        parts = answered(store, experiments=own)
        frame = compared(store, parts=parts, references=lines)
        if len(frame) and (told := left_over(out, unanswered(parts, lines), own)):
            print(f"weightspace: {told}", file=sys.stderr)
        if format != "table" or to is not None:
            _deliver(frame, format, to, str(out))
        elif frame.empty:
            names = [question.experiment for question in store.questions(None)]
            asked = commands(out, names, own, lines) or commands(out, (), own, lines)
            print(f"no result of {out} answers to a reference. These commands train what does:\n{asked}")
        else:
            print_frame(_console(), frame.drop(columns="known"), f"{out}: compared with references")
            print("\n".join(frame["known"].unique()))
        return 0

    return parse(command, arguments, prog="weightspace compare")


def compact(arguments: Sequence[str]) -> int:
    """Merge small files of a folder."""

    def command(out: Out) -> int:
        """Merge small files of rows, with their histories and arrays; nothing is lost.

        Args:
          out: Folder of results.
        """
        from weightspace.store.compact import compact as merge

        done = merge(opened(out))
        print(f"{done.before} files of rows became {done.after}")
        return 0

    return parse(command, arguments, prog="weightspace compact")


def clean(arguments: Sequence[str]) -> int:
    """Drop stored arrays that can be made again."""

    def command(out: Out, keep: Annotated[tuple[str, ...], tyro.conf.arg(metavar="GLOB")] = ()) -> int:
        """Drop stored arrays, which are made again when a run needs them; tables and histories stay.

        Args:
          out: Folder of results.
          keep: Globs of outputs that stay, such as '*weights'.
        """
        from weightspace.store.compact import clean as drop

        print(f"{drop(opened(out), keep) / 1e6:,.1f} MB freed")
        return 0

    return parse(command, arguments, prog="weightspace clean")


def known_experiments(modules: tuple[str, ...]) -> Any:
    """The experiments of the modules that this command names."""
    from weightspace.experiments import experiments_in

    return experiments_in(modules)


def opened(out: Path) -> "Store":
    """The results of a folder; the ones within it are named where it holds several."""
    from weightspace.store.base import MARKER, Store

    if out.is_dir() and not (out / MARKER).is_file():
        within = sorted(str(each.parent) for each in out.glob(f"*/{MARKER}"))
        if within:
            raise InputError(f"{out} holds {len(within)} results folders; name one: {', '.join(within)}")
    return Store(out, create=False)


def _console() -> Any:
    from rich.console import Console

    return Console()


def _deliver(frame: "pd.DataFrame", kind: Format, to: Path | None, title: str) -> None:
    if kind == "table":
        if to is not None:
            raise InputError("--to needs a format for files; give --format csv, json, parquet or latex")
        print_frame(_console(), frame, title)
    else:
        write_frame(frame, kind, to)
