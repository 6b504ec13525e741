"""Whether the examples of a batch stay apart in a computation, proved from its operations.

Of each value it is known that its rows lie along one axis, in their order and one or several places each, all
computed from one example alone; or that it comes from no example; or nothing. What is proved here mixes no
examples. What is not (operations not named here, rows sorted and put back) may still be apart, which `mixing`
decides by numbers.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from weightspace.models.reach import computed, fill_of
from weightspace.models.row_rules import RULES, At, free
from weightspace.models.trace import Walker

_EACH = {
    *("add", "sub", "mul", "div", "rem", "max", "min", "pow", "integer_pow", "neg", "sign", "abs", "square"),
    *("exp", "exp2", "expm1", "log", "log1p", "logistic", "sqrt", "rsqrt", "cbrt", "floor", "ceil", "round"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh"),
    *("erf", "erfc", "erf_inv", "lgamma", "digamma", "is_finite", "nextafter", "add_any", "select_n"),
    *("atanh", "clamp"),
    *("not", "and", "or", "xor", "eq", "ne", "lt", "le", "gt", "ge", "shift_left", "shift_right_logical"),
    *("shift_right_arithmetic", "population_count", "clz", "real", "imag", "complex", "conj"),
    *("convert_element_type", "stop_gradient", "copy", "reduce_precision"),
}  # fmt: skip
"""Operations entry by entry."""


def apart(closed: Any, marked: Sequence[bool]) -> bool:
    """Whether row i of the first result comes from row i of the marked arguments alone, as far as is proved.

    Args:
      closed: What `jax.make_jaxpr` gives; rows lie along the first axis of marked arguments and of the
        result, and their number should be no other length there is.
      marked: One entry for each array of the arguments.
    """
    taken = [
        _Rows(axis=0) if mark else _own(v.aval) for mark, v in zip(marked, closed.jaxpr.invars, strict=True)
    ]
    count = next(v.aval.shape[0] for mark, v in zip(marked, closed.jaxpr.invars, strict=True) if mark)
    result = _Apart(count).walk(closed.jaxpr, taken, closed.consts)[0]
    return not result.unknown and (result.axis == 0 or (result.axis is None and result.even(0)))


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Where the rows lie.

    Attributes:
      axis: That of the rows, or None for what comes from no example.
      alike: Of what comes from no example, the axes along which all is alike; None for all axes.
      unknown: Whether nothing is known.
      fill: The one number that all its entries are, if there is one and it is known.
    """

    axis: int | None = None
    alike: frozenset[int] | None = frozenset()
    unknown: bool = False
    fill: bool | int | float | None = None

    def even(self, axis: int) -> bool:
        """Whether it comes from no example and has no place along an axis."""
        return not self.unknown and self.axis is None and (self.alike is None or axis in self.alike)

    def shifted(self, by: int) -> "_Rows":
        """The same with an axis more or less in front."""
        if self.axis is not None:
            return _Rows(axis=self.axis + by) if self.axis + by >= 0 else _UNKNOWN
        if self.alike is None:
            return self
        return dataclasses.replace(self, alike=frozenset(a + by for a in self.alike if a + by >= 0))


_UNKNOWN = _Rows(unknown=True)
_EVEN = _Rows(alike=None)


def _own(aval: Any) -> _Rows:
    return _EVEN if not aval.shape else _Rows()


class _Apart(Walker[_Rows]):
    picks = True

    def __init__(self, count: int):
        self._count = count

    def constant(self, value: Any = None) -> _Rows:
        fill = fill_of(value)
        return _Rows(alike=None, fill=fill) if fill is not None else _Rows()

    def picked(self, which: _Rows) -> int | None:
        return None if which.fill is None else int(which.fill)

    def join(self, a: _Rows, b: _Rows) -> _Rows:
        if a == b:
            return a
        if a.axis is None and b.axis is None and not a.unknown and not b.unknown:
            known = [x.alike for x in (a, b) if x.alike is not None]
            return _Rows(alike=known[0] & known[-1]) if known else _EVEN
        for one, other in ((a, b), (b, a)):
            if one.axis is not None and other.even(one.axis):
                return one
        return _UNKNOWN

    def row(self, value: _Rows) -> _Rows:
        return value.shifted(-1)

    def stacked(self, value: _Rows) -> _Rows:
        return value.shifted(1)

    def equation(self, equation: Any, values: list[_Rows]) -> list[_Rows]:
        if equation.primitive.name == "select_n" and values[0].fill is not None:
            return [values[1 + int(values[0].fill)]]
        fill = computed(equation, [value.fill for value in values])
        if fill is not None:
            return [_Rows(alike=None, fill=fill)]
        made = [self._made(equation, values, out.aval.shape) for out in equation.outvars]
        return [
            _EVEN if m.axis is None and not m.unknown and not shape.aval.shape else m
            for m, shape in zip(made, equation.outvars, strict=True)
        ]

    def _made(self, equation: Any, values: list[_Rows], made: tuple[int, ...]) -> _Rows:
        if any(value.unknown for value in values):
            return _UNKNOWN
        rows = [(place, value.axis) for place, value in enumerate(values) if value.axis is not None]
        shapes = [getattr(atom.aval, "shape", ()) for atom in equation.invars]
        name = equation.primitive.name
        if not rows:
            return _Rows(alike=_alike(equation, values, shapes, made))
        if name in _EACH:
            (axis, *others) = {axis for _, axis in rows}
            size = made[axis] if len(made) > axis else 0
            fits = all(
                value.axis is not None or not shape or shape[axis] == 1 or value.even(axis)
                for value, shape in zip(values, shapes, strict=True)
            )
            full = all(shapes[place][axis] == size for place, axis in rows)
            return _Rows(axis=axis) if not others and fits and full else _UNKNOWN
        rule = RULES.get(name)
        places = (
            {rule(At(equation, place, axis, shapes, made, self._count)) for place, axis in rows}
            if rule
            else {None}
        )
        if name == "dot_general":
            places = {_product(equation, values, shapes)}
        elif name == "gather":
            places = {_gathered(equation, values, shapes, made)}
        elif name in ("concatenate", "pad", "dynamic_update_slice", "sort"):
            # What stands beside the rows or in their place must be alike for all of them.
            axis = rows[0][1]
            if not all(
                v.axis is not None or not s or v.even(axis) for v, s in zip(values, shapes, strict=True)
            ):
                return _UNKNOWN
        (place, *more) = places
        return _UNKNOWN if more or place is None else _Rows(axis=place)


def _alike(equation: Any, values: list[_Rows], shapes: list[Any], made: tuple[int, ...]) -> frozenset[int]:
    """The axes along which a result that comes from no example is alike."""
    name = equation.primitive.name
    if name == "iota":
        return frozenset(range(len(made))) - {equation.params["dimension"]}
    if name in _EACH:
        return frozenset(
            axis
            for axis in range(len(made))
            if all(
                v.even(axis) or not s or s[axis] == 1 != made[axis]
                for v, s in zip(values, shapes, strict=True)
            )
        )
    if name == "dot_general":
        ends = [(place, axis) for place in (0, 1) for axis in range(len(shapes[place]))]
        kept = (free(equation, place, axis, shapes) for place, axis in ends if values[place].even(axis))
        return frozenset(axis for axis in kept if axis is not None)
    if not values or name not in RULES:
        return frozenset()
    if name == "broadcast_in_dim":
        kept = dict(zip(equation.params["broadcast_dimensions"], range(len(shapes[0])), strict=True))
        return frozenset(
            axis
            for axis, length in enumerate(made)
            if axis not in kept or shapes[0][kept[axis]] != length or values[0].even(kept[axis])
        )
    if len(values) > 1:
        return frozenset()
    found = (
        RULES[name](At(equation, 0, a, shapes, made, shapes[0][a]))
        for a in range(len(shapes[0]))
        if values[0].even(a)
    )
    return frozenset(axis for axis in found if axis is not None)


def _product(equation: Any, values: list[_Rows], shapes: list[Any]) -> int | None:
    """The axis of the rows in a product: batch axes first, then the left side's, then the right's."""
    contracted, batch = equation.params["dimension_numbers"]
    found = set()
    for place, value in enumerate(values):
        if value.axis is None:
            continue
        axis, other = value.axis, values[1 - place]
        if axis in contracted[place]:
            return None
        if axis in batch[place]:
            number = list(batch[place]).index(axis)
            beside = batch[1 - place][number]
            if other.axis != beside and not other.even(beside):
                return None
            found.add(number)
            continue
        if other.axis is not None:
            return None
        found.add(free(equation, place, axis, shapes))
    return found.pop() if len(found) == 1 else None


def _gathered(equation: Any, values: list[_Rows], shapes: list[Any], made: Any) -> int | None:
    """Rows that each look up what is theirs, or one place of all rows."""
    table, index = values
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    counted = [axis for axis in range(len(made)) if axis not in numbers.offset_dims]
    paired = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    if index.axis is not None:
        fits = table.axis is None or paired.get(table.axis) == index.axis
        if table.axis is None and index.axis in paired.values():
            fits = all(table.even(a) for a, b in paired.items() if b == index.axis)
        return counted[index.axis] if fits and index.axis < len(counted) else None
    axis = table.axis
    assert axis is not None
    if axis in paired:
        return counted[paired[axis]] if index.even(paired[axis]) else None
    if axis in numbers.collapsed_slice_dims or sizes[axis] != shapes[0][axis]:
        return None
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [a for a in range(len(shapes[0])) if a not in gone]
    return int(numbers.offset_dims[kept.index(axis)])
