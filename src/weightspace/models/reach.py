"""Which results of a computation may depend on what is marked, constants followed.

A mode that is told by value goes through the computation as a constant: `jnp.where(train, a, b)`,
`lax.cond(train, …)`, `h + train * noise`. Of every array it is known whether all its entries are one number
that nothing changes; what such a number switches off is not reached.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.models.trace import Walker, keeps_places

_UNIFORM = 4096
"""Constants of more entries are not looked into."""
_MOVED = {
    *("broadcast_in_dim", "reshape", "transpose", "squeeze", "slice", "dynamic_slice", "rev", "copy"),
    *("reduce_max", "reduce_min", "reduce_and", "reduce_or", "stop_gradient"),
}  # fmt: skip
_COMPUTED: dict[str, Any] = {
    **{name: getattr(np, name) for name in ("add", "sign", "abs", "sqrt", "square", "exp", "log")},
    "mul": np.multiply, "sub": np.subtract, "neg": np.negative, "not": np.invert, "max": np.maximum,
    "min": np.minimum, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "div": np.true_divide, "pow": np.power, "convert_element_type": np.array,
    "clamp": lambda low, value, high: np.clip(value, low, high),
}  # fmt: skip
_NOUGHT = {"mul", "and", "dot_general", "conv_general_dilated"}
"""Operations that give zero where one of their operands is zero."""
_LINEAR = {"reduce_sum", "cumsum", "neg", "convert_element_type"}


def reached(closed: Any, marked: Sequence[bool], *, constants: bool = True) -> list[bool]:
    """For each result of a traced computation, whether it may depend on a marked argument.

    Nothing is computed; loops, branches and calls are entered.

    Args:
      closed: What `jax.make_jaxpr` gives.
      marked: One entry for each array of the arguments.
      constants: Whether branches and factors that are constants are followed, so that what a constant
        `False` or 0 switches off is not reached.
    """
    if keeps_places(closed.jaxpr):
        return [True] * len(closed.jaxpr.outvars)
    values = [_Reached(hit) for hit in marked]
    return [value.hit for value in _Reach(constants).walk(closed.jaxpr, values, closed.consts)]


@dataclasses.dataclass(frozen=True)
class _Reached:
    """Whether a value may depend on what is marked; the one number that all its entries are, if known."""

    hit: bool
    fill: bool | int | float | None = None


class _Reach(Walker[_Reached]):
    picks = True

    def __init__(self, constants: bool):
        self._constants = constants

    def constant(self, value: Any = None) -> _Reached:
        return _Reached(False, fill_of(value) if self._constants else None)

    def join(self, a: _Reached, b: _Reached) -> _Reached:
        return _Reached(a.hit or b.hit, a.fill if a.fill == b.fill else None)

    def picked(self, which: _Reached) -> int | None:
        return None if which.fill is None else int(which.fill)

    def equation(self, equation: Any, values: list[_Reached]) -> list[_Reached]:
        if equation.primitive.name == "select_n" and values[0].fill is not None:
            return [values[1 + int(values[0].fill)]]
        fill = computed(equation, [value.fill for value in values])
        if fill is not None:
            return [_Reached(False, fill)]
        return [_Reached(any(value.hit for value in values))] * len(equation.outvars)


def computed(equation: Any, fills: list[Any]) -> bool | int | float | None:
    """The one number that an operation gives everywhere, of operands of which such numbers are known."""
    name, made = equation.primitive.name, equation.outvars[0].aval
    if len(equation.outvars) != 1 or not fills:
        return None
    if name in _MOVED:
        return fills[0]
    nothing = [fill is not None and not fill for fill in fills]
    if (name in _NOUGHT and any(nothing)) or (name in (*_LINEAR, "div") and nothing[0]):
        return fill_of(np.zeros((), made.dtype)) if name != "div" or not all(nothing) else None
    if name == "or" and made.dtype == bool and True in fills:
        return True
    if name not in _COMPUTED or None in fills:
        return None
    with np.errstate(all="ignore"):
        return fill_of(np.asarray(_COMPUTED[name](*map(np.asarray, fills))).astype(made.dtype))


def fill_of(value: Any) -> bool | int | float | None:
    """The one number that all entries of a constant are, or None."""
    if value is None or jnp.issubdtype(getattr(value, "dtype", bool), jax.dtypes.prng_key):
        return None
    try:
        entries = np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        return None
    if entries.size == 0 or entries.size > _UNIFORM or entries.dtype.kind == "c":
        return None
    first = entries.flat[0]
    if entries.dtype.names or not (entries == first).all():
        return None
    number = first.item()
    return number if isinstance(number, bool | int | float) else None
