"""Engine: where cohorts are carried out. A job is plain data; the worker writes the store itself."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from weightspace.store.base import Store
from weightspace.sweeps.cohorts import Cohort
from weightspace.sweeps.execute import carry_out
from weightspace.sweeps.progress import Silent


@dataclasses.dataclass(frozen=True)
class Job:
    """A cohort to carry out, and where its results belong."""

    cohort: Cohort
    store: Path
    provenance: str


@dataclasses.dataclass(frozen=True)
class Done:
    """A job that came back.

    Attributes:
      job: The job.
      held_by: Who else works on the cohort, or None if it was carried out here.
      compile_seconds: Seconds of compilation.
    """

    job: Job
    held_by: str | None = None
    compile_seconds: float = 0.0


@runtime_checkable
class Engine(Protocol):
    """Carries out jobs, in any order."""

    def imap(self, jobs: Iterable[Job], progress: Silent) -> Iterator[Done]:
        """Each job once."""
        ...


def work_on(job: Job, progress: Silent) -> Done:
    """Carry out one job, unless another process holds its lease: the function all engines run."""
    store = Store(job.store)
    work = store.work(job.cohort.name)
    lease = work.lease()
    if not lease.acquire():
        return Done(job, held_by=str(lease.held_by() or "another process"))
    try:
        return Done(job, compile_seconds=carry_out(job.cohort, store, job.provenance, progress))
    finally:
        lease.release()
