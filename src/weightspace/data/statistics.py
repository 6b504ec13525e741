"""Normalisations: decoded = (x - shift) · scale, with statistics of the whole training part in float64.

| name         | decoded                                              | used by                              |
|--------------|------------------------------------------------------|--------------------------------------|
| `none`       | x                                                    | targets and inputs of one's own      |
| `unit`       | x / full scale                                       | lottery tickets                      |
| `centred`    | x / full scale - 1/2                                 | weight symmetry (MNIST)              |
| `half`       | (x / full scale - 1/2) / (1/2)                       | training complexity                  |
| `mean_image` | x / full scale minus its per-pixel mean              | degrees of freedom                   |
| `standard`   | per channel, mean 0 and standard deviation 1         | learned subspaces, symmetry (CIFAR)  |

Statistics are of the source's training part, whatever a run sets aside: all runs see the same inputs.

A channel is constant if its deviation is no more than the rounding of its values: exactly zero for whole
numbers, at most ε of its mean for floats (ε of their type, 32 ε for float64, which is seldom what values were
computed in to the last digit). It is not divided by its deviation, which would make noise of it, but by the
full scale, or by its mean if that is larger.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from weightspace.errors import check_choice

NORMALISATIONS = ("none", "unit", "centred", "half", "mean_image", "standard")
NEED_SCALE = ("unit", "centred", "half")
_ROWS = 64
_TOLERANCE = {"float32": float(np.finfo(np.float32).eps), "float64": 32 * float(np.finfo(np.float64).eps)}

Statistic = Float[np.ndarray, "..."]


def shift_and_scale(rule: str, x: np.ndarray, full_scale: float | None) -> tuple[Statistic, Statistic]:
    """The two arrays of a normalisation, with the number of axes of `x` and a leading axis of one.

    Args:
      rule: One of `NORMALISATIONS`.
      x: Inputs of the training part [n, ...]; the last axis is the channel.
      full_scale: Largest value of an input; None counts as one.

    Raises:
      InputError: For an unknown rule.
    """
    check_choice("normalisation", rule, NORMALISATIONS)
    unit = full_scale or 1.0
    zero = np.zeros((1,) * x.ndim)
    if rule == "none":
        return zero, zero + 1
    if rule == "mean_image":
        return x.mean(axis=0, dtype=np.float64, keepdims=True), zero + 1 / unit
    if rule == "standard":
        mean, found = moments(x)
        return mean, scale_of(found, mean, unit, x.dtype)
    return zero + (0 if rule == "unit" else unit / 2), zero + (2 / unit if rule == "half" else 1 / unit)


def moments(x: np.ndarray) -> tuple[Statistic, Statistic]:
    """Mean and standard deviation of each channel, in two passes."""
    others = tuple(range(x.ndim - 1))
    mean = x.mean(axis=0, dtype=np.float64, keepdims=True).mean(axis=others, keepdims=True)
    return mean, np.sqrt(np.mean(squares(x, mean), axis=others, keepdims=True))


def squares(x: np.ndarray, mean: Statistic) -> Statistic:
    """The mean over examples of (x - mean)²."""
    # A sum over examples first, channels last: adding whole images runs at the speed of memory.
    found = sum(np.square(block - mean).sum(axis=0, keepdims=True) for block in _blocks(x))
    return np.asarray(found) / len(x)


def scale_of(deviation: Statistic, mean: Statistic, unit: float, dtype: np.dtype) -> Statistic:
    """1 / deviation, except for constant channels.

    Args:
      deviation: Of each channel.
      mean: Of each channel.
      unit: The full scale.
      dtype: Of the inputs, whose rounding is told from variation.
    """
    varies = deviation > constant_below(mean, dtype)
    exact = 1 / np.where(varies, deviation, 1)
    # Zero deviation keeps the unit: that of a test part which varies where the training part does not.
    noise = np.where(deviation > 0, np.maximum(unit, np.abs(mean)), unit)
    return np.where(varies, exact, 1 / noise)


def constant_below(mean: Statistic, dtype: np.dtype) -> Statistic:
    """The largest deviation that is rounding and no variation."""
    return _TOLERANCE.get(dtype.name, 0.0) * np.abs(mean)


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(x), _ROWS):
        yield x[start : start + _ROWS].astype(np.float64)
