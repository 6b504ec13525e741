"""Progress on a terminal: runs done, run-steps a second, time left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Silent:
    """Counts, says nothing; also the base of what is shown."""

    def __init__(self) -> None:
        self.runs_done = 0
        self.runs_total = 0
        self.run_steps = 0
        self.run_steps_total = 0
        self.seconds = 0.0
        self.values_done = 0
        self.values_total = 0

    def expect_values(self, values: int) -> None:
        """More derived values were found to be missing."""
        self.values_total += values
        self.show()

    def found_values(self, values: int = 1) -> None:
        """Derived values are there."""
        self.values_done += values
        self.show()

    def expect(self, runs: int, run_steps: int) -> None:
        """More work was found."""
        self.runs_total += runs
        self.run_steps_total += run_steps
        self.show()

    def advance(self, run_steps: int, seconds: float) -> None:
        """Steps were done, in so many seconds without compilation."""
        self.run_steps += run_steps
        self.seconds += seconds
        self.show()

    def finished(self, runs: int = 1) -> None:
        """Runs were stored."""
        self.runs_done += runs
        self.show()

    def note(self, text: str) -> None:
        """Say what is being done."""

    def show(self) -> None:
        """Redraw."""

    @property
    def rate(self) -> float:
        """Run-steps a second."""
        return self.run_steps / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far."""
        return (self.run_steps_total - self.run_steps) / self.rate if self.rate else None


class Bar(Silent):
    """A line on the terminal."""

    def __init__(self, progress: Progress):
        super().__init__()
        self.progress = progress
        self.task = progress.add_task("planning", total=None, detail="")
        self.last = 0.0

    def note(self, text: str) -> None:
        """The first words of the line."""
        self.progress.update(self.task, description=text)

    def show(self) -> None:
        """Redraw, a few times a second at the most."""
        if time.monotonic() - self.last < 0.1 and self.run_steps < self.run_steps_total:
            return
        self.last = time.monotonic()
        left = self.seconds_left
        time_left = "" if left is None else f" · {left:,.0f} s left"
        detail = f"{self.runs_done}/{self.runs_total} runs · {self.rate:,.0f} run-steps/s{time_left}"
        if self.values_total:
            detail += f" · {self.values_done}/{self.values_total} derived values"
        self.progress.update(
            self.task, completed=self.run_steps, total=self.run_steps_total or None, detail=detail
        )


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[Silent]:
    """A bar on a terminal; nothing where the output is no terminal."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield Silent()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress)
