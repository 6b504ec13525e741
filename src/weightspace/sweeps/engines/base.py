"""Engine: where jobs are carried out. A job is plain data; the worker writes the store itself."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from weightspace.store.base import Store
from weightspace.sweeps import derive, execute
from weightspace.sweeps.cohorts import Cohort
from weightspace.sweeps.progress import Silent
from weightspace.sweeps.requests import Request


@dataclasses.dataclass(frozen=True)
class CohortJob:
    """A cohort to train, and where its results belong."""

    cohort: Cohort
    store: Path
    provenance: str

    @property
    def requests(self) -> tuple[Request, ...]:
        """What is asked of its runs."""
        return self.cohort.requests


@dataclasses.dataclass(frozen=True)
class DerivedJob:
    """Derived values to compute, and where they belong.

    Attributes:
      requests: One a value.
      store: The folder of results.
      provenance: The id of the sweep's circumstances.
      since: When the sweep began, seconds since 1970: what has failed since then is not tried again.
    """

    requests: tuple[Request, ...]
    store: Path
    provenance: str
    since: float

    @property
    def digests(self) -> tuple[str, ...]:
        """Of its values."""
        return tuple(request.node.digest for request in self.requests)


Job: TypeAlias = CohortJob | DerivedJob


@dataclasses.dataclass(frozen=True)
class Done:
    """A job that came back.

    Attributes:
      job: The job.
      held_by: Who else works on the cohort, or on some of the values; None if all was carried out here.
      compile_seconds: Seconds of compilation.
    """

    job: Job
    held_by: str | None = None
    compile_seconds: float = 0.0


@runtime_checkable
class Engine(Protocol):
    """Carries out jobs, in any order; one that carries out several at once says in `workers` how many."""

    def imap(self, jobs: Iterable[Job], progress: Silent) -> Iterator[Done]:
        """Each job once."""
        ...


def work_on(job: Job, progress: Silent) -> Done:
    """Carry out one job, but for what another process holds the lease of: the function all engines run."""
    store = Store(job.store)
    if isinstance(job, DerivedJob):
        held_by = derive.carry_out(job.requests, store, job.provenance, job.since, progress)
        return Done(job, held_by)
    work = store.work(job.cohort.name)
    lease = work.lease()
    if not lease.acquire():
        return Done(job, held_by=str(lease.held_by() or "another process"))
    try:
        seconds = execute.carry_out(job.cohort, store, job.provenance, progress)
        return Done(job, compile_seconds=seconds)
    finally:
        lease.release()
