"""Whether the examples of a batch stay apart in a computation, proved from its operations.

Of each value it is known that its rows lie along one axis, in their order and one or several places each, all
computed from one example alone; or that it comes from no example; or nothing. What is proved here mixes no
examples. What is not (operations not named here, rows sorted and put back) may still be apart, which `mixing`
decides by numbers.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

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
_ALONG = {"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"}
_WINDOWS = {"reduce_window_max", "reduce_window_sum", "reduce_window_min"}


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
    """

    axis: int | None = None
    alike: frozenset[int] | None = frozenset()
    unknown: bool = False

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
    def __init__(self, count: int):
        self._count = count

    def constant(self, value: Any = None) -> _Rows:
        return _EVEN if value is not None and not getattr(value, "shape", ()) else _Rows()

    def join(self, a: _Rows, b: _Rows) -> _Rows:
        if a == b:
            return a
        if a.axis is None and b.axis is None and not a.unknown and not b.unknown:
            known = [x.alike for x in (a, b) if x.alike is not None]
            return _Rows(alike=known[0] & known[-1])
        for one, other in ((a, b), (b, a)):
            if one.axis is not None and other.even(one.axis):
                return one
        return _UNKNOWN

    def row(self, value: _Rows) -> _Rows:
        return value.shifted(-1)

    def stacked(self, value: _Rows) -> _Rows:
        return value.shifted(1)

    def equation(self, equation: Any, values: list[_Rows]) -> list[_Rows]:
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
        rule = _RULES.get(name)
        places = (
            {rule(_At(equation, place, axis, shapes, made, self._count)) for place, axis in rows}
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


@dataclasses.dataclass(frozen=True)
class _At:
    """An axis of one operand of an operation, whose place in the result is asked for."""

    equation: Any
    place: int
    axis: int
    shapes: list[Any]
    made: tuple[int, ...]
    rows: int

    @property
    def params(self) -> Any:
        """Of the operation."""
        return self.equation.params


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
        kept = (_free(equation, place, axis, shapes) for place, axis in ends if values[place].even(axis))
        return frozenset(axis for axis in kept if axis is not None)
    if not values or name not in _RULES:
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
        _RULES[name](_At(equation, 0, a, shapes, made, shapes[0][a]))
        for a in range(len(shapes[0]))
        if values[0].even(a)
    )
    return frozenset(axis for axis in found if axis is not None)


def _transposed(at: _At) -> int | None:
    return list(at.params["permutation"]).index(at.axis)


def _reshaped(at: _At) -> int | None:
    """The axis with as many entries before it, if each row keeps a whole number of its places."""
    before, after = math.prod(at.shapes[0][: at.axis]), 1
    for new, length in enumerate(at.made):
        if after == before and length > 0 and length % at.rows == 0:
            return new
        after *= length
    return None


def _broadcast(at: _At) -> int | None:
    to = int(at.params["broadcast_dimensions"][at.axis])
    return to if at.made[to] == at.shapes[0][at.axis] else None


def _without(at: _At) -> int | None:
    gone = at.params["axes"] if "axes" in at.params else at.params["dimensions"]
    return None if at.axis in gone else at.axis - sum(int(g < at.axis) for g in gone)


def _unless(name: str) -> Callable[[_At], int | None]:
    """Operations along one axis, or some, and row by row along the others."""

    def rule(at: _At) -> int | None:
        along = at.params[name]
        return None if at.axis in (along if isinstance(along, tuple) else (along,)) else at.axis

    return rule


def _whole(at: _At) -> int | None:
    """Slices and the like that take all of the rows."""
    fits = at.place < 2 and len(at.made) > at.axis and at.shapes[at.place][at.axis] == at.made[at.axis]
    return at.axis if fits else None


def _padded(at: _At) -> int | None:
    return at.axis if at.place == 0 and tuple(at.params["padding_config"][at.axis]) == (0, 0, 0) else None


def _convolved(at: _At) -> int | None:
    numbers = at.params["dimension_numbers"]
    fits = at.place == 0 and at.axis == numbers.lhs_spec[0] and at.params["batch_group_count"] == 1
    return numbers.out_spec[0] if fits else None


def _window(at: _At) -> int | None:
    lengths = (at.params["window_dimensions"], at.params["window_strides"])
    single = all(length[at.axis] == 1 for length in lengths)
    return at.axis if at.place == 0 and single and tuple(at.params["padding"][at.axis]) == (0, 0) else None


def _transformed(at: _At) -> int | None:
    return at.axis if at.axis < len(at.shapes[0]) - len(at.params["fft_lengths"]) else None


def _top(at: _At) -> int | None:
    return at.axis if at.axis != len(at.shapes[0]) - 1 else None


_RULES: dict[str, Callable[[_At], int | None]] = {
    "transpose": _transposed,
    "reshape": _reshaped,
    "broadcast_in_dim": _broadcast,
    "squeeze": _without,
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"), _without),
    **dict.fromkeys(("reduce_and", "reduce_or", "argmax", "argmin"), _without),
    **dict.fromkeys(_ALONG, _unless("axis")),
    "rev": _unless("dimensions"),
    "sort": _unless("dimension"),
    "concatenate": _unless("dimension"),
    "top_k": _top,
    "split": _unless("axis"),
    "fft": _transformed,
    **dict.fromkeys(("slice", "dynamic_slice", "dynamic_update_slice"), _whole),
    "pad": _padded,
    "conv_general_dilated": _convolved,
    **dict.fromkeys(_WINDOWS, _window),
}


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
        found.add(_free(equation, place, axis, shapes))
    return found.pop() if len(found) == 1 else None


def _free(equation: Any, place: int, axis: int, shapes: list[Any]) -> int | None:
    """Where an axis of one side lies in the product, if it is neither summed over nor shared."""
    contracted, batch = equation.params["dimension_numbers"]
    if axis in (*contracted[place], *batch[place]):
        return None
    own = [a for a in range(len(shapes[place])) if a not in (*contracted[place], *batch[place])]
    left = len(shapes[0]) - len(contracted[0]) - len(batch[0]) if place else 0
    return len(batch[0]) + left + own.index(axis)


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
