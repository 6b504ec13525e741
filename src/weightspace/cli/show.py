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
        from weightspace.store.read import results as read
        from weightspace.store.reasons import reasons
        from weightspace.store.status import status as counted

        store, console = _store(out), _console()
        print_frame(console, counted(store), str(out))
        for state, text, count in reasons(read(store)):
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
        store = _store(out)
        printed = format == "table" and to is None
        if table == RUNS and not printed:
            tables = [("", all_runs(store, experiment))]
        else:
            tables = tables_of(store, experiment, table, _known(experiments))
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

        files = draw(_store(out), experiment, format, experiments=_known(experiments))
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

        print(write_report(_store(out), experiments=_known(experiments)))
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

        store, own = _store(out), _known(experiments)
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


def export(arguments: Sequence[str]) -> int:
    """A run's weights as a safetensors file, or the numbers of all runs for other tools."""

    def command(
        out: Out, run: RunName = "", output: str | None = None, to: str | None = None,
        at: str | None = None, into: Path | None = None, experiment: str | None = None,
        experiments: Modules = (),
    ) -> int:  # fmt: skip
        """Write what a run left behind as safetensors, or the numbers of all runs for other tools.

        With RUN: its weights, if nothing else is named, keyed by path, with the model's state; metadata hold
        the spec, the decoding of inputs and versions.

        --to json: {run: {tag: value}} of all finished runs; a training and what was counted of its mask are
        one run. What was not recorded has no tag; whole numbers beyond 2^53 are text, with all digits.
        weightspace.read_summary(FILE) gives the table.

        --to tensorboard: a folder for each run, called after its labels and digest: histories at their exact
        steps under the names of `list metrics`, last values, labels as hparams. Scalars are rounded to
        float32, as the format has them; NaN and infinity stay such; whole numbers beyond 2^53, and what
        float32 cannot hold, are text, with all digits. Needs pip install 'weightspace[tensorboard]'.

        Args:
          out: Folder of results.
          run: The run: its digest, or the beginning of it; with json and tensorboard none means all.
          output: Which of its outputs; they are listed where there are several.
          at: A point of a learned region, such as 0.5 of a line, midpoint or vertex0: the network there, with
            statistics estimated for it on the run's training data.
          to: tensorboard, json, or for a run's arrays the file; by default
            OUT/export/RUN-OUTPUT.safetensors. A file that is called so is ./tensorboard.
          into: Where json and tensorboard go; by default OUT/export/summary.json, OUT/export/tensorboard.
          experiment: Only what this experiment asked (json, tensorboard).
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
        """
        from weightspace.cli.export import KINDS, check_arrays, export_numbers, export_output

        known = _known(experiments)
        if to in KINDS:
            if output is not None:
                raise InputError(f"--output chooses arrays of a run, but {to} has the numbers of runs")
            if at is not None:
                raise InputError(f"--at {at} is the network at a point, but {to} has the numbers of runs")
            print(export_numbers(_store(out), to, run, into, experiment, known))
            return 0
        check_arrays(run, to, into, experiment)
        print(export_output(_store(out), run, output, None if to is None else Path(to), at, known))
        return 0

    return parse(command, arguments, prog="weightspace export")


def compact(arguments: Sequence[str]) -> int:
    """Merge small files of a folder."""

    def command(out: Out) -> int:
        """Merge small files of rows, with their histories and arrays; nothing is lost.

        Args:
          out: Folder of results.
        """
        from weightspace.store.compact import compact as merge

        done = merge(_store(out))
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

        print(f"{drop(_store(out), keep) / 1e6:,.1f} MB freed")
        return 0

    return parse(command, arguments, prog="weightspace clean")


def _known(modules: tuple[str, ...]) -> Any:
    """The experiments of the modules that this command names."""
    from weightspace.experiments import experiments_in

    return experiments_in(modules)


def _store(out: Path) -> "Store":
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
