"""Walks through traced computations: one way into every nested part, for every question asked of one.

A question is a `Walker`: what a value is, what an equation makes of the values it takes, and how two values
of one place are joined. The walk itself enters calls, loops and branches. Layouts ask how leaves are used
(`usage`), adapters which arrays a gradient reaches and whether examples stay apart (`reach`, `rows`),
re-estimated statistics what the data reach.
"""

import abc
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import jax
import jax.extend.core as jex_core

V = TypeVar("V")


class Walker(abc.ABC, Generic[V]):
    """One question asked of every value of a computation; values must be comparable.

    Attributes:
      trial: Whether the walk is looking for what the carry of a loop is, before it goes through the loop.
    """

    trial = False
    picks = False
    """Whether `picked` may say which way a computation goes."""

    @abc.abstractmethod
    def constant(self, value: Any = None) -> V:
        """What a literal or a constant is; `value` is it, where it is known."""

    @abc.abstractmethod
    def join(self, a: V, b: V) -> V:
        """What is either of the two."""

    @abc.abstractmethod
    def equation(self, equation: Any, values: list[V]) -> list[V]:
        """What a plain operation makes of the values it takes."""

    def row(self, value: V) -> V:
        """What one row of a stacked value is."""
        return value

    def stacked(self, value: V, length: int) -> V:
        """What the rows of a loop's results are together."""
        return value

    def driven(self, value: V, goes_on: V) -> V:
        """What the carry of a loop is that goes on as long as another value says."""
        return self.join(value, goes_on)

    def picked(self, which: V) -> int | None:
        """The branch that is taken whatever is marked, where that is known."""
        return None

    def again(self, body: Any, outside: list[V], carry: list[V], made: list[V]) -> None:
        """A loop has been gone through; `made` is its carry after it."""

    def walk(self, jaxpr: Any, values: Sequence[V], consts: Sequence[Any] = ()) -> list[V]:
        """What the results of a computation are, given what it takes."""
        known: dict[Any, V] = dict(zip(jaxpr.invars, values, strict=True))
        known.update(zip(jaxpr.constvars, map(self.constant, consts), strict=False))

        def read(atom: Any) -> V:
            if isinstance(atom, jex_core.Literal):
                return self.constant(atom.val)
            return known[atom] if atom in known else self.constant()

        for equation in jaxpr.eqns:
            results = self._through(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _through(self, equation: Any, values: list[V]) -> list[V]:
        enter = {"scan": self._scan, "while": self._while, "cond": self._cond}.get(equation.primitive.name)
        if enter is not None:
            return enter(equation.params, values)
        inner = _single_subcomputation(equation)
        if inner is not None:
            return self.walk(inner[0], values, inner[1])
        return self.equation(equation, values)

    def _scan(self, params: Any, values: list[V]) -> list[V]:
        body, (consts, carries) = params["jaxpr"].jaxpr, scan_sizes(params)
        outside, start = values[:consts], values[consts : consts + carries]
        if params["length"] == 0:
            return [*start, *(self.constant() for _ in params["jaxpr"].out_avals[carries:])]
        rows = [self.row(value) for value in values[consts + carries :]]
        carry = self._settled(lambda carry: self.walk(body, [*outside, *carry, *rows])[:carries], start)
        made = self.walk(body, [*outside, *carry, *rows])
        after = [self.join(a, b) for a, b in zip(carry, made[:carries], strict=True)]
        self.again(body, [*outside, *after, *rows], carry, made[:carries])
        return [*after, *(self.stacked(value, params["length"]) for value in made[carries:])]

    def _while(self, params: Any, values: list[V]) -> list[V]:
        test, body = params["cond_jaxpr"].jaxpr, params["body_jaxpr"].jaxpr
        tests, consts = params["cond_nconsts"], params["body_nconsts"]
        outside, start = values[tests : tests + consts], values[tests + consts :]

        if self.picks and self.picked(self.walk(test, [*values[:tests], *start])[0]) == 0:
            return start

        def once(carry: list[V]) -> list[V]:
            (goes_on,) = self.walk(test, [*values[:tests], *carry])
            return [self.driven(made, goes_on) for made in self.walk(body, [*outside, *carry])]

        carry = self._settled(once, start)
        made = once(carry)
        after = [self.join(a, b) for a, b in zip(carry, made, strict=True)]
        self.again(body, [*outside, *after], carry, made)
        return after

    def _cond(self, params: Any, values: list[V]) -> list[V]:
        which, *operands = values
        picked = _of_this_platform(params)
        picked = self.picked(which) if picked is None else picked
        if picked is not None:
            return self.walk(params["branches"][picked].jaxpr, operands)
        branches = [self.walk(branch.jaxpr, operands) for branch in params["branches"]]
        found = branches[0]
        for other in branches[1:]:
            found = [self.join(a, b) for a, b in zip(found, other, strict=True)]
        return [self.join(value, which) for value in found]

    def _settled(self, once: Any, start: list[V]) -> list[V]:
        """The carry that a loop leaves as it is, from the one it starts with."""
        before, self.trial = self.trial, True
        carry = start
        while True:
            made = [self.join(a, b) for a, b in zip(carry, once(carry), strict=True)]
            if made == carry:
                break
            carry = made
        self.trial = before
        return carry


def keeps_places(jaxpr: Any) -> bool:
    """Whether a computation, at any depth, writes to places and reads them (`jax.new_ref`).

    A walk knows each value once, not what a place holds when.
    """

    def inner(value: Any) -> list[Any]:
        if isinstance(value, list | tuple):
            return [each for item in value for each in inner(item)]
        found = getattr(value, "jaxpr", value)
        return [found] if hasattr(found, "eqns") else []

    return any(
        any(hasattr(atom.aval, "inner_aval") for atom in (*equation.invars, *equation.outvars))
        or any(keeps_places(each) for value in equation.params.values() for each in inner(value))
        for equation in jaxpr.eqns
    )


def scan_sizes(params: Any) -> tuple[int, int]:
    """How many inputs of a scan are constants, and how many its carry; newer versions of JAX keep trees."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()
    return len(constants), len(carry)


def _single_subcomputation(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """The jaxpr that a call-like equation runs once, with its constants, or None for a plain operation."""
    found = []
    for value in equation.params.values():
        inner = getattr(value, "jaxpr", value)
        if hasattr(inner, "eqns"):
            found.append((inner, getattr(value, "consts", ())))
    if len(found) != 1 or not all(
        _shapes(of) == _shapes(given)
        for of, given in (
            (found[0][0].invars, equation.invars),
            (found[0][0].outvars, equation.outvars),
        )
    ):
        return None  # `reduce` runs its jaxpr for each of many numbers
    return found[0]


def _of_this_platform(params: Any) -> int | None:
    """The branch that machines like this one take, of those that are told apart by platform."""
    kinds = params.get("branches_platforms")
    if kinds is None:
        return None
    here = jax.default_backend()
    names = {here, "cuda", "rocm"} if here == "gpu" else {here}
    mine = [place for place, kind in enumerate(kinds) if kind is not None and names & set(kind)]
    mine = mine or [place for place, kind in enumerate(kinds) if kind is None]
    return mine[0] if len(mine) == 1 else None


def _shapes(atoms: Sequence[Any]) -> list[Any]:
    return [getattr(atom.aval, "shape", None) for atom in atoms]
