"""The local engine: jobs one after the other in this process, on all of its devices."""

from collections.abc import Iterable, Iterator

from weightspace.sweeps.engines.base import Done, Job, work_on
from weightspace.sweeps.progress import Silent


class Local:
    """Runs jobs here."""

    def imap(self, jobs: Iterable[Job], progress: Silent) -> Iterator[Done]:
        """In the order given."""
        for job in jobs:
            yield work_on(job, progress)
