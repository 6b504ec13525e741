"""The Ray engine: a cohort for each worker of a cluster, which all see one folder of results.

A job travels as plain data and comes back as a few numbers; the worker writes the store itself, under the
same lease as any other process. Each worker takes a whole node, as its devices work on one cohort together.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from weightspace.errors import InputError, StoreError
from weightspace.store.base import Store
from weightspace.sweeps.engines.base import Done, Job, work_on
from weightspace.sweeps.progress import Silent


class Ray:
    """Sends jobs to the cluster that `RAY_ADDRESS` names, or to one of this machine alone.

    Raises:
      InputError: If Ray is not installed.
      StoreError: If a worker does not see the folder of results.
    """

    def imap(self, jobs: Iterable[Job], progress: Silent) -> Iterator[Done]:
        """In the order in which they are done."""
        ray = _ray()
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        whole = {"num_cpus": min(node.get("CPU", 1) for node in nodes)}
        if all(node.get("GPU") for node in nodes):
            whole["num_gpus"] = min(node["GPU"] for node in nodes)
        work = ray.remote(_work).options(**whole)
        waiting = {work.remote(job): job for job in jobs}
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(ready)
            try:
                done = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            if done.held_by is None:
                progress.finished(len(job.cohort.requests))
            yield Done(job, done.held_by, done.compile_seconds)


def _work(job: Job) -> Done:
    """What a worker does."""
    from weightspace import platform

    platform.start()
    try:
        Store(job.store, create=False)
    except StoreError as error:
        raise StoreError(
            f"a worker of the cluster does not see the folder {job.store}; choose one that all nodes share"
        ) from error
    return work_on(job, Silent())


def _ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.exceptions  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("the engine 'ray' needs Ray; install weightspace[ray]") from None
    return ray
