"""Prepared: a run and its probes as numbers and shapes, made once a run.

Planning needs the shapes of what other nodes make, training the arrays: a run is resolved with shapes in
their place, and each block puts the arrays there. What was prepared for an estimate serves the sweep that
follows.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from weightspace.code import check_unchanged
from weightspace.flat import flat
from weightspace.node import Output, outputs_in
from weightspace.precision import Precision
from weightspace.run import Run
from weightspace.sweeps.known import Known
from weightspace.sweeps.requests import Request, total_steps
from weightspace.training.block import BlockKey
from weightspace.training.resolve import (
    Numbers,
    Resolved,
    common_values,
    resolve,
    resolve_probes,
    shapes_apart,
)


class Prepared(NamedTuple):
    """A run and its probes, resolved.

    Attributes:
      run: The run; shapes, or arrays, in the place of other nodes' outputs.
      probes: Its probes.
      groups: Which of them are read together.
    """

    run: Resolved
    probes: Resolved
    groups: tuple[tuple[int, ...], ...]

    def key(self, precision: Precision, lanes: int, devices: int) -> BlockKey:
        """Of the blocks of such runs."""
        return BlockKey.of(self.run, self.probes, self.groups, precision, lanes, devices)

    def with_arrays(self, run: Run, arrays: Mapping[Output, Any]) -> Resolved:
        """The run with arrays in the place of the shapes."""
        leaves: list[Any] = []
        for item in jax.tree.leaves(run):
            mine = jax.tree.leaves(arrays[item]) if isinstance(item, Output) else [None]
            planned = self.run.leaves[len(leaves) : len(leaves) + len(mine)]
            leaves += [
                here if given is None else np.asarray(given).astype(here.dtype, copy=False)
                for here, given in zip(planned, mine, strict=True)
            ]
        return dataclasses.replace(self.run, leaves=tuple(leaves))


class Preparations:
    """What was prepared so far, by run, what is recorded of it, and the shapes of what it takes.

    Attributes:
      known: What was found of all these runs.
    """

    def __init__(self, known: Known | None = None) -> None:
        self.known = known or Known()
        self._made: dict[Any, Prepared] = {}
        self._programs: dict[Any, tuple[int, tuple[bytes, ...]]] = {}
        self._keys: dict[BlockKey, int] = {}
        self._numbers = Numbers()

    def program(
        self, request: Request, arrays: Mapping[Output, Any], steps: tuple[int, int], seen: set[int]
    ) -> tuple[int, tuple[bytes, ...]]:
        """Which program trains a run, as a number, and the bits of its probes' own numbers.

        Found once for all runs of one form that take arrays of the same shapes.

        Args:
          request: The run and what is asked of it.
          arrays: For each output it takes, arrays or shapes of it.
          steps: Of the run, and of its epoch.
          seen: What was found unchanged of the runs around it.
        """
        run = request.node
        assert isinstance(run, Run)
        form, _ = flat(run)

        def find() -> tuple[int, tuple[bytes, ...]]:
            made = self(request, arrays, seen)
            key = made.key(run.precision, 1, 1)
            return self._keys.setdefault(key, len(self._keys)), made.probes.common_values()

        probes = tuple([probe.digest for probe in request.probes])
        given = _given(_shapes(request, arrays))
        name = (form, shapes_apart(run), given, probes, request.readings, steps)
        if name not in self._programs:
            self._programs[name] = find()
        return self._programs[name]

    def common_values(self, run: Run, steps: tuple[int, int]) -> tuple[bytes, ...]:
        """The bits of the numbers that a run has in common with its cohort."""
        return common_values(run, *steps, self._numbers)

    def __call__(
        self, request: Request, arrays: Mapping[Output, Any], seen: set[int] | None = None
    ) -> Prepared:
        """A run and its probes.

        Args:
          request: The run and what is asked of it.
          arrays: For each output it takes, arrays or shapes of it.
          seen: What was found unchanged of the runs around it.
        """
        shapes = _shapes(request, arrays)
        probes = tuple(probe.digest for probe in request.probes)
        key = (request.node.digest, probes, request.readings, _given(shapes))
        if key not in self._made:
            self._made[key] = prepare(request, shapes, seen, self._numbers)
        return self._made[key]


def _shapes(request: Request, arrays: Mapping[Output, Any]) -> dict[Output, Any]:
    """Shapes of all that a run takes of other nodes."""
    return {output: jax.tree.map(_shape, arrays[output]) for output in outputs_in(request.node)}


def _given(shapes: Mapping[Output, Any]) -> tuple[Any, ...]:
    """The same, as what can be compared."""
    return tuple(
        [
            (
                output.key,
                output.shared,
                jax.tree.structure(tree),
                tuple((x.shape, str(x.dtype)) for x in jax.tree.leaves(tree)),
            )
            for output, tree in shapes.items()
        ]
    )


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def prepare(
    request: Request,
    arrays: Mapping[Output, Any],
    seen: set[int] | None = None,
    numbers: Numbers | None = None,
) -> Prepared:
    """A run and its probes as arrays, and which probes are read together.

    Args:
      request: The run and what is asked of it.
      arrays: For each output it takes, arrays or shapes of it.
      seen: What was found unchanged of the runs around it.
      numbers: Of other runs, to share arrays with.

    Raises:
      InputError: If a user's code is another than when the run was named: where this runs, or by now.
    """
    check_unchanged((request.node, request.probes), seen)
    run = request.node
    assert isinstance(run, Run)
    total, per_epoch = total_steps(run)
    resolved = resolve(run, arrays, total, per_epoch, numbers)
    probes = resolve_probes(request.probes, total, per_epoch, run.precision.storage)
    return Prepared(resolved, probes, probe_groups(request, total, per_epoch))


def probe_groups(request: Request, total: int, per_epoch: int) -> tuple[tuple[int, ...], ...]:
    """Indices of the probes that are read together: first those of the readings, then each other.

    A probe whose own points are the readings is one of the first: what it measures there is shared.
    """
    own = [probe.readings(total, per_epoch) for probe in request.probes]
    watched = tuple(i for i, points in enumerate(own) if points in (None, request.readings))
    return (watched, *((i,) for i in range(len(own)) if i not in watched))
