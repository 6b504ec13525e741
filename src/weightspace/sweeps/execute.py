"""Carry out one cohort: block after block, with what is done on disk every few seconds.

A block's carry and the rows of finished blocks go to the cohort's work folder; a restart, even after a
killed process, continues there. The cohort's files are written once, at its end. A run that diverges is a
result; a block that does not fit in memory is halved; a cohort whose program fails is recorded with the
error's text.
"""

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from weightspace.errors import StoreError
from weightspace.node import Output, fill, outputs_in
from weightspace.run import Run
from weightspace.store.base import Store
from weightspace.sweeps.cohorts import Cohort, edit_events, reading_plan
from weightspace.sweeps.complete import carry_over
from weightspace.sweeps.memory import lanes_that_fit, run_bytes
from weightspace.sweeps.prepared import Preparations
from weightspace.sweeps.progress import Silent
from weightspace.sweeps.requests import Request, satisfied
from weightspace.sweeps.rows import Reading, Results, block_results, row_of
from weightspace.sweeps.trouble import Search, loss_trouble, on_host
from weightspace.training.block import SEGMENTS, Block, block_for
from weightspace.training.resolve import Resolved
from weightspace.training.step import layout_of_run
from weightspace.tree import from_numbers, to_numbers

SAVE_SECONDS = 5.0
CALL_SECONDS = 1.0
FIRST_STEPS = 20
"""Steps of a block's first call, from which the length of the next ones is judged."""


def carry_out(cohort: Cohort, store: Store, provenance: str, progress: Silent) -> float:
    """Train a cohort and store it; gives the seconds of compilation.

    Raises:
      StoreError: If the results cannot be written; what was finished before stays.
    """
    work = store.work(cohort.name)
    work.write_manifest(cohort.manifest())
    results = Results()
    blocks = work.done_blocks()
    for rows, history, arrays in blocks.values():
        results.add(Results(list(rows), history.to_pydict(), dict(arrays)))
    done = {row.digest for row in results.rows}
    records = store.records()  # another process may have finished some meanwhile
    done |= {r.node.digest for r in cohort.requests if satisfied(r, records.get(r.node.digest))}
    progress.finished(len(done))
    progress.advance(len(done) * cohort.steps, 0.0)
    todo = [request for request in cohort.requests if request.node.digest not in done]
    worker = _Worker(store, work, provenance, progress, 1 + max(blocks, default=-1), cohort.prepared)
    try:
        worker.train(todo, cohort, results)
    except (KeyboardInterrupt, StoreError):
        raise
    except Exception as error:
        finished = {row.digest for row in results.rows}
        failed = [r.node for r in todo if r.node.digest not in finished]
        results.rows += [row_of(run, "failed", provenance, raised=error) for run in failed]
        progress.finished(len(failed))
    for place, row in enumerate(results.rows):
        results.rows[place], earlier = carry_over(store, row, results.history)
        results.arrays |= earlier
    store.write_cohort(cohort.name, results.rows, results.history, results.arrays)
    work.finish()
    return worker.compile_seconds


@dataclasses.dataclass
class _Worker:
    store: Store
    work: Any
    provenance: str
    progress: Silent
    next_block: int
    prepared: Preparations
    compile_seconds: float = 0.0

    def train(self, todo: Sequence[Request], cohort: Cohort, results: Results) -> None:
        """All blocks of what is still to do; out of memory halves the lanes."""
        lanes = cohort.lanes
        now: Sequence[Request] = ()
        while todo:
            devices = dataclasses.replace(cohort, lanes=lanes).devices
            try:
                size = self._block_size(todo[0], lanes, devices)
                lanes = size // devices
                now, todo = todo[:size], todo[size:]
                results.add(self._train_block(now, lanes, devices))
            except jax.errors.JaxRuntimeError as error:
                if lanes == 1 or "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                lanes, todo = lanes // 2, [*now, *todo]

    def _arrays(self, run: Run) -> Mapping[Output, Any]:
        return {output: self.store.output(output.of.digest, output.key) for output in outputs_in(run)}

    def _resolved(self, request: Request) -> Resolved:
        run = request.node
        assert isinstance(run, Run)
        arrays = self._arrays(run)
        return self.prepared(request, arrays).with_arrays(run, arrays)

    def _block_size(self, request: Request, lanes: int, devices: int) -> int:
        run = request.node
        assert isinstance(run, Run)
        arrays = self._arrays(run)
        # What other nodes made was no array yet when the run was asked for; runs of a cohort have one shape.
        fill(run, arrays).space.check(layout_of_run(run))
        planned = self.prepared(request, arrays)
        key = planned.key(run.precision, lanes, devices)
        block = block_for(key)
        each = run_bytes(key, planned.run, block.feed(run))
        return devices * lanes_that_fit(lanes, each, devices, temporaries=block.memory() or 0)

    def _train_block(self, requests: Sequence[Request], lanes: int, devices: int) -> Results:
        run = requests[0].node
        assert isinstance(run, Run)
        resolved = [self._resolved(request) for request in requests]
        first = self.prepared(requests[0], {o: self.store.blank(o.of.digest, o.key) for o in outputs_in(run)})
        block = block_for(first.key(run.precision, lanes, devices))
        compiled_before = block.compile_seconds
        padded = resolved + [resolved[-1]] * (block.key.size - len(resolved))
        training = _Training(block, block.put_runs(padded, first.probes), block.feed(run), requests, self)
        found = training.go()
        self.compile_seconds += block.compile_seconds - compiled_before
        self.work.append_rows(self.next_block, found.rows, found.history, found.arrays)
        self.next_block += 1
        self.progress.finished(len(requests))
        return found


@dataclasses.dataclass
class _Training:
    """One block from its first step to its rows."""

    block: Block
    runs: Any
    feed: Any
    requests: Sequence[Request]
    worker: _Worker
    t: int = 0
    seconds: float = 0.0
    read: list[tuple[int, dict[str, np.ndarray]]] = dataclasses.field(default_factory=list)
    troubles: dict[int, str] = dataclasses.field(default_factory=dict)

    def go(self) -> Results:
        frame, carry = self.block.start(self.runs, self.feed)
        carry = self._restore(carry)
        self._examine(frame, carry)
        plan = [(step, flags) for step, flags in reading_plan(self.requests[0]) if not self._was_read(step)]
        budget, saved = FIRST_STEPS, time.monotonic()
        while plan:
            steps, reads, at, plan = _next_call(plan, self.t, budget)
            compiled = self.block.compile_seconds
            began = time.perf_counter()
            carry, records = self.block.advance(self.runs, self.feed, frame, carry, self.t, steps, reads)
            host = {name: np.asarray(value) for name, value in jax.device_get(records).items()}
            passed = time.perf_counter() - began - (self.block.compile_seconds - compiled)
            self._note(at, host)
            done = sum(steps)
            self.t, self.seconds = self.t + done, self.seconds + passed
            self.worker.progress.advance(done * len(self.requests), passed)
            self._examine(frame, carry)
            if done and passed < CALL_SECONDS:
                budget = max(budget, min(budget * 8, int(done * CALL_SECONDS / max(passed, 1e-4))))
            elif done:
                budget = max(1, int(done * CALL_SECONDS / passed))
            if plan and time.monotonic() - saved > SAVE_SECONDS:
                self._save(carry)
                saved = time.monotonic()
        outputs, bad_steps = jax.device_get(self.block.finish(self.runs, self.feed, frame, carry, self.t))
        return self._results(outputs, bad_steps)

    def _examine(self, frame: Any, carry: Any) -> None:
        """Find where those runs broke that a check has found broken since the last time."""
        found = np.asarray(jax.device_get(carry.found))[: len(self.requests)]
        fresh = {i: int(step) for i, step in enumerate(found) if step >= 0 and i not in self.troubles}
        if not fresh:
            return
        search = Search(self.block, self.runs, self.feed, frame, edit_events(self.requests[0]))
        at_start = [lane for lane, step in fresh.items() if step == 0]
        if at_start:
            self.troubles |= search.at_start(self.block.start(self.runs, self.feed)[1], at_start)
        fresh = {lane: step for lane, step in fresh.items() if step > 0}
        if not fresh:
            return
        saved = self._load(carry)
        if saved is None:
            sound, start = on_host(self.block.start(self.runs, self.feed)[1]), 0
        else:
            sound, start = saved[0], saved[2]["t"]
        self.troubles |= search.within(sound, start, fresh)

    def _note(self, at: list[int | None], records: dict[str, np.ndarray]) -> None:
        for segment, step in enumerate(at):
            if step is not None:
                self.read.append((step, {name: value[segment] for name, value in records.items()}))

    def _was_read(self, step: int) -> bool:
        return any(step == there for there, _ in self.read)

    def _save(self, carry: Any) -> None:
        leaves = [to_numbers(leaf) for leaf in jax.device_get(jax.tree.leaves(carry))]
        flat = {f"carry/{i}": leaf for i, leaf in enumerate(leaves)}
        for name in self.read[0][1] if self.read else ():
            flat[f"read/{name}"] = np.stack([record[name] for _, record in self.read])
        info = self._this_block() | {
            "t": self.t, "steps": [step for step, _ in self.read], "seconds": self.seconds,
            "troubles": sorted(self.troubles.items()),
        }  # fmt: skip
        self.worker.work.save_carry(flat, info)

    def _this_block(self) -> dict[str, Any]:
        """What tells this block and the way it is batched from others."""
        members = [request.node.digest for request in self.requests]
        return {"members": members, "lanes": self.block.key.lanes, "devices": self.block.key.devices}

    def _load(self, like: Any) -> tuple[Any, Mapping[str, np.ndarray], Mapping[str, Any]] | None:
        """The carry last saved, where it is of this very block, and all else that was saved with it."""
        saved = self.worker.work.load_carry()
        if saved is None:
            return None
        flat, info = saved
        own = self._this_block()
        leaves, structure = jax.tree.flatten(like)
        names = [f"carry/{i}" for i in range(len(leaves))]
        if {name: info.get(name) for name in own} != own or any(name not in flat for name in names):
            return None
        found = [from_numbers(flat[name], leaf) for name, leaf in zip(names, leaves, strict=True)]
        return jax.tree.unflatten(structure, found), flat, info

    def _restore(self, fresh: Any) -> Any:
        """The saved carry, where there is one; else the fresh one."""
        saved = self._load(fresh)
        if saved is None:
            return fresh
        carry, flat, info = saved
        self.t, self.seconds, self.troubles = info["t"], info["seconds"], dict(info["troubles"])
        names = [name.removeprefix("read/") for name in flat if name.startswith("read/")]
        self.read = [
            (step, {name: flat[f"read/{name}"][i] for name in names}) for i, step in enumerate(info["steps"])
        ]
        self.worker.progress.advance(self.t * len(self.requests), 0.0)
        return self.block.put(carry)

    def _results(self, outputs: Any, bad_steps: np.ndarray) -> Results:
        began = {place: int(step) for place, step in enumerate(bad_steps) if step >= 0}
        errors = {place: loss_trouble(step) for place, step in began.items()} | self.troubles
        lost = {place: step for place, step in began.items() if errors[place] == loss_trouble(step)}
        flags, edited = dict(reading_plan(self.requests[0])), edit_events(self.requests[0])
        read = [
            Reading(
                step,
                record,
                frozenset().union(*itertools.compress(self.block.names, flags[step])),
                edited=step in edited,
            )
            for step, record in self.read
        ]
        return block_results(
            self.requests, read, outputs, errors, self.worker.provenance,
            seconds=self.seconds / len(self.requests), steps=self.t, lost=lost,
        )  # fmt: skip


def _next_call(
    plan: list[tuple[int, tuple[bool, ...]]], t: int, budget: int
) -> tuple[list[int], list[tuple[bool, ...]], list[int | None], list[tuple[int, tuple[bool, ...]]]]:
    """Stretches of the next call: up to `SEGMENTS`, up to `budget` steps, the last one cut if need be."""
    steps, reads, at = [], [], []
    while plan and len(steps) < SEGMENTS:
        (end, flags), rest = plan[0], plan[1:]
        if end - t > budget:
            if budget:
                steps.append(budget)
                reads.append((False,) * len(flags))
                at.append(None)
            break
        steps.append(end - t)
        reads.append(flags)
        at.append(end)
        budget -= end - t
        t, plan = end, rest
    return steps, reads, at, plan
