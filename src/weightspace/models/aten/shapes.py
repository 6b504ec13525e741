"""Operators that move entries about, and the arithmetic of lengths, which are plain numbers here."""

import math
import operator as python
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from weightspace.models.aten.table import Image, operator, plain

_ARITHMETIC = "add sub mul floordiv truediv mod neg eq ne lt le gt ge pow and_ or_"
for _name in _ARITHMETIC.split():
    operator(f"_operator.{_name}")(getattr(python, _name))
operator("_operator.getitem", images="own")(python.getitem)
operator("_operator.sym_float")(float)
operator("_operator.sym_int")(int)
operator("_operator.sym_max")(max)
operator("_operator.sym_min")(min)
operator("_operator.sym_not")(python.not_)
operator("_operator.ceil")(math.ceil)
operator("_operator.floor")(math.floor)
operator("_operator.trunc")(math.trunc)


@operator("sym_size.int", images="own")
def _length(x: Any, axis: int) -> int:
    return x.shape[axis]


@operator("sym_numel.default", images="own")
def _count(x: Any) -> int:
    return math.prod(x.shape)


@operator("_assert_scalar.default", "_assert_async.msg", "_assert_tensor_metadata.default", images="own")
@operator("sym_constrain_range_for_size.default", "sym_constrain_range.default", images="own")
def _nothing(*_: Any, **__: Any) -> None:
    """What only checks."""


@operator("view.default", "reshape.default", "_unsafe_view.default", "view_copy.default")
def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


@operator("permute.default", "permute_copy.default")
def _permuted(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.transpose(x, [axis % x.ndim for axis in axes])


@operator("transpose.int")
def _swapped(x: Array, first: int, second: int) -> Array:
    return jnp.swapaxes(x, first, second)


@operator("t.default")
def _turned(x: Array) -> Array:
    return x.T


@operator("unsqueeze.default")
def _lengthened(x: Array, axis: int) -> Array:
    return jnp.expand_dims(x, axis)


@operator("squeeze.dims", "squeeze.dim", "squeeze.default")
def _shortened(x: Array, axes: Any = None) -> Array:
    axes = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    return jnp.squeeze(x, tuple(axis % x.ndim for axis in axes if x.shape[axis] == 1))


@operator("expand.default", "expand_copy.default")
def _expanded(x: Array, shape: tuple[int, ...], **_: Any) -> Array:
    own = (1,) * (len(shape) - x.ndim) + x.shape
    return jnp.broadcast_to(x, [b if a == -1 else a for a, b in zip(shape, own, strict=True)])


@operator("repeat.default")
def _repeated(x: Array, times: tuple[int, ...]) -> Array:
    return jnp.tile(x, times)


@operator("cat.default", "concat.default", images="own")
def _joined(parts: tuple[Any, ...], axis: int = 0) -> Any:
    rank = max(len(part.shape) for part in parts)
    parts = tuple(part for part in parts if part.shape != (0,) or rank == 1)
    if all(isinstance(part, Image) for part in parts) and axis in (1, 1 - rank):
        return Image(jnp.concatenate([part.array for part in parts], -1))
    return jnp.concatenate(plain(parts), axis)


@operator("stack.default")
def _stacked(parts: tuple[Array, ...], axis: int = 0) -> Array:
    return jnp.stack(parts, axis)


@operator("split_with_sizes.default", "split_with_sizes_copy.default")
def _split(x: Array, sizes: tuple[int, ...], axis: int = 0) -> tuple[Array, ...]:
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return tuple(lax.slice_in_dim(x, a, a + n, axis=axis) for a, n in zip(starts, sizes, strict=True))


@operator("split.Tensor")
def _split_evenly(x: Array, size: int, axis: int = 0) -> tuple[Array, ...]:
    length = x.shape[axis]
    return _split(x, tuple(min(size, length - start) for start in range(0, length, size)), axis)


@operator("unbind.int")
def _unbound(x: Array, axis: int = 0) -> tuple[Array, ...]:
    return tuple(lax.index_in_dim(x, at, axis, keepdims=False) for at in range(x.shape[axis]))


@operator("slice.Tensor", "slice_copy.Tensor")
def _sliced(
    x: Array, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    cut = [slice(None)] * x.ndim
    cut[axis] = slice(start, end, step)
    return x[tuple(cut)]


@operator("slice_scatter.default")
def _slice_put(
    x: Array, part: Array, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    cut = [slice(None)] * x.ndim
    cut[axis] = slice(start, end, step)
    return x.at[tuple(cut)].set(part)


@operator("select_scatter.default")
def _row_put(x: Array, part: Array, axis: int, at: int) -> Array:
    cut: list[Any] = [slice(None)] * x.ndim
    cut[axis] = at
    return x.at[tuple(cut)].set(part)


@operator("copy.default")
def _copied(x: Array, source: Array, *_: Any) -> Array:
    return jnp.broadcast_to(source, x.shape).astype(x.dtype)


@operator("fill.Scalar", "fill.Tensor")
def _filled(x: Array, value: Any) -> Array:
    return jnp.full(x.shape, value, x.dtype)


@operator("select.int", "select_copy.int")
def _selected(x: Array, axis: int, at: int) -> Array:
    return lax.index_in_dim(x, at, axis, keepdims=False)


@operator("flip.default")
def _flipped(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.flip(x, axes)


@operator("roll.default")
def _rolled(x: Array, shifts: tuple[int, ...], axes: tuple[int, ...] = ()) -> Array:
    return jnp.roll(x, shifts, axes) if axes else jnp.roll(x, shifts)


@operator("unfold.default")
def _windows(x: Array, axis: int, size: int, step: int) -> Array:
    starts = range(0, x.shape[axis] - size + 1, step)
    parts = [lax.slice_in_dim(x, start, start + size, axis=axis) for start in starts]
    return jnp.stack([jnp.moveaxis(part, axis, -1) for part in parts], axis % x.ndim)


@operator("diagonal.default", "diagonal_copy.default")
def _diagonal(x: Array, offset: int = 0, first: int = 0, second: int = 1) -> Array:
    return jnp.diagonal(x, offset, first, second)


@operator("constant_pad_nd.default")
def _padded(x: Array, pads: tuple[int, ...], value: float = 0.0) -> Array:
    ends = _by_axis(x, pads)
    return lax.pad(x, jnp.asarray(value, x.dtype), [(low, high, 0) for low, high in ends])


@operator(*(f"reflection_pad{n}d.default" for n in (1, 2, 3)))
def _reflected(x: Array, pads: tuple[int, ...]) -> Array:
    return jnp.pad(x, _by_axis(x, pads), mode="reflect")


@operator(*(f"replication_pad{n}d.default" for n in (1, 2, 3)))
def _with_edges(x: Array, pads: tuple[int, ...]) -> Array:
    return jnp.pad(x, _by_axis(x, pads), mode="edge")


def _by_axis(x: Array, pads: tuple[int, ...]) -> list[tuple[int, int]]:
    """Zeros before and after along each axis; PyTorch tells of the last axis first."""
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    return [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
