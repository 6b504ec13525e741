"""Digits: inputs are shifted and scaled in float64 on the host where rounding them first would lose some.

uint8 and most float32 inputs lie on the device as they are, where `Examples.decode` shifts and scales them in
float32. That would be wrong for what float32 does not hold: of float64 and whole numbers at 1.7e9 it keeps
every 128th. They are decoded here,

    decoded = ((x - pivot) - rest) · scale,   pivot + rest = shift,

with a pivot that is one of the values, so that the first difference is exact (whole numbers: also beyond 2⁵³;
floats near the pivot: by Sterbenz's lemma), and rounded to the precision of the run at the very end. float32
inputs go the same way where the *shift* would be rounded by more than some 3·10⁻⁵ of a deviation, which is
where it exceeds 1024 of them, or where float32 does not hold the scale.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from weightspace.data.statistics import (
    NEED_SCALE,
    Statistic,
    constant_below,
    moments,
    scale_of,
    shift_and_scale,
    squares,
)
from weightspace.errors import InputError

_FAR = 1024.0
"""Deviations from zero beyond which float32 inputs are centred on the host."""
_HELD = (1e-30, 1e30)
"""Scales that float32 holds with room for its inputs."""
_LOST = {"float32": 0.01, "bfloat16": 0.1}
"""The share of a column's deviation that rounding may take."""
_DIGITS = {"float32": 24, "bfloat16": 8}
"""Binary digits of a type: it holds all whole numbers up to 2 to that power."""
_FIRST = 1_000
"""Rows by which columns of whole numbers are found."""


class Decoding(NamedTuple):
    """How a normalisation is carried out.

    Attributes:
      shift: Of decoded = (x - shift) · scale, where that is done on the device.
      scale: As `shift`.
      wide: Whether it is done on the host instead.
      marked: As `is_marked` says.
    """

    shift: Statistic
    scale: Statistic
    wide: bool
    marked: bool


def is_whole(x: Any) -> bool:
    """Whether inputs are whole numbers that are no image: of another type than uint8."""
    return x.dtype.kind in "iu" and x.dtype != np.uint8


def is_marked(rule: str, x: np.ndarray, full_scale: float | None) -> bool:
    """Whether decoded inputs are others than those of the plain rule in float32: a part of the identity."""
    if rule == "none" or x.dtype == np.uint8:
        return False
    return x.dtype != np.float32 or decoding(rule, x, full_scale).marked


def decoding(rule: str, x: np.ndarray, full_scale: float | None) -> Decoding:
    """How to normalise inputs, by their type and statistics.

    Args:
      rule: One of `statistics.NORMALISATIONS`.
      x: Inputs of the training part [n, ...].
      full_scale: Largest value of an input, or None.
    """
    if rule == "none" or x.dtype == np.uint8:
        return Decoding(*shift_and_scale(rule, x, full_scale), wide=False, marked=False)
    if x.dtype != np.float32:
        zero = np.zeros((1,) * x.ndim)
        return Decoding(zero, zero + 1, wide=True, marked=True)
    if rule == "standard":
        shift, deviation = moments(x)
        scale = scale_of(deviation, shift, full_scale or 1.0, x.dtype)
    else:
        shift, scale = shift_and_scale(rule, x, full_scale)
        deviation = np.sqrt(squares(x, shift)) if rule == "mean_image" else np.zeros_like(shift)
    constant = deviation <= constant_below(shift, x.dtype)
    held = (scale >= _HELD[0]) & (scale <= _HELD[1])
    wide = not held.all() or bool((~constant & (np.abs(shift) > _FAR * deviation)).any())
    noise = rule == "standard" and bool((constant & (deviation > 0)).any())
    return Decoding(shift, scale, wide, wide or noise)


class Decoded(NamedTuple):
    """Both parts normalised, and by what.

    Attributes:
      train: Inputs of the training part, float64.
      test: Inputs of the test part.
      shift: Of decoded = (x - shift) · scale, to the digits that float64 has.
      scale: As `shift`.
    """

    train: Any
    test: Any
    shift: Statistic
    scale: Statistic


def decoded(rule: str, train: Any, test: Any, full_scale: float | None) -> Decoded:
    """Both parts normalised in float64.

    Args:
      rule: One of `statistics.NORMALISATIONS` but `none`.
      train: Inputs of the training part, by which the statistics are made.
      test: Inputs of the test part.
      full_scale: Largest value of an input; None counts as one.

    Raises:
      InputError: If differences of inputs exceed float64.
    """
    unit = full_scale or 1.0
    if rule in NEED_SCALE:
        shift, scale = shift_and_scale(rule, train, full_scale)
        first, second = ((np.asarray(x, np.float64) - shift) * scale for x in (train, test))
        return Decoded(first, second, shift, scale)
    axes = 0 if rule == "mean_image" else tuple(range(train.ndim - 1))
    pivot = np.asarray(train.min(axis=axes, keepdims=True))
    with np.errstate(over="ignore"):
        first, second = (_difference(np.asarray(x), pivot) for x in (train, test))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("inputs span more than float64 holds, so no mean can be taken off; rescale them")
    rest = first.mean(axis=axes, keepdims=True)
    scale = np.full_like(rest, 1 / unit)
    if rule == "standard":
        largest = np.abs(first - rest).max(axis=axes, keepdims=True)
        size = np.where(largest > 0, largest, 1)
        # Squares of values of any size, without overflow.
        found = size * np.sqrt(np.square((first - rest) / size).mean(axis=axes, keepdims=True))
        scale = scale_of(found, pivot.astype(np.float64) + rest, unit, train.dtype)
    shift = pivot.astype(np.float64) + rest
    return Decoded((first - rest) * scale, (second - rest) * scale, shift, scale)


def _difference(x: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """The difference x - pivot in float64; for whole numbers the exact difference, rounded once."""
    if x.dtype.kind == "f":
        return x.astype(np.float64) - pivot.astype(np.float64)
    # Modulo 2⁶⁴ the larger less the smaller is exact, though it may exceed the largest int64.
    here, there = x.astype(np.int64).view(np.uint64), pivot.astype(np.int64).view(np.uint64)
    above = x >= pivot
    size = np.where(above, here - there, there - here).astype(np.float64)
    return np.where(above, size, -size)


def lost_columns(values: Any, dtype: str = "float32") -> list[int]:
    """The columns (last axis; 0 for [n]) of which rounding takes more than a share, a hundredth for float32.

    Measured as the root mean square of the rounding, against the deviation.

    Args:
      values: As they are before they are rounded.
      dtype: To which they are.
    """
    if values.dtype.kind != "f" or values.dtype.name == dtype:
        return []
    columns = np.asarray(values, np.float64).reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    with np.errstate(over="ignore", invalid="ignore"):
        taken = np.sqrt(np.mean(np.square(columns - _rounded(columns, dtype)), axis=0))
    mean, found = moments(columns)
    varies = (found > constant_below(mean, columns.dtype)).reshape(-1)
    return np.flatnonzero(varies & ~(taken <= _LOST[dtype] * found.reshape(-1))).tolist()


def merged_columns(values: Any, dtype: str) -> list[int]:
    """The columns of whole numbers of which rounding makes different ones equal: names that are merged."""
    if values.dtype.kind != "f" or values.dtype.name == dtype:
        return []
    columns = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    found = []
    for j in _whole(columns[:_FIRST]):
        column = columns[:, j]
        # Above all of these there are whole numbers that a type does not hold.
        if np.abs(column).max() > 2 ** _DIGITS[dtype] and _whole(column[:, None]):
            different = np.unique(column)
            if len(np.unique(_rounded(different, dtype))) < len(different):
                found.append(int(j))
    return found


def _whole(columns: np.ndarray) -> list[int]:
    return np.flatnonzero((columns == np.floor(columns)).all(axis=0)).tolist()


def _rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    return values.astype(jnp.dtype(dtype)).astype(np.float64)
