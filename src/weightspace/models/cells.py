"""Cells: of which examples each element of an array is made, and along which axes elements are made alike.

Both are kept short: an axis along which all elements are made of the same examples has length 1 in `rows`,
and `period` says after how many places along an axis the elements are made in the same way again, of their
own examples (1: everywhere). So what is stored is small for networks of any size. The rules of operations
(`row_rules`) are built of these few.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

Axis = int | np.integer
LARGEST = 1 << 20
"""Elements that are followed one by one."""


class TooMany(Exception):  # noqa: N818
    """There are more elements to be followed than `LARGEST`."""


@dataclasses.dataclass(frozen=True)
class Cells:
    """What is known of an array.

    Attributes:
      shape: Of the array.
      rows: Truth values [examples, ...], with a length of the shape or 1 along each axis.
      period: Along each axis, a divisor of its length.
      sure: Whether elements are made of all that `rows` says, and not at most.
    """

    shape: tuple[int, ...]
    rows: np.ndarray
    period: tuple[int, ...]
    sure: bool = True

    def differs(self, axis: Axis) -> bool:
        """Whether elements along an axis are made of different examples."""
        return self.rows.shape[axis + 1] > 1

    def spread(self, axes: Sequence[Axis], *, sure: bool = True) -> "Cells":
        """Each element is made of all along some axes, by its place; `sure` if it needs all of them."""
        rows = np.asarray(self.rows.any(axis=tuple(axis + 1 for axis in axes), keepdims=True))
        period = tuple(n if axis in axes else p for axis, (n, p) in enumerate(self.sized()))
        whole = rows.shape == self.rows.shape
        return Cells(self.shape, rows, period, self.sure and (sure or whole))

    def sized(self) -> Iterator[tuple[int, int]]:
        """Length and period of each axis."""
        return zip(self.shape, self.period, strict=True)

    def without(self, axes: Sequence[Axis]) -> "Cells":
        """One element for all along some axes, made of them."""
        rows = self.rows.any(axis=tuple(axis + 1 for axis in axes))
        shape, period = (
            tuple(each for axis, each in enumerate(of) if axis not in axes)
            for of in (self.shape, self.period)
        )
        return Cells(shape, np.asarray(rows), period, self.sure)

    def ordered(self, axes: Sequence[Axis]) -> "Cells":
        """Axes in another order."""
        rows = self.rows.transpose(0, *(axis + 1 for axis in axes))
        shape, period = (tuple(of[int(axis)] for axis in axes) for of in (self.shape, self.period))
        return Cells(shape, rows, period, self.sure)

    def full(self, axes: Sequence[Axis]) -> "Cells":
        """All elements along some axes, one by one.

        Raises:
          TooMany: If they cannot be followed.
        """
        sizes = tuple(self.shape[axis] if axis in axes else n for axis, n in enumerate(self.rows.shape[1:]))
        if math.prod(sizes) > LARGEST:
            raise TooMany
        return dataclasses.replace(self, rows=np.broadcast_to(self.rows, (len(self.rows), *sizes)))

    def taken(self, axis: Axis, places: np.ndarray) -> "Cells":
        """The elements at some places along an axis, at the same distance of each other."""
        n, period = self.shape[axis], self.period[axis]
        period = period if period == 1 or len(places) == n else len(places)
        rows = np.take(self.rows, places, int(axis) + 1) if self.differs(axis) else self.rows
        return Cells(_set(self.shape, axis, len(places)), rows, _set(self.period, axis, period), self.sure)

    def placed(self, shape: Sequence[int], axes: Sequence[Axis]) -> "Cells":
        """The same along new axes: each of its own lies along one of them."""
        sizes, period = [1] * len(shape), [1] * len(shape)
        for own, axis in enumerate(axes):
            sizes[axis] = self.rows.shape[own + 1]
            period[axis] = self.period[own] if self.shape[own] == shape[int(axis)] else 1
        rows = self.rows.reshape(len(self.rows), *sizes)
        return Cells(tuple(shape), rows, tuple(period), self.sure)

    def reshaped(self, shape: tuple[int, ...]) -> "Cells":
        """The same elements in another shape."""
        if math.prod(shape) == 0 or 0 in self.shape:
            rows = self.rows.any(axis=tuple(range(1, self.rows.ndim))).reshape(-1, *[1] * len(shape))
            return Cells(shape, rows, shape, self.sure)
        sizes, period, apart = [1] * len(shape), [1] * len(shape), []
        for before, after in _groups(self.shape, shape):
            if any(self.differs(axis) for axis in before):
                apart += before
                for axis in after:
                    sizes[axis] = shape[axis]
            length, p = 1, 1
            for axis in before:
                p = self.period[axis] if p == 1 else p * self.shape[axis]
                length *= self.shape[axis]
            for axis in reversed(after):
                n = shape[axis]
                length //= n
                # Place q of the joined axis is place q mod n of this one; the way it is made goes by q mod p.
                period[axis], p = (n, p // n) if p % n == 0 else (p, 1) if n % p == 0 else (n, length)
        rows = self.full(apart).rows.reshape(len(self.rows), *sizes)
        return Cells(shape, rows, tuple(period), self.sure)

    def shortened(self) -> "Cells":
        """Without axes along which nothing differs."""
        rows = self.rows
        for axis in range(1, rows.ndim):
            first = rows.take([0], axis=axis) if rows.shape[axis] > 1 else rows
            if first is not rows and (rows == first).all():
                rows = first
        return dataclasses.replace(self, rows=rows)


def beside(given: Sequence[Cells], axis: Axis, shape: tuple[int, ...]) -> Cells:
    """Arrays one after the other along an axis."""
    whole = [each.full([axis]) for each in given]
    others = joined([each.spread([axis]) for each in whole], shape)
    rows = [np.broadcast_to(each.rows, _set(others.rows.shape, axis + 1, each.shape[axis])) for each in whole]
    period = _set(others.period, axis, shape[axis])
    return Cells(shape, np.concatenate(rows, axis + 1), period, others.sure)


def joined(given: Sequence[Cells], shape: tuple[int, ...]) -> Cells:
    """Elements made of those at the same place of several arrays; scalars are at every place."""
    axes = len(shape)
    fit = [each if len(each.shape) == axes else each.placed(shape, ()) for each in given]
    rows = fit[0].rows
    for each in fit[1:]:
        rows = rows | each.rows
    period = tuple(
        math.lcm(*(each.period[axis] for each in fit if each.shape[axis] == shape[axis]))
        for axis in range(axes)
    )
    return Cells(shape, rows, period, all(each.sure for each in given))


def _set(of: tuple[int, ...], axis: Axis, value: int) -> tuple[int, ...]:
    return (*of[:axis], value, *of[axis + 1 :])


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The fewest axes of each that hold the same elements, from the first on."""
    i = j = 0
    while i < len(old) or j < len(new):
        start, left, right = (i, j), 1, 1
        if i < len(old):
            left, i = old[i], i + 1
        if j < len(new):
            right, j = new[j], j + 1
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        yield list(range(start[0], i)), list(range(start[1], j))
