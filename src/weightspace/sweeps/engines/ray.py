"""The Ray engine: a job for each worker of a cluster, which all see one folder of results.

A job travels as plain data and comes back as a few numbers; the worker writes the store itself, under the
same lease as any other process. A cohort takes a whole node, as its devices work on it together; a job of
derived values one CPU, or a whole node where there are accelerators.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from weightspace.errors import InputError, StoreError
from weightspace.store.base import Store
from weightspace.sweeps.engines.base import DerivedJob, Done, Job, work_on
from weightspace.sweeps.progress import Silent


class Ray:
    """Sends jobs to the cluster that `RAY_ADDRESS` names, or to one of this machine alone.

    Raises:
      InputError: If Ray is not installed.
      StoreError: If a worker does not see the folder of results.
    """

    @property
    def workers(self) -> int:
        """Derived values that are computed at once."""
        nodes = _nodes()
        return len(nodes) if all(n.get("GPU") for n in nodes) else int(sum(n.get("CPU", 1) for n in nodes))

    def imap(self, jobs: Iterable[Job], progress: Silent) -> Iterator[Done]:
        """In the order in which they are done."""
        ray, nodes = _ray(), _nodes()
        whole = {"num_cpus": min(node.get("CPU", 1) for node in nodes)}
        if all(node.get("GPU") for node in nodes):
            whole["num_gpus"] = min(node["GPU"] for node in nodes)
        # Derived values are of one thread for the most part; where there are accelerators they may need one.
        small = whole if "num_gpus" in whole else {"num_cpus": 1}
        work = ray.remote(_work)
        waiting = {
            work.options(**(small if isinstance(job, DerivedJob) else whole)).remote(job): job for job in jobs
        }
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(ready)
            try:
                done = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            if done.held_by is None:
                stored = progress.found_values if isinstance(job, DerivedJob) else progress.finished
                stored(len(job.requests))
            yield Done(job, done.held_by, done.compile_seconds)


def _nodes() -> list[dict[str, Any]]:
    """What the living nodes of the cluster have; it is joined, or made, if need be."""
    ray = _ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


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
