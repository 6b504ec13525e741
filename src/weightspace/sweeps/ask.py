"""Drive an experiment: each time it asks for rows, compute what the store lacks, and answer with their table.

A restart replays the generator from the start: what is stored is not computed again, so it soon stands where
it was. Decisions are made on complete tables only.
"""

import contextlib
import dataclasses
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import pandas as pd

from weightspace import compiler, platform
from weightspace.errors import NoResultWarning, StoreError, check_number
from weightspace.node import Derived, Output, outputs_in
from weightspace.run import Row, Run
from weightspace.store.base import Store
from weightspace.store.provenance import collect
from weightspace.store.read import answers
from weightspace.store.reasons import without_result
from weightspace.store.rows import Record
from weightspace.sweeps.cohorts import Cohort, backend, form, group
from weightspace.sweeps.complete import complete
from weightspace.sweeps.engines import engine_named
from weightspace.sweeps.engines.base import CohortJob, DerivedJob, Engine, Job
from weightspace.sweeps.keep import told
from weightspace.sweeps.known import growing
from weightspace.sweeps.labels import pairs
from weightspace.sweeps.plan import Plan, check_rows, plan, with_networks
from weightspace.sweeps.progress import Silent
from weightspace.sweeps.question import Asked, Folder, Question, as_question, check_asked, check_folder
from weightspace.sweeps.requests import (
    DONE,
    Request,
    check_labels_apart,
    missing,
    ready,
    request_for,
    satisfied,
)
from weightspace.sweeps.rows import row_of


def sweep(
    asked: Asked,
    out: Folder,
    *,
    lanes: int | None = None,
    keep: str = "small",
    engine: str | Engine = "local",
    progress: Silent | None = None,
    command: list[str] | None = None,
) -> pd.DataFrame:
    """Train what is missing, and give the table.

    The answer is what is asked here, whatever else the folder holds; `results` gives all of it. Where
    something failed, was blocked or diverged, a `NoResultWarning` says how many and why.

    Args:
      asked: An experiment, or a list of runs, or of rows of labels and nodes.
      out: Folder of results; it is made if need be. The same folder again resumes.
      lanes: Runs a device works on at once; None takes the table's.
      keep: Which networks are kept, for `load` and `export`: `small`, the final ones of new runs if they
        take less than 200 MB together; `final`; `best`, of least validation loss; `none`. Rows go before it.
      engine: Where cohorts are carried out.
      progress: What to tell of the progress.
      command: What provenance names as the command.

    Returns:
      The rows asked, once each, in their order; columns `run experiment model data seed status seconds
      error`, labels, settings that rows of equal labels differ in (such as `recipe.optimiser.lr`), metrics.

    Raises:
      InputError: If something asked makes no sense; nothing computed before is lost.
    """
    check_number("lanes", lanes, least=1)
    question = as_question(asked)
    options = {"engine": engine, "progress": progress, "command": command}
    return see_through(lambda store: plan(question, store, lanes, keep), out, **options)


def see_through(
    planned: Callable[[Store], Plan],
    out: Folder,
    *,
    engine: str | Engine = "local",
    progress: Silent | None = None,
    command: list[str] | None = None,
) -> pd.DataFrame:
    """Carry out a plan, made before or from the store: `sweep` without its checks.

    Args:
      planned: Gives the plan.
      out: Folder of results.
      engine: Where jobs are carried out.
      progress: What to tell of the progress.
      command: What provenance names as the command.
    """
    compiler.guard()
    platform.check_settings()
    workers, store = engine_named(engine), Store(check_folder(out))
    machine = {"device": device_name(), "backend": backend()} | platform.settings()
    record = collect(command or []) | machine
    provenance, began = store.save_provenance(record), time.perf_counter()

    def close(status: int) -> None:
        seconds = time.perf_counter() - began
        store.close_provenance(provenance, seconds=seconds, exit_status=status)

    try:
        with platform.draws():
            table = Driver(store, provenance, planned(store), workers, progress or Silent()).drive()
    except BaseException:
        # What went wrong first is the better news, even if the end cannot be noted.
        with contextlib.suppress(StoreError):
            close(1)
        raise
    close(0)
    if text := without_result(table):
        warnings.warn(NoResultWarning(text), stacklevel=3)
    return table


def device_name() -> str:
    """The kind and number of JAX's devices."""
    devices = jax.local_devices()
    return f"{len(devices)} × {devices[0].device_kind}"


class Driver:
    """One sweep: the store, what is planned, where to run."""

    def __init__(self, store: Store, provenance: str, planned: Plan, engine: Engine, progress: Silent):
        self.store = store
        self.provenance = provenance
        self.planned = planned
        self.engine = engine
        self.progress = progress
        self.kept = planned.kept
        self.tried: dict[str, int] = {}
        self.began = time.time()

    def drive(self) -> pd.DataFrame:
        """Replay the question against the store until it asks for nothing more."""
        question, rows = self.planned.question, self.planned.rows
        asked: list[Row] = []
        needed = dict(self.planned.needed)
        try:
            while True:
                asked += rows
                check_labels_apart(asked)
                # Before anything is computed: a long sweep can be looked at while it goes on.
                self._note(question, asked)
                self.answer(rows)
                rows = self.planned.asking.send(self._table(question.name, asked))
                rows = told(rows, self.planned.keep)
                needed |= check_rows(rows)
                self.kept = with_networks(needed, [*asked, *rows], self.planned.keep)
        except StopIteration:
            pass
        check_asked(question.name, asked)
        return self._table(question.name, asked)

    @growing()
    def _note(self, experiment: Question, rows: list[Row]) -> None:
        self.store.ask(experiment.name, pairs(rows), experiment.fields())

    def _table(self, name: str, rows: list[Row]) -> pd.DataFrame:
        """The rows asked so far, and no others: neither a folder nor half a sweep may change a decision."""
        return answers(self.store, name, pairs(rows))

    def answer(self, rows: list[Row]) -> None:
        """Compute what the rows need and the store lacks, wave after wave."""
        while True:
            there = self._there()
            wanted = missing(rows, there, self.planned.prepared.known)
            if not wanted:
                return
            while self._block_children(wanted):
                there = self._there()  # what waits for a blocked node is blocked in its turn
            wave = [r for r in ready(wanted, there) if r.node.digest in wanted]
            wave = [r for r in wave if not there(r)]
            if not wave:
                return
            # Values first: with what they make more runs may join a cohort.
            self._carry_out([r for r in wave if isinstance(r.node, Derived)] or wave)

    def _there(self) -> Callable[[Request], bool]:
        """Whether the store has, by now, all that is asked of a node, or knows that it cannot be had."""
        records, known = self.store.records(), self.planned.prepared.known

        def there(request: Request) -> bool:
            record = records.get(request.node.digest)
            if record is not None and record.status not in DONE:
                return self.tried.get(request.node.digest, 0) > 0
            return satisfied(request, record, known)

        return there

    def _block_children(self, wanted: Mapping[str, Request]) -> int:
        """Record as blocked what depends on a node that diverged, failed or is blocked; gives how many."""
        rows = []
        there, records = self._there(), self.store.records()
        for digest, request in wanted.items():
            outputs = outputs_in(request.node)
            if not outputs or there(request):
                continue
            for parent in request_for(outputs).values():
                record = records.get(parent.node.digest)
                if record is not None and there(parent) and record.status != "ok":
                    text = _blocked_by(record)
                    rows.append(row_of(request.node, "blocked", self.provenance, error=text))
                    self.tried[digest] = self.tried.get(digest, 0) + 1
                    break
        if rows:
            self.store.write_derived(f"blocked-{rows[0].digest[:16]}", rows, {})
        return len(rows)

    def _carry_out(self, wave: list[Request]) -> None:
        records = self.store.records()
        runs = [
            complete(request, records.get(request.node.digest), self.kept)
            for request in wave
            if isinstance(request.node, Run)
        ]
        for request in wave:
            self.tried[request.node.digest] = self.tried.get(request.node.digest, 0) + 1
        derived = [request for request in wave if isinstance(request.node, Derived)]
        if derived:
            self.progress.expect_values(len(derived))
            self._derive(derived)
        if runs:
            cohorts = self.cohorts(runs)
            self.progress.expect(len(runs), sum(len(c.requests) * c.steps for c in cohorts))
            self._train(cohorts)

    def cohorts(self, runs: list[Request]) -> list[Cohort]:
        """Cohorts left unfinished are formed as they were; the rest anew."""
        prepared, lanes = self.planned.prepared, self.planned.lanes
        open_requests = {request.node.digest: request for request in runs}
        cohorts = []
        for work in self.store.unfinished():
            manifest = work.manifest()
            if manifest is None:
                continue
            members = [open_requests.get(digest) for digest in manifest["digests"]]
            if any(member is None for member in members):
                continue
            again = form([m for m in members if m is not None], manifest["lanes"], prepared)
            if again.name == manifest["cohort"]:
                cohorts.append(again)
                for digest in manifest["digests"]:
                    del open_requests[digest]
        shapes = self._shapes(open_requests.values())
        return cohorts + group(open_requests.values(), shapes, lanes, backend(), prepared)

    def _shapes(self, requests: Iterable[Request]) -> dict[Output, Any]:
        outputs = {output for request in requests for output in outputs_in(request.node)}
        return {output: self.store.blank(output.of.digest, output.key) for output in outputs}

    def _train(self, cohorts: list[Cohort]) -> None:
        self._see_through([CohortJob(cohort, self.store.root, self.provenance) for cohort in cohorts])

    def _derive(self, requests: list[Request]) -> None:
        """Values are divided into a few jobs for each that the engine carries out at once."""
        workers = getattr(self.engine, "workers", 1)
        size = len(requests) if workers == 1 else -(-len(requests) // (4 * workers))
        parts = [tuple(requests[i : i + size]) for i in range(0, len(requests), size)]
        self._see_through([DerivedJob(part, self.store.root, self.provenance, self.began) for part in parts])

    def _see_through(self, jobs: Sequence[Job]) -> None:
        """Carry out jobs; what another process works on is waited for."""
        while jobs:
            came_back = self.engine.imap(jobs, self.progress)
            elsewhere = [done.job for done in came_back if done.held_by is not None]
            jobs = [job for held in elsewhere if (job := self._left(held)) is not None]
            if jobs:
                self.progress.note("waiting for another process")
                time.sleep(1.0)

    def _left(self, job: Job) -> Job | None:
        """What of a job is not finished yet."""
        there = self._there()
        left = tuple(request for request in job.requests if not there(request))
        if isinstance(job, DerivedJob):
            return dataclasses.replace(job, requests=left) if left else None
        return job if left else None


def _blocked_by(parent: Record) -> str:
    """Why a node is blocked: the first of its ancestors that has no result, and what became of it."""
    if parent.status == "blocked" and parent.error:
        return parent.error
    return f"parent {parent.digest} is {parent.status}" + (f": {parent.error}" if parent.error else "")
