"""Paths: from which examples each value of a batch is computed, read off the program without its numbers.

A function's jaxpr is gone through equation by equation, with a few rows, and for each element of each array
the set of rows is kept of which it is made: elementwise operations join the sets of their operands, a
reduction those along its axes, an index that is itself computed reaches all along its axis. So a mean over
the batch shows whatever the numbers are, though it be of a class that is rare, or a maximum that changes
nothing here. What depends on no example is no path: `o[jnp.arange(n), y]` takes row i for row i.

Primitives without a rule give no verdict (None): then the trials of `mixing` decide alone.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.models.trace import scan_sizes
from weightspace.recipes.path_rules import (
    KNOWN,
    LARGEST,
    Number,
    Seen,
    Unknown,
    joined,
    part,
    rows_of,
    spread,
    values_of,
)

_LONGEST = 64
"""Turns of a loop that are followed."""


def path_between(function: Callable[..., Any], outputs: Any, targets: Any) -> str | None:
    """The operation by which one example's value is made of another's outputs or targets, or None.

    Args:
      function: `(outputs, y) -> [batch]`.
      outputs: Shape and type of a batch of outputs.
      targets: Likewise of targets.
    """
    batch = outputs.shape[0]
    try:
        closed = jax.make_jaxpr(function)(outputs, targets)
        walk = _Walk(batch)
        inputs = [walk.of_row(each) for each in (outputs, targets)]
        (found,) = walk.through(closed.jaxpr, closed.consts, inputs)
    except Unknown:
        return None
    mixed = found.rows & ~np.eye(batch, dtype=bool)
    return walk.first if mixed.any() else None


class _Walk:
    """One pass over a jaxpr."""

    def __init__(self, batch: int):
        self.batch = batch
        self.first = "a sum"

    def of_row(self, like: Any) -> Seen:
        """An input: row i is made of example i."""
        rows = np.zeros((self.batch, *like.shape), bool)
        rows[np.arange(self.batch), np.arange(self.batch)] = True
        whole = jnp.issubdtype(like.dtype, jnp.integer)
        return Seen(rows, Number(lambda: np.zeros(like.shape, like.dtype) if whole else None))

    def constant(self, value: Any) -> Seen:
        """What is made of no example."""
        keys = jnp.issubdtype(jnp.result_type(value), jax.dtypes.extended)
        kept = not keys and np.size(value) <= KNOWN
        rows = np.zeros((self.batch, *np.shape(value)), bool)
        return Seen(rows, Number(lambda: np.asarray(value) if kept else None))

    def through(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Seen]) -> list[Seen]:
        """The results of a jaxpr."""
        known = {var: self.constant(const) for var, const in zip(jaxpr.constvars, consts, strict=True)}
        known |= dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> Seen:
            return self.constant(atom.val) if hasattr(atom, "val") else known[atom]

        for equation in jaxpr.eqns:
            given = [read(atom) for atom in equation.invars]
            before = max((each.rows.sum(0).max(initial=0) for each in given), default=0)
            results = self.equation(equation, given)
            if self.first == "a sum" and before < 2 and any((r.rows.sum(0) > 1).any() for r in results):
                self.first = equation.primitive.name
            known |= dict(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, equation: Any, given: list[Seen]) -> list[Seen]:
        """The results of one equation."""
        name, params = equation.primitive.name, equation.params
        shapes = [var.aval.shape for var in equation.outvars]
        if any(math.prod(shape) > LARGEST for shape in shapes):
            raise Unknown
        inner = next((params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None)
        if name == "scan":
            return self._scan(params, given)
        if inner is not None and name != "while":
            jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
            return self.through(jaxpr, consts, given)
        if not any(each.rows.any() for each in given):
            blank = [np.zeros((self.batch, *shape), bool) for shape in shapes]
        elif name == "while":
            return self._while(params, given)
        elif name == "cond":
            return self._cond(params, given)
        elif name in ("sort", "top_k"):
            axis = params.get("dimension", params.get("axis", -1))
            blank = [spread(joined(given), axis, shape) for shape in shapes]
        elif name == "split":
            cuts = np.cumsum(params["sizes"])[:-1]
            blank = np.split(given[0].rows, cuts, axis=params["axis"] + 1)
        else:
            blank = [rows_of(name, params, given, shapes[0])]
        whole = Number(lambda: values_of(equation, given, shapes))
        return [Seen(rows, part(whole, place)) for place, rows in enumerate(blank)]

    def _while(self, params: Any, given: list[Seen]) -> list[Seen]:
        """Until nothing is added; how often may not depend on the examples."""
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        cond, body, carry = given[:first], given[first:second], given[second:]
        for _ in range(_LONGEST):
            (more,) = self.through(params["cond_jaxpr"].jaxpr, params["cond_jaxpr"].consts, [*cond, *carry])
            if more.rows.any():
                raise Unknown
            after = self.through(params["body_jaxpr"].jaxpr, params["body_jaxpr"].consts, [*body, *carry])
            joined = [Seen(a.rows | b.rows) for a, b in zip(carry, after, strict=True)]
            if all((a.rows == b.rows).all() for a, b in zip(carry, joined, strict=True)):
                return joined
            carry = joined
        raise Unknown

    def _scan(self, params: Any, given: list[Seen]) -> list[Seen]:
        """Turn by turn."""
        (consts, carries), length = scan_sizes(params), params["length"]
        if not 0 < length <= _LONGEST:
            raise Unknown
        fixed, carry, along = given[:consts], given[consts : consts + carries], given[consts + carries :]
        collected: dict[int, list[Seen]] = {}
        turns = range(length)
        for turn in reversed(turns) if params["reverse"] else turns:
            here = [Seen(each.rows[:, turn], part(each.value, turn)) for each in along]
            results = self.through(params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *here])
            carry, collected[turn] = results[:carries], results[carries:]
        stacked = [
            Seen(np.stack([collected[turn][i].rows for turn in turns], axis=1))
            for i in range(len(collected[0]))
        ]
        return [*carry, *stacked]

    def _cond(self, params: Any, given: list[Seen]) -> list[Seen]:
        """What any branch gives, and that by which one is chosen."""
        chosen = given[0].rows.reshape(self.batch, -1).any(axis=1)
        branches = [self.through(each.jaxpr, each.consts, given[1:]) for each in params["branches"]]
        return [
            Seen(
                np.logical_or.reduce([each.rows for each in same])
                | chosen.reshape(-1, *[1] * (same[0].rows.ndim - 1))
            )
            for same in zip(*branches, strict=True)
        ]
