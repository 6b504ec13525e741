"""What a finished run prints: the table, the thresholds, and where the figures and the page are."""

import time
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from weightspace.experiments.base import Experiment
from weightspace.store.base import Store
from weightspace.sweep.progress import Silent


def answer(experiment: Experiment, options: Any, console: Console, seconds: float, progress: Silent) -> int:
    """Print and draw; status 1 if a run failed or was blocked."""
    from weightspace.figures import draw
    from weightspace.report import write_report
    from weightspace.store.read import results

    store = Store(options.out, create=False)
    table = results(store, experiment.name)
    mine = asked_by(experiment, table)
    print_frame(console, experiment.summary(mine), experiment.question)
    for name, frame in experiment.analyse(mine).items():
        print_frame(console, experiment.shown(name, frame), name)
    began = time.perf_counter()
    figures = draw(store, experiment.name, options.format)
    page = write_report(store)
    drawn = time.perf_counter() - began
    states = mine["status"].value_counts().to_dict()
    parts = ", ".join(f"{count} {state}" for state, count in states.items())
    rate = f"{progress.rate:,.0f} run-steps/s in training, " if progress.run_steps else ""
    console.print(f"{parts}; {seconds:,.1f} s ({rate}compilation included), figures {drawn:,.1f} s")
    for figure in figures:
        console.print(f"figure  {figure}", soft_wrap=True)
    console.print(f"page    {page}", soft_wrap=True)
    bad = mine[mine["status"].isin(["failed", "blocked"])]
    for error in bad.get("error", pd.Series(dtype=str)).dropna().unique()[:5]:
        console.print(f"[red]{error}[/red]")
    return 1 if len(bad) else 0


def asked_by(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """The lines of the table that this very experiment asked for, among all of its name."""
    rows = next(experiment.ask())
    return table[table["run"].isin({row.node.digest for row in rows})]


def print_frame(console: Console, frame: pd.DataFrame, title: str) -> None:
    """A data frame as a table on the terminal."""
    shown = Table(title=title, title_justify="left")
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        shown.add_column(str(name), justify="right" if numeric else "left")
    for line in frame.itertuples(index=False):
        shown.add_row(*(cell(value) for value in line))
    console.print(shown)


def cell(value: Any) -> str:
    """A value as text: four digits, no trailing zeros, nothing for what is absent."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 and value == value // 1 else f"{value:.4g}"
    return str(value)
