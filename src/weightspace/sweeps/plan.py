"""Plan: what a question asks, what of it the store lacks, and the cohorts that would train it.

Made once: `--dry-run` and the question before hours of work read its cost, and the sweep goes on with it, so
that a question is asked, a run checked and resolved, and a program's start traced one time each. Cohorts of
later waves take shapes that are told without computing; they are formed only where somebody asks for them.
"""

import dataclasses
import functools
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import platform
from weightspace.code import check_unchanged
from weightspace.node import Node, Output, ancestors, fill, outputs_in
from weightspace.run import Row, Run
from weightspace.store.base import Store
from weightspace.store.rows import Record
from weightspace.sweeps.cohorts import Cohort, backend, group
from weightspace.sweeps.complete import complete
from weightspace.sweeps.keep import NOTHING, Kept, check_policy, told, unasked
from weightspace.sweeps.known import Known, growing
from weightspace.sweeps.prepared import Preparations
from weightspace.sweeps.question import Question, check_asked
from weightspace.sweeps.requests import Request, check_run, missing, satisfied
from weightspace.training.block import BlockKey, block_for, rebuild_run
from weightspace.training.program import Program


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """The first rows of a question, and what they need.

    Attributes:
      question: Who asks.
      asking: What the question yields after the first rows, as it is told their table.
      rows: The first rows.
      needed: All nodes that they need, by digest.
      wanted: Those of them that the store lacks.
      store: Where results are kept; None for an empty one.
      lanes: Runs a device works on at once; None takes the table's.
      prepared: Runs as they were resolved, for the sweep that follows.
      keep: What is kept of runs whose rows do not say it; see `keep`.
      kept: Networks that are kept unasked.
    """

    question: Question
    asking: Generator[list[Row], Any, None]
    rows: list[Row]
    needed: Mapping[str, Request]
    wanted: Mapping[str, Request]
    store: Store | None
    lanes: int | None
    prepared: Preparations = dataclasses.field(default_factory=Preparations)
    keep: str = "small"
    kept: Kept = NOTHING

    @functools.cached_property
    def blocked(self) -> frozenset[str]:
        """Digests of what is wanted and cannot be had: an ancestor of it diverged."""
        records = _records(self.store)
        if all(record.status != "diverged" for record in records.values()):
            return frozenset()
        found: dict[str, bool] = {}

        def gone(node: Node) -> bool:
            record = records.get(node.digest)
            return node.digest not in self.wanted and record is not None and record.status == "diverged"

        for node in _parents_first(request.node for request in self.wanted.values()):
            found[node.digest] = any(found.get(p.digest, False) or gone(p) for p in node.parents)
        return frozenset(digest for digest in self.wanted if found[digest])

    @functools.cached_property
    def derived(self) -> tuple[Request, ...]:
        """Derived values to compute."""
        return tuple(request for request in self._open if not isinstance(request.node, Run))

    @functools.cached_property
    def runs(self) -> tuple[Request, ...]:
        """Runs to train."""
        return tuple(request for request in self._open if isinstance(request.node, Run))

    @functools.cached_property
    def _open(self) -> list[Request]:
        return [request for digest, request in self.wanted.items() if digest not in self.blocked]

    @functools.cached_property
    def cohorts(self) -> tuple[Cohort, ...]:
        """All runs to train, in cohorts: those of a wave after those of the waves before it."""
        with growing():
            return tuple(self._formed())

    def _formed(self) -> list[Cohort]:
        formed: list[Cohort] = []
        for wave in _waves(self.runs):
            for cohort in group(wave, self.shapes, self.lanes, backend(), self.prepared):
                formed.append(cohort)
                self.shapes.trained_by |= dict.fromkeys(cohort.digests, cohort)
        return formed

    @functools.cached_property
    def shapes(self) -> "Shapes":
        """Of each output that runs take."""
        return Shapes(self)


@growing()
def plan(
    question: Question, store: Store | None = None, lanes: int | None = None, keep: str = "small"
) -> Plan:
    """Ask a question, check all it needs, and find what a store lacks.

    Args:
      question: The question.
      store: Where results are kept; None for an empty one.
      lanes: Runs a device works on at once; None takes the table's.
      keep: Which networks are kept where rows do not say it, one of `keep.POLICIES`.

    Raises:
      InputError: If it asks for nothing, or for something that makes no sense.
    """
    check_policy(keep)
    asking = question.ask()
    rows = next(asking, None)
    if rows is None:
        check_asked(question.name, [])
    rows = told(rows or [], keep)
    question.fields()  # raises where a setting cannot be recorded
    known = Known()
    needed = check_rows(rows, known)
    records = _records(store)
    wanted = dict(needed)
    if records:
        wanted = missing(rows, lambda r: satisfied(r, records.get(r.node.digest), known), known)
    kept = with_networks(needed, rows, keep, known)
    wanted = {digest: complete(r, records.get(digest), kept) for digest, r in wanted.items()}
    prepared = Preparations(known)
    return Plan(question, asking, rows, needed, wanted, store, lanes, prepared, keep, kept)


def with_networks(
    needed: Mapping[str, Request], rows: Iterable[Row], keep: str, known: Known | None = None
) -> Kept:
    """Which networks of a question are kept unasked."""
    return unasked((each.node for each in needed.values()), rows, known) if keep == "small" else NOTHING


def check_rows(rows: Iterable[Row], known: Known | None = None) -> dict[str, Request]:
    """All that rows need; raises what can be said against any run of it."""
    known = known or Known()
    needed = missing(rows, lambda _: False, known)
    seen: set[int] = set()
    for request in needed.values():
        check_unchanged((request.node, request.probes), seen)
        if isinstance(request.node, Run):
            check_run(request, known)
    return needed


def _records(store: Store | None) -> Mapping[str, Record]:
    return {} if store is None else store.records()


def _parents_first(nodes: Iterable[Node]) -> list[Node]:
    return list(ancestors(nodes).values())


def _waves(runs: Iterable[Request]) -> list[list[Request]]:
    """Runs by the number of trainings that must come before them."""
    runs = list(runs)
    if not any(request.node.parents for request in runs):
        return [runs] if runs else []
    depths: dict[str, int] = {}
    for node in _parents_first(request.node for request in runs):
        before = max((depths[parent.digest] for parent in node.parents), default=0)
        depths[node.digest] = isinstance(node, Run) + before
    waves: dict[int, list[Request]] = {}
    for request in runs:
        waves.setdefault(depths[request.node.digest], []).append(request)
    return [waves[number] for number in sorted(waves)]


class Shapes(dict[Output, Any]):
    """For each output, zeros of its shape that take no memory; found without computing.

    Attributes:
      trained_by: The cohorts planned so far, by the digests of their runs.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.trained_by: dict[str, Cohort] = {}
        self._ends: dict[BlockKey, dict[str, Any]] = {}

    def __missing__(self, output: Output) -> Any:
        node = output.of
        if node.digest not in self.plan.wanted and self.plan.store is not None:
            self[output] = self.plan.store.blank(node.digest, output.key)
        elif isinstance(node, Run):
            request = self.plan.wanted[node.digest]
            self[output] = jax.tree.map(_blank, self.outputs(request)[output.key])
        else:
            filled: Any = fill(node, {taken: self[taken] for taken in outputs_in(node)})
            self[output] = jax.tree.map(_blank, filled.blank().get(output.name, np.zeros(())))
        return self[output]

    def outputs(self, request: Request) -> dict[str, Any]:
        """Shapes of all outputs of a run that has a cohort, by key."""
        cohort, run = self.trained_by[request.node.digest], request.node
        assert isinstance(run, Run)
        made = self.plan.prepared(request, {output: self[output] for output in outputs_in(run)})
        key = made.key(run.precision, cohort.lanes, cohort.devices)
        if key not in self._ends:
            self._ends[key] = self._finished(key, made, request)
        return self._ends[key]

    def _finished(self, key: BlockKey, made: Any, request: Request) -> dict[str, Any]:
        block, run = block_for(key), request.node
        feed = block.feed(run)
        frame, carry = block.started(feed)
        with platform.arithmetic(key.dtype, key.matmul):
            program = Program(jax.tree.unflatten(key.probes, made.probes.leaves), made.groups)

            def end(leaves: Any, frame: Any, carry: Any) -> Any:
                return program.finish(rebuild_run(key, leaves), feed, frame, carry, jnp.int32(0))[0]

            found = jax.eval_shape(end, made.run.leaves, frame, carry)
        pairs = zip(request.probes, found, strict=True)
        return {f"{probe.key}.{name}": value for probe, own in pairs for name, value in own.items()}


def _blank(shape: Any) -> np.ndarray:
    return np.broadcast_to(np.zeros((), shape.dtype), shape.shape)
