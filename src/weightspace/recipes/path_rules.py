"""Rules of `paths`: the examples of which a primitive's results are made, by those of its operands.

Arrays of truth values [rows, ...] say for each example which elements are made of it. Indices that are made
of examples reach all along their axes; others are computed where they are needed.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_NAMES = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz
convert_element_type copy copy_p cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt
igamma igammac integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max min mul ne neg nextafter
not or polygamma population_count pow reduce_precision regularized_incomplete_beta rem round rsqrt select_n
shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor
"""
_ELEMENTWISE = frozenset(_NAMES.split())
_CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
LARGEST = 1 << 20
"""Elements of an array that is followed."""
KNOWN = 1 << 16
"""Elements of an array whose numbers are kept."""


class Unknown(Exception):  # noqa: N818
    """There is no rule for what the function does."""


class Number:
    """Numbers of an array, computed where an index asks for them; None where they are not known."""

    def __init__(self, compute: Callable[[], Any]):
        self._compute = compute

    @functools.cached_property
    def known(self) -> Any:
        """The numbers."""
        return self._compute()


_NOTHING = Number(lambda: None)


class Seen(NamedTuple):
    """An array: the rows of which each element is made, and its numbers where that is of none.

    Elements that are made of some have any number; of floating inputs none are known.
    """

    rows: np.ndarray
    value: Number = _NOTHING


def part(of: Number, place: int) -> Number:
    """One of several arrays, or of the first axis of one."""
    return Number(lambda: None if of.known is None else of.known[place])


def joined(given: Sequence[Seen]) -> np.ndarray:
    """Elements that are made of any of several operands, scalars among them."""
    return np.logical_or.reduce(np.broadcast_arrays(*[_padded(each.rows, given) for each in given]))


def _padded(rows: np.ndarray, given: Sequence[Seen]) -> np.ndarray:
    """Scalars among arrays."""
    axes = max(each.rows.ndim for each in given)
    return rows.reshape(rows.shape[0], *[1] * (axes - rows.ndim), *rows.shape[1:])


def spread(rows: np.ndarray, axis: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Each element along an axis is made of all along it."""
    axis = int(axis) % (rows.ndim - 1) + 1
    return np.broadcast_to(rows.any(axis=axis, keepdims=True), (len(rows), *shape)).copy()


def rows_of(name: str, params: Any, given: list[Seen], shape: tuple[int, ...]) -> np.ndarray:
    """Of one result, by the rule of a primitive."""
    rows, batch = given[0].rows, len(given[0].rows)
    if name in _ELEMENTWISE:
        return np.broadcast_to(joined(given), (batch, *shape)).copy()
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
        return np.flip(rows, tuple(axis + 1 for axis in params["dimensions"]))
    if name == "concatenate":
        return np.concatenate([each.rows for each in given], axis=params["dimension"] + 1)
    if (name.startswith("reduce_") and "axes" in params) or name in ("argmax", "argmin"):
        return np.asarray(rows.any(axis=tuple(axis + 1 for axis in params["axes"])))
    if name in _CUMULATIVE:
        return spread(rows, params["axis"], shape)
    if name == "dot_general":
        return _product(params["dimension_numbers"], given[0].rows, given[1].rows)
    if name == "stack":
        return np.stack([each.rows for each in given], axis=params["axis"] + 1)
    if name == "dynamic_slice":
        return _cut(rows, given[1:], shape)
    if name == "gather":
        return _gathered(params, *given)
    if name.startswith("scatter"):
        return _scattered(params, *given)
    raise Unknown


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


def _cut(rows: np.ndarray, starts: list[Seen], shape: tuple[int, ...]) -> np.ndarray:
    """A part that begins where numbers say."""
    for axis, start in enumerate(starts):
        whole = rows.shape[axis + 1]
        if shape[axis] == whole:
            continue
        if start.rows.any():
            rows = spread(rows, axis, rows.shape[1:])
        known = None if start.rows.any() else start.value.known
        if known is None and not start.rows.any():
            raise Unknown
        first = 0 if known is None else int(np.clip(known, 0, whole - shape[axis]))
        rows = np.take(rows, np.arange(first, first + shape[axis]), axis=axis + 1)
    chosen = np.logical_or.reduce([start.rows for start in starts])
    return rows | chosen.reshape(-1, *[1] * len(shape))


def _places(indices: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Places, and which of their components are computed of examples."""
    computed = np.asarray(indices.rows.any(axis=tuple(range(indices.rows.ndim - 1))))
    if computed.all():
        return np.zeros(indices.rows.shape[1:], np.int32), computed
    if indices.value.known is None:
        raise Unknown
    return indices.value.known, computed


def _gathered(params: Any, operand: Seen, indices: Seen) -> np.ndarray:
    """What the indices take, all along an axis where they are made of examples themselves."""
    numbers, rows = params["dimension_numbers"], operand.rows
    places, computed = _places(indices)
    for component in np.flatnonzero(computed).tolist():
        rows = spread(rows, numbers.start_index_map[component], rows.shape[1:])

    def take(each: Any) -> Any:
        sizes, mode = params["slice_sizes"], jax.lax.GatherScatterMode.CLIP
        return jax.lax.gather(each, jnp.asarray(places), numbers, sizes, mode=mode)

    taken = np.asarray(jax.vmap(take)(jnp.asarray(rows)))
    inner = iter(indices.rows.shape[1:-1])
    shape = [1 if axis in numbers.offset_dims else next(inner) for axis in range(taken.ndim - 1)]
    return taken | indices.rows.any(axis=-1).reshape(len(rows), *shape)


def _scattered(params: Any, operand: Seen, indices: Seen, updates: Seen) -> np.ndarray:
    """What is put where the indices say, anywhere along an axis where they are made of examples."""
    numbers = params["dimension_numbers"]
    places, computed = _places(indices)
    inner = iter(indices.rows.shape[1:-1])
    windows = numbers.update_window_dims
    shape = [1 if axis in windows else next(inner) for axis in range(updates.rows.ndim - 1)]
    put = updates.rows | indices.rows.any(axis=-1).reshape(len(operand.rows), *shape)

    def place(each: Any, into: Any) -> Any:
        mode = jax.lax.GatherScatterMode.CLIP
        return jax.lax.scatter_max(into, jnp.asarray(places), each, numbers, mode=mode)

    blank = jnp.zeros(operand.rows.shape, jnp.int8)
    rows = np.asarray(jax.vmap(place)(jnp.asarray(put, jnp.int8), blank)).astype(bool)
    for component in np.flatnonzero(computed).tolist():
        rows = spread(rows, numbers.scatter_dims_to_operand_dims[component], rows.shape[1:])
    return operand.rows | rows


def values_of(equation: Any, given: list[Seen], shapes: list[Any]) -> list[Any] | None:
    """Numbers computed from such as are known; right where they are made of no example."""
    numbers = [each.value.known for each in given]
    if any(each is None for each in numbers) or any(math.prod(shape) > KNOWN for shape in shapes):
        return None
    try:
        found = equation.primitive.bind(*map(jnp.asarray, numbers), **equation.params)
        return [np.asarray(each) for each in (found if equation.primitive.multiple_results else [found])]
    except Exception:
        # Keys and the like: no places in an array.
        return None
