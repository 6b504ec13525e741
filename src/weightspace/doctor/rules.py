"""JAX's operations in NumPy and float64: what a training step of the zoo is made of."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def apply(equation: Any, values: Sequence[Any]) -> list[Any]:
    """Carry out one operation, in float64 and the widest integers.

    Raises:
      NotImplementedError: If there is no rule for it.
    """
    name = equation.primitive.name
    if name not in RULES:
        raise NotImplementedError(f"there is no rule for the operation {name}")
    found = RULES[name](*map(precise, values), **equation.params)
    return list(found) if equation.primitive.multiple_results else [found]


def precise(value: Any) -> Any:
    """An array in float64, or in the widest integers; booleans stay."""
    array = np.asarray(value)
    if array.dtype == bool:
        return array
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


def _converted(x: Any, *, new_dtype: Any, **_: Any) -> Any:
    kind = np.dtype(new_dtype).kind
    return np.asarray(x).astype({"b": np.bool_, "i": np.int64, "u": np.int64}.get(kind, np.float64))


def _broadcast(x: Any, *_: Any, shape: Any, broadcast_dimensions: Any, **__: Any) -> Any:
    x = np.asarray(x)
    lengths = [1] * len(shape)
    for axis, place in enumerate(broadcast_dimensions):
        lengths[place] = x.shape[axis]
    return np.broadcast_to(x.reshape(lengths), shape)


def _pad(x: Any, value: Any, *, padding_config: Any) -> Any:
    """Zeros before, after and between; a negative number takes entries off."""
    sizes = [low + high + n + max(n - 1, 0) * between for n, (low, high, between) in _axes(x, padding_config)]
    padded = np.full(sizes, value, np.asarray(x).dtype)
    taken, put = [], []
    for n, (low, _, between) in _axes(x, padding_config):
        places = low + np.arange(n) * (between + 1)
        inside = (places >= 0) & (places < sizes[len(taken)])
        taken.append(np.flatnonzero(inside))
        put.append(places[inside])
    padded[np.ix_(*put)] = np.asarray(x)[np.ix_(*taken)]
    return padded


def _axes(x: Any, config: Any) -> list[Any]:
    return list(zip(np.shape(x), config, strict=True))


def _dot_general(a: Any, b: Any, *, dimension_numbers: Any, **_: Any) -> Any:
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    letters = iter(range(2 * (np.ndim(a) + np.ndim(b))))
    of_a, of_b = ([next(letters) for _ in range(np.ndim(x))] for x in (a, b))
    for here, there in zip((*contract_a, *batch_a), (*contract_b, *batch_b), strict=True):
        of_b[there] = of_a[here]
    free_a = [of_a[i] for i in range(np.ndim(a)) if i not in (*contract_a, *batch_a)]
    free_b = [of_b[i] for i in range(np.ndim(b)) if i not in (*contract_b, *batch_b)]
    return np.einsum(a, of_a, b, of_b, [*(of_a[i] for i in batch_a), *free_a, *free_b])


def _convolution(first: Any, second: Any, *, gives: str, geometry: Any) -> Any:
    """The derivative of T(x, k, g) = Σ g · (x ∗ k) by one of its arguments, entry of the kernel by entry."""
    (height, width), (down, right) = geometry.output, geometry.strides
    arrays = dict(
        zip([r for r in ("inputs", "kernel", "outputs") if r != gives], (first, second), strict=True)
    )
    batch = np.shape(arrays["outputs" if gives == "inputs" else "inputs"])[0]
    if gives != "inputs":
        padded = np.pad(arrays["inputs"], ((0, 0), *geometry.padding, (0, 0)))
    else:
        sides = [n + sum(pad) for n, pad in zip(geometry.image, geometry.padding, strict=True)]
        padded = np.zeros((batch, *sides, geometry.kernel[2]))
    result = np.zeros(geometry.shape(gives, batch))
    for row in range(geometry.kernel[0]):
        for column in range(geometry.kernel[1]):
            rows = slice(row, row + (height - 1) * down + 1, down)
            columns = slice(column, column + (width - 1) * right + 1, right)
            if gives == "outputs":
                result += padded[:, rows, columns] @ arrays["kernel"][row, column]
            elif gives == "kernel":
                result[row, column] = np.einsum("nijc,nijo->co", padded[:, rows, columns], arrays["outputs"])
            else:
                padded[:, rows, columns] += arrays["outputs"] @ arrays["kernel"][row, column].T
    if gives != "inputs":
        return result
    (top, _), (left, _) = geometry.padding
    return padded[:, top : top + geometry.image[0], left : left + geometry.image[1]]


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A rule whose parameters say nothing about the values."""
    return lambda *values, **_: function(*values)


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *, axes, **_: function(x, axis=tuple(axes))


RULES: dict[str, Callable[..., Any]] = {
    "add": _plain(np.add), "add_any": _plain(np.add), "sub": _plain(np.subtract), "mul": _plain(np.multiply),
    "div": _plain(np.divide), "neg": _plain(np.negative), "abs": _plain(np.abs), "sign": _plain(np.sign),
    "max": _plain(np.maximum), "min": _plain(np.minimum), "square": _plain(np.square),
    "exp": _plain(np.exp), "log": _plain(np.log), "log1p": _plain(np.log1p), "tanh": _plain(np.tanh),
    "sqrt": _plain(np.sqrt), "eq": _plain(np.equal), "ne": _plain(np.not_equal), "gt": _plain(np.greater),
    "lt": _plain(np.less), "ge": _plain(np.greater_equal), "le": _plain(np.less_equal),
    "or": _plain(np.bitwise_or), "and": _plain(np.bitwise_and), "not": _plain(np.invert),
    "stop_gradient": _plain(np.asarray), "copy": _plain(np.asarray),
    "rsqrt": _plain(lambda x: 1 / np.sqrt(x)),
    "logistic": _plain(lambda x: 1 / (1 + np.exp(-x))),
    "integer_pow": lambda x, *, y: np.power(x, y),
    "reduce_sum": _along(np.sum),
    "reduce_max": _along(np.max),
    "reduce_min": _along(np.min),
    "select_n": _plain(lambda which, *cases: np.choose(np.asarray(which).astype(np.int64), cases)),
    "convert_element_type": _converted,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *_, new_sizes, **__: np.reshape(x, new_sizes),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "rev": lambda x, *, dimensions: np.flip(x, tuple(dimensions)),
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "slice": lambda x, *, start_indices, limit_indices, strides: np.asarray(x)[
        tuple(map(slice, start_indices, limit_indices, strides or (1,) * len(start_indices)))
    ],
    "iota": lambda *_, shape, dimension, **__: np.broadcast_to(
        np.arange(shape[dimension]).reshape([-1 if i == dimension else 1 for i in range(len(shape))]), shape
    ),
    "pad": _pad,
    "dot_general": _dot_general,
    "convolution": _convolution,
}  # fmt: skip
