"""From which examples of a batch each value of a computation is made, read off the program without numbers.

Elementwise operations join what their operands are made of, a reduction all along its axes, a place that is
itself computed reaches all along its axis (`row_rules`). So a mean over the batch shows whatever the numbers
are, though it be of a class that is rare, or a maximum that changes nothing here. A network is proved to keep
examples apart (`apart`) if no output can be made of two, nor goes by its place in the batch; a loss mixes
them (`path_between`) if a value is made of two for sure. What is neither is decided by numbers (`mixing`).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from weightspace.models.cells import Cells, TooMany, joined
from weightspace.models.reach import computed, fill_of
from weightspace.models.row_places import Number, Operation
from weightspace.models.row_rules import RULES, anything, stacked
from weightspace.models.trace import Walker, keeps_places, scan_sizes

_LONGEST = 64
"""Turns of a loop that are followed one by one."""
_KNOWN = 1 << 16
"""Elements of an array whose numbers are kept."""


def apart(closed: Any, marked: Sequence[bool]) -> bool:
    """Whether row i of the first result comes from row i of the marked arguments alone, as far as is proved.

    Args:
      closed: What `jax.make_jaxpr` gives; rows lie along the first axis of marked arguments and of the
        result.
      marked: One entry for each array of the arguments.
    """
    if keeps_places(closed.jaxpr):
        return False
    given = [var.aval for var in closed.jaxpr.invars]
    count = next(each.shape[0] for each, mark in zip(given, marked, strict=True) if mark)
    walk = _Examples(count, constants=True)
    taken = [
        walk.input(each) if mark else _Seen(walk.none(each.shape))
        for each, mark in zip(given, marked, strict=True)
    ]
    cells = walk.walk(closed.jaxpr, taken, closed.consts)[0].cells
    if cells is None or cells.shape[:1] != (count,):
        return False
    return cells.period[0] == 1 and not _others(cells)


def path_between(function: Callable[..., Any], outputs: Any, targets: Any) -> str | None:
    """The operation by which one example's value is made of another's outputs or targets for sure, or None.

    What depends on no example is no path: `o[jnp.arange(n), y]` takes row i for row i.

    Args:
      function: `(outputs, y) -> [batch]`.
      outputs: Shape and type of a batch of outputs.
      targets: Likewise of targets.
    """
    closed = jax.make_jaxpr(function)(outputs, targets)
    if keeps_places(closed.jaxpr):
        return None
    walk = _Examples(outputs.shape[0], constants=False)
    (found,) = walk.walk(closed.jaxpr, [walk.input(outputs), walk.input(targets)], closed.consts)
    return found.by if found.cells is not None and found.cells.sure and _others(found.cells) else None


def _others(cells: Cells) -> bool:
    """Whether a row is made of another's example."""
    mixed = np.moveaxis(cells.rows, 1, -1) & ~np.eye(len(cells.rows), dtype=bool).reshape(
        -1, *[1] * (cells.rows.ndim - 2), len(cells.rows)
    )
    return bool(mixed.any())


_UNKNOWN = Number(lambda: None)


def _beneath(goes_on: "_Seen", value: "_Seen") -> "_Seen":
    """What says whether a loop goes on, at the rank of its carry: under `vmap` for each row of it."""
    cells = goes_on.cells
    if cells is None or not cells.shape:
        return goes_on
    axes = range(len(cells.shape))
    if value.cells is not None and value.cells.shape[: len(axes)] == cells.shape:
        return dataclasses.replace(goes_on, cells=cells.placed(value.cells.shape, axes))
    return dataclasses.replace(goes_on, cells=cells.spread(list(axes), sure=False).without(list(axes)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """A value.

    Attributes:
      cells: Of which examples it is made; None of none, each element in its own way.
      fill: The one number that all its elements are, if there is one and it is known.
      number: Its numbers where it is made of no example; elsewhere they may be any.
      by: The operation that first joined two examples in it.
    """

    cells: Cells | None = None
    fill: bool | int | float | None = None
    number: Number = _UNKNOWN
    by: str | None = None

    @property
    def of_examples(self) -> bool:
        """Whether it is made of any."""
        return self.cells is not None and bool(self.cells.rows.any())

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Seen) and self._key() == other._key())

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def _key(self) -> Any:
        cells = self.cells
        rows = cells and (cells.shape, cells.period, cells.sure, cells.rows.shape, cells.rows.tobytes())
        return rows, repr(self.fill), id(self.number)


def _unsure(value: _Seen) -> _Seen:
    """The same, made of its examples at most."""
    cells = value.cells and dataclasses.replace(value.cells, sure=False)
    return dataclasses.replace(value, cells=cells)


class _Examples(Walker[_Seen]):
    picks = True

    def __init__(self, count: int, *, constants: bool):
        """`constants`: whether branches and factors that are constants are followed, as in `reach`."""
        self._count, self._constants = count, constants

    def none(self, shape: tuple[int, ...], period: tuple[int, ...] | None = None) -> Cells:
        """What is made of no example, each element in its own way, or as a period says."""
        return Cells(shape, np.zeros((self._count, *[1] * len(shape)), bool), period or shape)

    def input(self, like: Any) -> _Seen:
        """Row i is example i."""
        rows = np.eye(self._count, dtype=bool).reshape(self._count, -1, *[1] * (len(like.shape) - 1))
        whole = jnp.issubdtype(like.dtype, jnp.integer)
        number = Number(lambda: np.zeros(like.shape, like.dtype)) if whole else _UNKNOWN
        return _Seen(Cells(tuple(like.shape), rows, (1, *like.shape[1:])), number=number)

    def constant(self, value: Any = None) -> _Seen:
        if value is None:
            return _Seen()
        fill, shape = fill_of(value) if self._constants else None, np.shape(value)
        keys = jnp.issubdtype(jnp.result_type(value), jax.dtypes.extended)
        known = not keys and math.prod(shape) <= _KNOWN and not isinstance(value, Tracer)
        number = Number(lambda: np.asarray(value)) if known else _UNKNOWN
        return _Seen(self.none(shape, None if fill is None else (1,) * len(shape)), fill, number)

    def picked(self, which: _Seen) -> int | None:
        return None if which.fill is None else int(which.fill)

    def join(self, a: _Seen, b: _Seen) -> _Seen:
        if a == b:
            return a
        like = max((each.cells.shape for each in (a, b) if each.cells is not None), key=len, default=None)
        cells = None if like is None else joined([each.cells or self.none(like) for each in (a, b)], like)
        number = a.number if a.number is b.number else _UNKNOWN
        return _Seen(cells, a.fill if a.fill == b.fill else None, number, a.by or b.by)

    def driven(self, value: _Seen, goes_on: _Seen) -> _Seen:
        """How many turns another value's examples take, is no path for sure."""
        found = self.join(value, _beneath(goes_on, value))
        return _unsure(found) if goes_on.of_examples else found

    def row(self, value: _Seen) -> _Seen:
        cells = value.cells and value.cells.spread([0], sure=False).without([0])
        return dataclasses.replace(value, cells=cells, number=_UNKNOWN)

    def stacked(self, value: _Seen, length: int) -> _Seen:
        if value.cells is None:
            return dataclasses.replace(value, number=_UNKNOWN)
        shape = (length, *value.cells.shape)
        cells = value.cells.placed(shape, range(1, len(shape)))
        if value.fill is None:
            cells = cells.spread([0])
        return dataclasses.replace(value, cells=cells, number=_UNKNOWN)

    def _through(self, equation: Any, values: list[_Seen]) -> list[_Seen]:
        found = super()._through(equation, values)
        if not any(value.of_examples for value in values):
            # Also of loops and branches, whose numbers the walk has lost.
            whole = Number(lambda: _values(equation, values))
            return [
                dataclasses.replace(each, number=_part(whole, place)) if each.number is _UNKNOWN else each
                for place, each in enumerate(found)
            ]
        before = next((value.by for value in values if value.by), None)
        return [
            dataclasses.replace(each, by=before or equation.primitive.name)
            if each.by is None and each.cells is not None and _of_two(each.cells)
            else each
            for each in found
        ]

    def equation(self, equation: Any, values: list[_Seen]) -> list[_Seen]:
        name, shapes = equation.primitive.name, [out.aval.shape for out in equation.outvars]
        if name == "select_n" and values[0].fill is not None:
            return [values[1 + int(values[0].fill)]]
        fill = computed(equation, [value.fill for value in values]) if self._constants else None
        if fill is not None:
            return [_Seen(self.none(shapes[0], (1,) * len(shapes[0])), fill)]
        if name == "iota":
            along = equation.params["dimension"]
            made = [self.none(shapes[0], tuple(n if a == along else 1 for a, n in enumerate(shapes[0])))]
        elif not values:
            made = [self.none(shape) for shape in shapes]
        else:
            made = self._ruled(equation, values, shapes)
        whole = Number(lambda: _values(equation, values))
        return [_Seen(cells, number=_part(whole, place)) for place, cells in enumerate(made)]

    def _ruled(self, equation: Any, values: list[_Seen], shapes: list[tuple[int, ...]]) -> list[Cells]:
        op = Operation(equation.params, shapes, [value.number for value in values])
        given = [
            value.cells or self.none(atom.aval.shape)
            for atom, value in zip(equation.invars, values, strict=True)
        ]
        try:
            found = RULES.get(equation.primitive.name, anything)(op, *given)
        except TooMany:
            found = anything(op, *given)
        made = [each.shortened() for each in ([found] if isinstance(found, Cells) else found)]
        return [each if each.rows.any() else self.none(each.shape, each.period) for each in made]

    def _at_most(self, found: list[_Seen], some: bool) -> list[_Seen]:
        """What may be of another turn or branch than that which is read is no path for sure."""
        return [_unsure(each) for each in found] if some and not self._constants else found

    def _while(self, params: Any, values: list[_Seen]) -> list[_Seen]:
        found = super()._while(params, values)
        return self._at_most(found, found != values[len(values) - len(found) :])

    def _cond(self, params: Any, values: list[_Seen]) -> list[_Seen]:
        open_ = params.get("branches_platforms") is None and self.picked(values[0]) is None
        return self._at_most(super()._cond(params, values), open_ and not values[0].of_examples)

    def _scan(self, params: Any, values: list[_Seen]) -> list[_Seen]:
        found, (consts, carries) = super()._scan(params, values), scan_sizes(params)
        found = self._at_most(found, found[:carries] != values[consts : consts + carries])
        clear = all(each.cells is None or (each.cells.sure and not _of_two(each.cells)) for each in found)
        return found if clear or not 0 < params["length"] <= _LONGEST else self._turns(params, values)

    def _turns(self, params: Any, values: list[_Seen]) -> list[_Seen]:
        """Turn by turn, where what holds for all turns says too little."""
        (consts, carries), body = scan_sizes(params), params["jaxpr"]
        fixed, carry, along = values[:consts], values[consts : consts + carries], values[consts + carries :]
        turns: dict[int, list[_Seen]] = {}
        for turn in sorted(range(params["length"]), reverse=params["reverse"]):
            here = [_turn(each, turn) for each in along]
            made = self.walk(body.jaxpr, [*fixed, *carry, *here], body.consts)
            carry, turns[turn] = made[:carries], made[carries:]
        results = []
        for place, like in enumerate(body.out_avals[carries:]):
            each = [turns[turn][place] for turn in sorted(turns)]
            cells = stacked([one.cells or self.none(like.shape) for one in each]).shortened()
            results.append(_Seen(cells, by=next((one.by for one in each if one.by), None)))
        return [*carry, *results]


def _turn(value: _Seen, turn: int) -> _Seen:
    cells = value.cells and value.cells.taken(0, np.array([turn])).without([0])
    return dataclasses.replace(value, cells=cells, number=_part(value.number, turn))


def _of_two(cells: Cells) -> bool:
    """Whether an element is made of two examples or more."""
    return bool((cells.rows.sum(0) > 1).any())


def _part(of: Number, place: int) -> Number:
    """One of several arrays, or of the first axis of one."""
    return Number(lambda: None if of.known is None else of.known[place])


def _values(equation: Any, values: list[_Seen]) -> list[Any] | None:
    """Numbers computed from such as are known; right where they are made of no example."""
    numbers = [value.number.known for value in values]
    large = any(math.prod(out.aval.shape) > _KNOWN for out in equation.outvars)
    if large or any(each is None for each in numbers):
        return None
    primitive, several = equation.primitive, equation.primitive.multiple_results
    try:
        with jax.ensure_compile_time_eval():
            found = primitive.bind(*map(jnp.asarray, numbers), **equation.params)
            return [np.asarray(each) for each in (found if several else [found])]
    except Exception:
        # Keys and the like: no places in an array.
        return None
