"""A traced function, carried out one operation at a time by whom one likes: by NumPy, or by JAX uncompiled.

Only what the results need is carried out. Calls within the function are entered, loops and branches are not
known.
"""

from collections.abc import Callable, Sequence
from typing import Any

Apply = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""Carries out one operation: its equation and the values it takes to the values it gives."""


def evaluate(traced: Any, values: Sequence[Any], apply: Apply) -> list[Any]:
    """The results of a traced function (of `jax.make_jaxpr`) at values."""
    everything = [True] * len(traced.jaxpr.outvars)
    return _evaluate(traced.jaxpr, traced.consts, values, apply, everything)


def _evaluate(
    jaxpr: Any, constants: Sequence[Any], values: Sequence[Any], apply: Apply, wanted: Sequence[bool]
) -> list[Any]:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *values], strict=True))

    def read(variable: Any) -> Any:
        return variable.val if _is_literal(variable) else known.get(variable)

    needed = _needed(jaxpr, wanted)
    for equation in jaxpr.eqns:
        asked = [variable in needed for variable in equation.outvars]
        if not any(asked):
            continue
        given = [read(variable) for variable in equation.invars]
        inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
        if inner is None:
            results = apply(equation, given)
        else:
            results = _evaluate(inner.jaxpr, inner.consts, given, apply, asked)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _needed(jaxpr: Any, wanted: Sequence[bool]) -> set[Any]:
    """The variables that the wanted results depend on."""
    pairs = zip(jaxpr.outvars, wanted, strict=True)
    needed = {variable for variable, want in pairs if want and not _is_literal(variable)}
    for equation in reversed(jaxpr.eqns):
        if any(variable in needed for variable in equation.outvars):
            needed.update(variable for variable in equation.invars if not _is_literal(variable))
    return needed


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")
