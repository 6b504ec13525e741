"""The axes of a leaf, followed through reshapes and transposes to where the leaf meets the data.

A product (a matrix product or a convolution) sums over some axes of the leaf: these are its fan axes, and
fan-in is the number of inputs that one output unit sums. Where axes are lost (concatenation, gathering) or
only part of the leaf is looked at, nothing is claimed.
"""

import dataclasses
import math
from typing import Any, Literal

Role = Literal["product", "scale", "shift", "lookup", "placed", "other"]


@dataclasses.dataclass(frozen=True)
class Axes:
    """Which axes of a leaf lie along each axis of an array computed from it.

    Attributes:
      along: For each axis of the array, the leaf's axes along it, and whether all of each of them; None
        where they are no longer known.
      part: `whole`; `row` where a loop takes it apart along its first axis, `slice` where only part is seen.
      summed: The leaf's axes that a product with other weights has summed over.
      length: The number of entries summed over there.
    """

    along: tuple[tuple[tuple[int, ...], bool], ...] | None
    part: Literal["whole", "row", "slice"] = "whole"
    summed: tuple[int, ...] = ()
    length: int = 1

    @classmethod
    def of(cls, rank: int) -> "Axes":
        """Those of the leaf itself."""
        return cls(tuple(((axis,), True) for axis in range(rank)))

    @property
    def known(self) -> int:
        """How many axes of the array are axes of the leaf; -1 where nothing is known."""
        return -1 if self.along is None else sum(bool(axes) for axes, _ in self.along)

    def moved(self, along: Any, **changes: Any) -> "Axes":
        """The same leaf along other axes."""
        return dataclasses.replace(self, along=along if along is None else tuple(along), **changes)


@dataclasses.dataclass(frozen=True)
class Meeting:
    """What a leaf does where it meets the data.

    Attributes:
      role: `product` mixes inputs, `scale` multiplies them, `shift` is added, `lookup` gives rows,
        `placed` stands beside the data or in its place, as a class token does.
      fan_axes: Of a product, the leaf's axes summed over.
      fan: Inputs of one output unit.
      out_axis: The leaf's axis of output units, or None where there are none or several.
      part: As in `Axes`.
    """

    role: Role
    fan_axes: tuple[int, ...] = ()
    fan: int = 1
    out_axis: int | None = None
    part: str = "whole"


NEW = ((), True)
_PLACING = ("concatenate", "select_n", "pad", "dynamic_update_slice", "scatter")
_SAME = {"rev", "copy", "convert_element_type", "stop_gradient", "reduce_precision"}


def follow(equation: Any, place: int, axes: Axes) -> Axes:
    """Where the axes of a leaf lie in what an operation makes of its operand number `place`."""
    name, params = equation.primitive.name, equation.params
    if axes.along is None or name == "concatenate":
        return axes.moved(None)
    if name == "gather":
        return _gathered(equation, place, axes)
    shape, made = equation.invars[place].aval.shape, equation.outvars[0].aval.shape
    if name == "transpose":
        return axes.moved(axes.along[axis] for axis in params["permutation"])
    if name == "reshape":
        return axes.moved(_reshaped(axes.along, shape, made))
    if name == "broadcast_in_dim":
        places = {to: at for at, to in enumerate(params["broadcast_dimensions"])}
        return axes.moved(
            axes.along[places[to]] if to in places and shape[places[to]] == length else NEW
            for to, length in enumerate(made)
        )
    if name == "squeeze" or (name.startswith("reduce_") and "axes" in params):
        gone = params["dimensions"] if name == "squeeze" else params["axes"]
        return axes.moved(entry for axis, entry in enumerate(axes.along) if axis not in gone)
    if name in ("slice", "dynamic_slice") and shape != made:
        return axes.moved(axes.along, part="slice")
    if name == "dot_general":
        return _among_weights(equation, place, axes)
    if name in _SAME or shape == made:
        return axes
    if len(shape) == len(made) and all(n in (1, m) for n, m in zip(shape, made, strict=True)):
        # Operations on two arrays repeat axes of length 1.
        return axes.moved(e if n == m else NEW for e, n, m in zip(axes.along, shape, made, strict=True))
    return axes.moved(None)


def _gathered(equation: Any, place: int, axes: Axes) -> Axes:
    """One part of the leaf by its index, as a slice is; of several parts nothing is claimed."""
    numbers = equation.params["dimension_numbers"]
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    assert axes.along is not None
    kept = [entry for axis, entry in enumerate(axes.along) if axis not in gone]
    single = len(equation.outvars[0].aval.shape) == len(kept)
    if place != 0 or numbers.operand_batching_dims or not single:
        return axes.moved(None)
    return axes.moved(kept, part="slice")


def meeting(equation: Any, place: int, axes: Axes) -> Meeting:
    """What a leaf does in an operation on its operand number `place` and on the data."""
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        contracted, batch = (pair[place] for pair in params["dimension_numbers"])
        return _product(equation, place, axes, contracted, batch, 1)
    if name == "conv_general_dilated" and place == 1:
        summed = params["dimension_numbers"].rhs_spec[1:]
        # Inputs of a transposed convolution lie apart: each output unit meets one in so many.
        return _product(equation, place, axes, summed, (), math.prod(params["lhs_dilation"]))
    roles: dict[str, Role] = {
        **dict.fromkeys(("mul", "div"), "scale"),
        **dict.fromkeys(("add", "sub", "add_any"), "shift"),
        **dict.fromkeys(_PLACING, "placed"),
        "gather": "lookup",
    }
    role = roles.get(name, "other") if name != "gather" or place == 0 else "other"
    return Meeting(role, part=axes.part if axes.along is not None else "slice")


def _product(equation: Any, place: int, axes: Axes, contracted: Any, batch: Any, apart: int) -> Meeting:
    if axes.along is None:
        return Meeting("product", part="slice")
    shape = equation.invars[place].aval.shape
    own = [axis for axis in contracted if axes.along[axis][0]]
    free = [entry for axis, entry in enumerate(axes.along) if axis not in (*contracted, *batch) and entry[0]]
    if not own and not axes.summed:
        return Meeting("scale", part=axes.part)
    if not own:
        fan_axes, fan = axes.summed, axes.length
    else:
        fan_axes = tuple(sorted({a for axis in own if axes.along[axis][1] for a in axes.along[axis][0]}))
        fan = max(1, round(math.prod(shape[axis] for axis in own) / apart))
    single = len(free) == 1 and free[0][1] and len(free[0][0]) == 1
    return Meeting("product", fan_axes, fan, free[0][0][0] if single else None, axes.part)


def _among_weights(equation: Any, place: int, axes: Axes) -> Axes:
    """A product of weights with weights: batch axes first, then those of the left side, then the right's."""
    contracted, batch = (pair[place] for pair in equation.params["dimension_numbers"])
    others, others_batch = (pair[1 - place] for pair in equation.params["dimension_numbers"])
    assert axes.along is not None
    along, shape = axes.along, equation.invars[place].aval.shape
    own = [entry for axis, entry in enumerate(along) if axis not in (*contracted, *batch)]
    strange = [NEW] * (len(equation.invars[1 - place].aval.shape) - len(others) - len(others_batch))
    both = [*own, *strange] if place == 0 else [*strange, *own]
    summed = tuple(a for axis in contracted for a in along[axis][0])
    return axes.moved(
        (*(along[axis] for axis in batch), *both),
        summed=summed,
        length=math.prod(shape[axis] for axis in contracted),
    )


def _reshaped(along: Any, before: tuple[int, ...], after: tuple[int, ...]) -> list[Any] | None:
    """Groups of axes with one product: one to one, or many to one; what is cut into several is in part."""
    if 0 in before:
        return None
    made: list[Any] = []
    start = 0
    while len(made) < len(after):
        stop, length = len(made) + 1, after[len(made)]
        if length == 1 and not (start < len(before) and before[start] == 1):
            made.append(NEW)
            continue
        end = start + 1
        size = before[start] if start < len(before) else 1
        while size != length:
            if size < length:
                size, end = size * before[end], end + 1
            else:
                length, stop = length * after[stop], stop + 1
        joined = tuple(axis for entry in along[start:end] for axis in entry[0])
        exact = all(entry[1] for entry in along[start:end])
        many = stop - len(made) > 1
        made += [(joined, exact and not many)] * (stop - len(made))
        start = end
    return made
