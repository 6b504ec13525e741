"""Rules of `rows`: of which examples the results of an operation are made, by those of its operands.

One rule for each primitive, from `Cells` to `Cells`. What has no rule may be made of anything that it is
given.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weightspace.models.cells import LARGEST, Axis, Cells, beside, joined
from weightspace.models.row_places import Operation, cut, gathered, scattered, written

_EACH = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz complex
conj convert_element_type copy copy_p cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge
gt igamma igammac imag integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max min mul ne neg
nextafter not or polygamma population_count pow real reduce_precision regularized_incomplete_beta rem round
rsqrt shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient
sub tan tanh xor
"""
_OVER = "reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or reduce_xor argmax argmin"
_ALONG = "cumsum cumprod cummax cummin cumlogsumexp"
_WINDOWS = "reduce_window_sum reduce_window_max reduce_window_min"
_SCATTERS = "scatter-add scatter-mul scatter-min scatter-max scatter-sub"


Rule = Callable[..., Cells | list[Cells]]


def anything(op: Operation, *given: Cells) -> list[Cells]:
    """All results may be made of all that is given."""
    whole = joined([each.without(range(len(each.shape))) for each in given], ())
    return [dataclasses.replace(whole.placed(shape, ()), period=shape, sure=False) for shape in op.made]


def _each(op: Operation, *given: Cells) -> Cells:
    return joined(given, op.shape)


def _selected(op: Operation, which: Cells, *cases: Cells) -> Cells:
    """Of the cases that are taken, place by place where that is known.

    A product by numbers that are zero is no selection: a value that is not finite goes through it.
    """
    whole = joined([which, *cases], op.shape)
    if which.rows.any() or not (whole.rows.sum(0) > 1).any() or op.numbers[0].known is None:
        return whole
    taken = np.broadcast_to(np.asarray(op.numbers[0].known, int), op.shape)
    if math.prod(whole.rows.shape[:1] + op.shape) > LARGEST:
        return whole
    each = (joined([case], op.shape).rows & (taken == number) for number, case in enumerate(cases))
    return dataclasses.replace(whole, rows=functools.reduce(np.logical_or, each))


def _spread(axes: Callable[[Any, int], Sequence[Axis]], *, sure: bool = True) -> Rule:
    """Along some axes, which may get another length, results are made of all that is given."""

    def rule(op: Operation, *given: Cells) -> list[Cells]:
        along = axes(op.params, len(given[0].shape))
        whole = joined(given, given[0].shape).spread(along, sure=sure)
        return [
            dataclasses.replace(
                whole,
                shape=shape,
                period=tuple(n if a in along else whole.period[a] for a, n in enumerate(shape)),
            )
            for shape in op.made
        ]

    return rule


def _ordered(params: Any, count: int) -> list[Axis]:
    return [params.get("dimension", params.get("axis", -1)) % count]


def _padded(params: Any, count: int) -> list[int]:
    return [axis for axis in range(count) if tuple(params["padding_config"][axis]) != (0, 0, 0)]


def _moving(params: Any, count: int) -> list[int]:
    """The axes along which a window is no single element after the other."""
    names = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    plain = [all(params[name][axis] == 1 for name in names) for axis in range(count)]
    return [a for a in range(count) if not plain[a] or tuple(params["padding"][a]) != (0, 0)]


def _transformed(params: Any, count: int) -> range:
    return range(count - len(params["fft_lengths"]), count)


def _reduced(op: Operation, x: Cells) -> Cells:
    return x.without(op.params["axes"])


def _reshaped(op: Operation, x: Cells, *_: Cells) -> Cells:
    return x.reshaped(op.shape)


def _transposed(op: Operation, x: Cells) -> Cells:
    return x.ordered(op.params["permutation"])


def _broadcast(op: Operation, x: Cells, *_: Cells) -> Cells:
    return x.placed(op.shape, op.params["broadcast_dimensions"])


def _reversed(op: Operation, x: Cells) -> Cells:
    return dataclasses.replace(x, rows=np.flip(x.rows, tuple(axis + 1 for axis in op.params["dimensions"])))


def _slice(op: Operation, x: Cells) -> Cells:
    strides = op.params["strides"] or [1] * len(op.shape)
    for axis, ends in enumerate(
        zip(op.params["start_indices"], op.params["limit_indices"], strides, strict=True)
    ):
        x = x.taken(axis, np.arange(*ends))
    return x


def _split(op: Operation, x: Cells) -> list[Cells]:
    axis, sizes = op.params["axis"], op.params["sizes"]
    ends = np.cumsum(sizes)
    return [x.taken(axis, np.arange(end - n, end)) for n, end in zip(sizes, ends, strict=True)]


def _concatenated(op: Operation, *given: Cells) -> Cells:
    return beside(given, op.params["dimension"], op.shape)


def stacked(given: Sequence[Cells], axis: int = 0) -> Cells:
    """Arrays of one shape along a new axis."""
    first = list(given[0].shape)
    single, whole = ((*first[:axis], n, *first[axis:]) for n in (1, len(given)))
    others = [a for a in range(len(whole)) if a != axis]
    return beside([each.placed(single, others) for each in given], axis, whole)


def _product(op: Operation, *given: Cells) -> Cells:
    """Axes that are shared, then those of the left, then those of the right."""
    summed, shared = op.params["dimension_numbers"]
    sides, count, first = [], len(shared[0]), len(shared[0])
    for x, gone, both in zip(given, summed, shared, strict=True):
        free = [axis for axis in range(len(x.shape)) if axis not in (*gone, *both)]
        last = range(count + len(free), len(x.shape))
        kept = x.ordered([*both, *free, *gone]).without(last)
        sides.append(kept.placed(op.shape, [*range(count), *range(first, first + len(free))]))
        first += len(free)
    return joined(sides, op.shape)


def _convolved(op: Operation, x: Cells, kernel: Cells) -> Cells | list[Cells]:
    """Of all of each example; ours (`convolution`) have them first."""
    numbers = op.params.get("dimension_numbers")
    before, after = (numbers.lhs_spec[0], numbers.out_spec[0]) if numbers else (0, 0)
    if op.params.get("batch_group_count", 1) != 1 or op.params.get("gives", "outputs") != "outputs":
        return anything(op, x, kernel)
    others = [axis for axis in range(len(x.shape)) if axis != before]
    examples = x.spread(others, sure=False).without(others).placed(op.shape, [after])
    whole = joined([examples, kernel.without(range(len(kernel.shape)))], op.shape)
    return whole.spread([axis for axis in range(len(op.shape)) if axis != after])


def _over(rule: Rule) -> Rule:
    """What is written over need not be there any more."""
    return lambda op, x, *more: rule(op, dataclasses.replace(x, sure=x.sure and not x.rows.any()), *more)


RULES: dict[str, Rule] = {
    **dict.fromkeys(_EACH.split(), _each),
    **dict.fromkeys(_OVER.split(), _reduced),
    **dict.fromkeys((*_ALONG.split(), "sort", "top_k"), _spread(_ordered)),
    **dict.fromkeys(_WINDOWS.split(), _spread(_moving, sure=False)),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshaped),
    **dict.fromkeys(("conv_general_dilated", "convolution"), _convolved),
    **dict.fromkeys(_SCATTERS.split(), scattered),
    "select_n": _selected,
    "scatter": _over(scattered),
    "pad": _spread(_padded, sure=False),
    "fft": _spread(_transformed),
    "transpose": _transposed,
    "broadcast_in_dim": _broadcast,
    "rev": _reversed,
    "slice": _slice,
    "split": _split,
    "concatenate": _concatenated,
    "stack": lambda op, *given: stacked(given, op.params["axis"]),
    "dot_general": _product,
    "dynamic_slice": cut,
    "dynamic_update_slice": _over(written),
    "gather": gathered,
}
