"""What a finished run prints: the table, the thresholds, where the figures and the page are, how to go on."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from weightspace.cli.hints import after, of_statistics
from weightspace.cli.output import print_frame
from weightspace.experiments.base import Experiment
from weightspace.store.base import Store
from weightspace.store.reasons import shortly
from weightspace.sweeps.progress import Silent

_ERRORS = 5
"""How many different errors are printed."""


def answer(
    experiment: Experiment, table: Any, options: Any, console: Console, seconds: float, progress: Silent,
    command: Sequence[str] = (), trainings: Iterable[Any] = (),
) -> int:  # fmt: skip
    """Print and draw the table that a sweep has given; status 1 if a run failed or was blocked.

    Args:
      experiment: What was asked.
      table: Its rows.
      options: How it was run.
      console: Where it is printed.
      seconds: How long the sweep took.
      progress: What it counted.
      command: The words of the command, for those to go on with.
      trainings: Those asked for, of which hints are given.
    """
    from weightspace.experiments.answered import answered, asked_exactly
    from weightspace.experiments.draw import draw
    from weightspace.report.page import write_report

    store = Store(options.out, create=False)
    mine = asked_exactly(store, experiment, table)
    print_frame(console, mine.summary, experiment.question)
    for name in mine.analyses:
        print_frame(console, mine.shown(name), name)
    began = time.perf_counter()
    # Its class is this command's own, so that also one of a stranger is known here.
    parts = answered(store, experiments=[type(experiment)])
    figures = draw(store, experiment.name, options.format, parts=parts)
    page = write_report(store, parts=parts)
    drawn = time.perf_counter() - began
    states = mine.table["status"].value_counts().to_dict()
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    rate = f"{progress.rate:,.0f} run-steps/s in training, " if progress.run_steps else ""
    console.print(f"{counts}; {seconds:,.1f} s ({rate}compilation included), figures {drawn:,.1f} s")
    for figure in figures:
        console.print(f"figure  {figure}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"page    {page}", soft_wrap=True, markup=False, highlight=False)
    ends = [*mine.errors.items(), *mine.diverged.items(), *mine.without_value.items()]
    for error, runs in ends[:_ERRORS]:
        console.print(f"{len(runs)} × {shortly(error)}", style="red", markup=False)
    if len(ends) > _ERRORS:
        console.print(f"{len(ends) - _ERRORS} more reasons: weightspace status {options.out}", markup=False)
    if mine.errors:
        return 1
    hints = of_statistics(trainings, mine.measured)
    for hint in (*hints, *after(experiment, options, command, mine.analyses)):
        console.print(hint, markup=False, highlight=False, soft_wrap=True)
    return 0
