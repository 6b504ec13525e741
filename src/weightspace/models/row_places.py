"""Rules of `rows` for operations that go by places: parts that begin where numbers say, look-ups, writing.

Places that are made of examples reach all along their axes; others are computed where they are needed.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weightspace.models.cells import LARGEST, Axis, Cells, TooMany, joined


class Number:
    """Numbers of an array, computed where a place asks for them; None where they are not known."""

    def __init__(self, compute: Callable[[], Any]):
        self._compute = compute

    @functools.cached_property
    def known(self) -> Any:
        """The numbers; any, of elements that are made of examples."""
        return self._compute()


@dataclasses.dataclass(frozen=True)
class Operation:
    """An equation: its parameters, the shapes that it makes, and the numbers of what it takes."""

    params: Any
    made: Sequence[tuple[int, ...]]
    numbers: Sequence[Number]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the first result."""
        return self.made[0]


def cut(op: Operation, x: Cells, *starts: Cells) -> Cells:
    """A part that begins where numbers say."""
    chosen = []
    for axis, (start, number, size) in enumerate(zip(starts, op.numbers[1:], op.shape, strict=True)):
        if size == x.shape[axis]:
            continue
        chosen.append(start)
        known = None if start.rows.any() else number.known if x.differs(axis) else 0
        if known is None:
            x = x.spread([axis], sure=bool(start.rows.any()))
        first = 0 if known is None else int(np.clip(known, 0, x.shape[axis] - size))
        x = x.taken(axis, np.arange(first, first + size))
    return joined([x, *chosen], op.shape)


def written(op: Operation, x: Cells, part: Cells, *starts: Cells) -> Cells:
    """Somewhere along the axes of which the part is not the whole."""
    along = [axis for axis, n in enumerate(op.shape) if part.shape[axis] != n]
    part = part.spread(along, sure=False)
    period = tuple(n if axis in along else part.period[axis] for axis, n in enumerate(op.shape))
    return joined(
        [x, dataclasses.replace(part, shape=op.shape, period=period), *(starts[a] for a in along)], op.shape
    )


def _laid(places: Any, axes: Sequence[Axis], count: int) -> np.ndarray:
    """An array's axes along some of several."""
    shape = [1] * count
    for own, axis in enumerate(axes):
        shape[axis] = np.shape(places)[own]
    return np.asarray(places).reshape(shape)


def _nowhere(count: int) -> np.ndarray:
    """The first place, for all."""
    return np.zeros([1] * count, int)


def _component(number: Number, indices: Cells, place: int) -> tuple[Any, bool]:
    """The numbers of a component of places, None if not known; and whether it is made of examples."""
    computed = bool(indices.rows[..., place if indices.rows.shape[-1] > 1 else 0].any())
    return None if computed or number.known is None else number.known[..., place], computed


def gathered(op: Operation, x: Cells, indices: Cells) -> Cells:
    """What the places take, all along an axis where they are made of examples themselves."""
    numbers, sizes, count = op.params["dimension_numbers"], op.params["slice_sizes"], len(op.shape)
    counted = [axis for axis in range(count) if axis not in numbers.offset_dims]
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    window = dict(zip((a for a in range(len(x.shape)) if a not in gone), numbers.offset_dims, strict=True))
    paired = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    places, period = [_nowhere(count)] * len(x.shape), [1] * count
    for place, axis in enumerate(counted):
        period[axis] = indices.period[place]
    for place, axis in enumerate(numbers.start_index_map):
        if x.differs(axis):
            known, computed = _component(op.numbers[1], indices, place)
            if known is None:
                x = x.spread([axis], sure=computed)
            else:
                places[axis] = _laid(np.clip(known, 0, x.shape[axis] - sizes[axis]), counted, count)
    for axis, n in enumerate(x.shape):
        to = window.get(axis)
        if to is not None:
            period[to] = x.period[axis] if n == sizes[axis] or x.period[axis] == 1 else sizes[axis]
        elif axis in paired:
            to = counted[paired[axis]]
            period[to] = math.lcm(period[to], x.period[axis])
        if to is not None and x.differs(axis):
            places[axis] = places[axis] + _laid(np.arange(sizes[axis] if axis in window else n), [to], count)
    if math.prod(np.broadcast_shapes(*(each.shape for each in places))) > LARGEST:
        raise TooMany
    taken = Cells(op.shape, x.rows[(slice(None), *places)], tuple(period), x.sure)
    return joined([taken, indices.without([len(indices.shape) - 1]).placed(op.shape, counted)], op.shape)


def scattered(op: Operation, x: Cells, indices: Cells, updates: Cells) -> Cells:
    """What is put where the places say, anywhere along an axis where they are made of examples."""
    numbers, count = op.params["dimension_numbers"], len(updates.shape)
    counted = [axis for axis in range(count) if axis not in numbers.update_window_dims]
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    kept = (a for a in range(len(x.shape)) if a not in gone)
    window = dict(zip(kept, numbers.update_window_dims, strict=True))
    paired = dict(zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True))
    targets = list(numbers.scatter_dims_to_operand_dims)
    by = indices.without([len(indices.shape) - 1]).placed(updates.shape, counted)
    put = joined([updates, by], updates.shape)
    places, lengths, period, sure = [], [], list(op.shape), put.sure
    for axis, n in enumerate(x.shape):
        if axis in targets:
            along = window.get(axis)
            size = 1 if along is None else updates.shape[along]
            known, computed = _component(op.numbers[1], indices, targets.index(axis))
            sure, whole, place = sure and (known is not None or computed), known is not None, _nowhere(count)
            if known is not None:
                place = _laid(np.clip(known, 0, n - size), counted, count)
        else:
            along, size = counted[paired[axis]] if axis in paired else window[axis], n
            whole, place, period[axis] = put.differs(along), _nowhere(count), put.period[along]
        if whole and along is not None:
            place = place + _laid(np.arange(size), [along], count)
        places.append(place)
        lengths.append(n if whole else 1)
    shape = np.broadcast_shapes(*(each.shape for each in places), put.rows.shape[1:])
    if math.prod(lengths) > LARGEST or math.prod(shape) > LARGEST:
        raise TooMany
    rows = np.zeros((len(x.rows), *lengths), bool)
    values = np.broadcast_to(put.rows, (len(rows), *shape))
    into: Any = (slice(None), *(np.broadcast_to(each, shape) for each in places))
    np.logical_or.at(rows, into, values)
    return joined([x, Cells(x.shape, rows, tuple(period), sure)], x.shape)
