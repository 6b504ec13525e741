"""Where an axis of an operand lies in what an operation makes of it, if each place along it stays apart."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

_ALONG = {"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"}
_WINDOWS = {"reduce_window_max", "reduce_window_sum", "reduce_window_min"}


@dataclasses.dataclass(frozen=True)
class At:
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


def _transposed(at: At) -> int | None:
    return list(at.params["permutation"]).index(at.axis)


def _reshaped(at: At) -> int | None:
    """The axis with as many entries before it, if each row keeps a whole number of its places."""
    before, after = math.prod(at.shapes[0][: at.axis]), 1
    for new, length in enumerate(at.made):
        if after == before and length > 0 and length % at.rows == 0:
            return new
        after *= length
    return None


def _broadcast(at: At) -> int | None:
    to = int(at.params["broadcast_dimensions"][at.axis])
    return to if at.made[to] == at.shapes[0][at.axis] else None


def _without(at: At) -> int | None:
    gone = at.params["axes"] if "axes" in at.params else at.params["dimensions"]
    return None if at.axis in gone else at.axis - sum(int(g < at.axis) for g in gone)


def _unless(name: str) -> Callable[[At], int | None]:
    """Operations along one axis, or some, and row by row along the others."""

    def rule(at: At) -> int | None:
        along = at.params[name]
        return None if at.axis in (along if isinstance(along, tuple) else (along,)) else at.axis

    return rule


def _whole(at: At) -> int | None:
    """Slices and the like that take all of the rows."""
    fits = at.place < 2 and len(at.made) > at.axis and at.shapes[at.place][at.axis] == at.made[at.axis]
    return at.axis if fits else None


def _padded(at: At) -> int | None:
    return at.axis if at.place == 0 and tuple(at.params["padding_config"][at.axis]) == (0, 0, 0) else None


def _convolved(at: At) -> int | None:
    numbers = at.params["dimension_numbers"]
    fits = at.place == 0 and at.axis == numbers.lhs_spec[0] and at.params["batch_group_count"] == 1
    return numbers.out_spec[0] if fits else None


def _convolved_here(at: At) -> int | None:
    """The zoo's own primitive (`convolution`), whose examples come first."""
    return 0 if at.place == 0 and at.axis == 0 else None


def _window(at: At) -> int | None:
    lengths = (at.params["window_dimensions"], at.params["window_strides"])
    single = all(length[at.axis] == 1 for length in lengths)
    return at.axis if at.place == 0 and single and tuple(at.params["padding"][at.axis]) == (0, 0) else None


def _transformed(at: At) -> int | None:
    return at.axis if at.axis < len(at.shapes[0]) - len(at.params["fft_lengths"]) else None


def _top(at: At) -> int | None:
    return at.axis if at.axis != len(at.shapes[0]) - 1 else None


RULES: dict[str, Callable[[At], int | None]] = {
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
    "convolution": _convolved_here,
    **dict.fromkeys(_WINDOWS, _window),
}


def free(equation: Any, place: int, axis: int, shapes: list[Any]) -> int | None:
    """Where an axis of one side lies in the product, if it is neither summed over nor shared."""
    contracted, batch = equation.params["dimension_numbers"]
    if axis in (*contracted[place], *batch[place]):
        return None
    own = [a for a in range(len(shapes[place])) if a not in (*contracted[place], *batch[place])]
    left = len(shapes[0]) - len(contracted[0]) - len(batch[0]) if place else 0
    return len(batch[0]) + left + own.index(axis)
