"""Paths: from which examples each value of a batch is computed, read off the program without its numbers.

A function's jaxpr is gone through equation by equation, with a few rows, and for each element of each array
the set of rows is kept of which it is made: elementwise operations join the sets of their operands, a
reduction those along its axes, an index that is itself computed reaches all along its axis. So a mean over the
batch shows whatever the numbers are, though it be of a class that is rare, or a maximum that changes nothing
here. What depends on no example is no path: `o[jnp.arange(n), y]` takes row i for row i.

Primitives without a rule give no verdict (None): then the trials of `mixing` decide alone.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz "
    "convert_element_type copy copy_p cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt "
    "igamma igammac integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max min mul ne neg "
    "nextafter not or polygamma population_count pow reduce_precision regularized_incomplete_beta rem round "
    "rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square "
    "stop_gradient sub tan tanh xor".split()
)
_CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
_LONGEST = 64
"""Turns of a loop that are followed."""
_LARGEST = 1 << 20
"""Elements of an array that is followed."""


class _Unknown(Exception):  # noqa: N818
    """There is no rule for what the function does."""


class _Seen(NamedTuple):
    """An array: the rows of which each element is made, and whole numbers where it is made of none."""

    rows: np.ndarray
    value: np.ndarray | None


def path_between(function: Callable[..., Any], outputs: Any, targets: Any) -> str | None:
    """The operation by which one example's value is made of another's outputs or targets, or None.

    Args:
      function: `(outputs, y) -> [batch]`.
      outputs: Shape and type of a batch of outputs.
      targets: Likewise of targets.
    """
    batch = outputs.shape[0]
    try:
        closed = jax.make_jaxpr(function)(outputs, targets)
        walk = _Walk(batch)
        inputs = [walk.of_row(each) for each in (outputs, targets)]
        (found,) = walk.through(closed.jaxpr, closed.consts, inputs)
    except _Unknown:
        return None
    mixed = found.rows & ~np.eye(batch, dtype=bool)
    return walk.first if mixed.any() else None


class _Walk:
    """One pass over a jaxpr."""

    def __init__(self, batch: int):
        self.batch = batch
        self.first = "a sum"

    def of_row(self, like: Any) -> _Seen:
        """An input: row i is made of example i."""
        rows = np.zeros((self.batch, *like.shape), bool)
        rows[np.arange(self.batch), np.arange(self.batch)] = True
        return _Seen(rows, np.zeros(like.shape, like.dtype) if _is_whole(like.dtype) else None)

    def constant(self, value: Any) -> _Seen:
        """What is made of no example."""
        array = np.asarray(value) if _is_whole(jnp.result_type(value)) else None
        return _Seen(np.zeros((self.batch, *np.shape(value)), bool), array)

    def through(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[_Seen]) -> list[_Seen]:
        """The results of a jaxpr."""
        known = {var: self.constant(const) for var, const in zip(jaxpr.constvars, consts, strict=True)}
        known |= dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> _Seen:
            return self.constant(atom.val) if hasattr(atom, "val") else known[atom]

        for equation in jaxpr.eqns:
            given = [read(atom) for atom in equation.invars]
            before = max((each.rows.sum(0).max(initial=0) for each in given), default=0)
            results = self.equation(equation, given)
            if self.first == "a sum" and before < 2 and any((r.rows.sum(0) > 1).any() for r in results):
                self.first = equation.primitive.name
            known |= dict(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, equation: Any, given: list[_Seen]) -> list[_Seen]:
        """The results of one equation."""
        name, params = equation.primitive.name, equation.params
        shapes = [var.aval.shape for var in equation.outvars]
        if any(math.prod(shape) > _LARGEST for shape in shapes):
            raise _Unknown
        inner = next((params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None)
        if name == "scan":
            return self._scan(params, given)
        if inner is not None and name != "while":
            jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
            return self.through(jaxpr, consts, given)
        if not any(each.rows.any() for each in given):
            blank = [np.zeros((self.batch, *shape), bool) for shape in shapes]
        elif name == "while":
            return self._while(params, given)
        elif name == "cond":
            return self._cond(params, given)
        elif name in ("sort", "top_k"):
            axis = params.get("dimension", params.get("axis", -1))
            blank = [_spread(_joined(given), axis, shape) for shape in shapes]
        elif name == "split":
            cuts = np.cumsum(params["sizes"])[:-1]
            blank = np.split(given[0].rows, cuts, axis=params["axis"] + 1)
        else:
            blank = [_rows(name, params, given, shapes[0])]
        dtypes = [var.aval.dtype for var in equation.outvars]
        return [_Seen(r, v) for r, v in zip(blank, _values(equation, given, dtypes), strict=True)]

    def _while(self, params: Any, given: list[_Seen]) -> list[_Seen]:
        """Until nothing is added; how often may not depend on the examples."""
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        cond, body, carry = given[:first], given[first:second], given[second:]
        for _ in range(_LONGEST):
            (more,) = self.through(params["cond_jaxpr"].jaxpr, params["cond_jaxpr"].consts, [*cond, *carry])
            if more.rows.any():
                raise _Unknown
            after = self.through(params["body_jaxpr"].jaxpr, params["body_jaxpr"].consts, [*body, *carry])
            joined = [_Seen(a.rows | b.rows, None) for a, b in zip(carry, after, strict=True)]
            if all((a.rows == b.rows).all() for a, b in zip(carry, joined, strict=True)):
                return joined
            carry = joined
        raise _Unknown

    def _scan(self, params: Any, given: list[_Seen]) -> list[_Seen]:
        """Turn by turn."""
        consts, carries, length = params["num_consts"], params["num_carry"], params["length"]
        if not 0 < length <= _LONGEST:
            raise _Unknown
        fixed, carry, along = given[:consts], given[consts : consts + carries], given[consts + carries :]
        collected: dict[int, list[_Seen]] = {}
        turns = range(length)
        for turn in reversed(turns) if params["reverse"] else turns:
            here = [
                _Seen(each.rows[:, turn], None if each.value is None else each.value[turn]) for each in along
            ]
            results = self.through(params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *here])
            carry, collected[turn] = results[:carries], results[carries:]
        stacked = [
            _Seen(np.stack([collected[turn][i].rows for turn in turns], axis=1), None)
            for i in range(len(collected[0]))
        ]
        return [*carry, *stacked]

    def _cond(self, params: Any, given: list[_Seen]) -> list[_Seen]:
        """What any branch gives, and that by which one is chosen."""
        chosen = given[0].rows.reshape(self.batch, -1).any(axis=1)
        branches = [self.through(each.jaxpr, each.consts, given[1:]) for each in params["branches"]]
        return [
            _Seen(
                np.logical_or.reduce([each.rows for each in same])
                | chosen.reshape(-1, *[1] * (same[0].rows.ndim - 1)),
                None,
            )
            for same in zip(*branches, strict=True)
        ]


def _is_whole(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.bool_)


def _joined(given: Sequence[_Seen]) -> np.ndarray:
    return np.logical_or.reduce(np.broadcast_arrays(*[_padded(each.rows, given) for each in given]))


def _padded(rows: np.ndarray, given: Sequence[_Seen]) -> np.ndarray:
    """Scalars among arrays."""
    axes = max(each.rows.ndim for each in given)
    return rows.reshape(rows.shape[0], *[1] * (axes - rows.ndim), *rows.shape[1:])


def _spread(rows: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Each element along an axis is made of all along it."""
    axis = axis % (rows.ndim - 1) + 1
    return np.broadcast_to(rows.any(axis=axis, keepdims=True), (len(rows), *shape)).copy()


def _rows(name: str, params: Any, given: list[_Seen], shape: tuple[int, ...]) -> np.ndarray:  # noqa: PLR0911
    """Of one result, by the rule of a primitive."""
    rows, batch = given[0].rows, len(given[0].rows)
    if name in _ELEMENTWISE:
        return np.broadcast_to(_joined(given), (batch, *shape)).copy()
    if name in ("reshape", "squeeze", "expand_dims"):
        return rows.reshape(batch, *shape)
    if name == "transpose":
        return rows.transpose(0, *(axis + 1 for axis in params["permutation"]))
    if name == "broadcast_in_dim":
        inner = [1] * len(shape)
        for place, axis in enumerate(params["broadcast_dimensions"]):
            inner[axis] = rows.shape[place + 1]
        return np.broadcast_to(rows.reshape(batch, *inner), (batch, *shape)).copy()
    if name == "slice":
        strides = params["strides"] or [1] * len(shape)
        limits = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
        return rows[(slice(None), *(slice(*each) for each in limits))]
    if name == "rev":
        return np.flip(rows, [axis + 1 for axis in params["dimensions"]])
    if name == "concatenate":
        return np.concatenate([each.rows for each in given], axis=params["dimension"] + 1)
    if name.startswith("reduce_") and "axes" in params or name in ("argmax", "argmin"):
        return rows.any(axis=tuple(axis + 1 for axis in params["axes"]))
    if name in _CUMULATIVE:
        return _spread(rows, params["axis"], shape)
    if name == "dot_general":
        return _product(params["dimension_numbers"], given[0].rows, given[1].rows)
    if name == "gather":
        return _gathered(params, *given)
    raise _Unknown


def _product(numbers: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Batch axes, then those of the left, then those of the right."""
    (left_summed, right_summed), (left_batch, right_batch) = numbers
    sides = []
    for rows, summed, batch in ((left, left_summed, left_batch), (right, right_summed, right_batch)):
        free = [axis for axis in range(rows.ndim - 1) if axis not in (*summed, *batch)]
        ordered = rows.transpose(0, *(axis + 1 for axis in (*batch, *free, *summed)))
        sides.append((ordered.any(axis=tuple(range(1 + len(batch) + len(free), rows.ndim))), len(free)))
    (one, ours), (other, theirs) = sides
    kept = 1 + len(left_batch)
    one = one.reshape(*one.shape, *[1] * theirs)
    other = other.reshape(*other.shape[:kept], *[1] * ours, *other.shape[kept:])
    return one | other


def _gathered(params: Any, operand: _Seen, indices: _Seen) -> np.ndarray:
    """What the indices take, all along an axis where they are made of examples themselves."""
    numbers, rows = params["dimension_numbers"], operand.rows
    computed = indices.rows.any(axis=tuple(range(indices.rows.ndim - 1)))
    if indices.value is None and not computed.all():
        raise _Unknown
    for component, axis in enumerate(numbers.start_index_map):
        if computed[component]:
            rows = _spread(rows, axis, rows.shape[1:])
    places = np.zeros(indices.rows.shape[1:], np.int32) if indices.value is None else indices.value
    taken = np.asarray(
        jax.vmap(
            lambda each: jax.lax.gather(
                each, jnp.asarray(places), numbers, params["slice_sizes"], mode=jax.lax.GatherScatterMode.CLIP
            )
        )(jnp.asarray(rows))
    )
    inner = iter(indices.rows.shape[1:-1])
    shape = [1 if axis in numbers.offset_dims else next(inner) for axis in range(taken.ndim - 1)]
    return taken | indices.rows.any(axis=-1).reshape(len(rows), *shape)


def _values(equation: Any, given: list[_Seen], dtypes: list[Any]) -> list[np.ndarray | None]:
    """Whole numbers computed from whole numbers; right where they are made of no example."""
    if not all(map(_is_whole, dtypes)) or any(each.value is None for each in given):
        return [None] * len(dtypes)
    values = [jnp.asarray(each.value) for each in given]
    found = equation.primitive.bind(*values, **equation.params)
    return [np.asarray(each) for each in (found if equation.primitive.multiple_results else [found])]
