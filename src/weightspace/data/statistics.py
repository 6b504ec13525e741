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
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from weightspace.errors import check_choice

NORMALISATIONS = ("none", "unit", "centred", "half", "mean_image", "standard")
NEED_SCALE = ("unit", "centred", "half")
_ROWS = 64

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
        return _standard(x, unit)
    return zero + (0 if rule == "unit" else unit / 2), zero + (2 / unit if rule == "half" else 1 / unit)


def _standard(x: np.ndarray, unit: float) -> tuple[Statistic, Statistic]:
    others = tuple(range(x.ndim - 1))
    mean = x.mean(axis=0, dtype=np.float64, keepdims=True).mean(axis=others, keepdims=True)
    # A sum over examples first, channels last: adding whole images runs at the speed of memory.
    squares = sum(np.square(block - mean).sum(axis=0, keepdims=True) for block in _blocks(x)) / len(x)
    deviation = np.sqrt(np.mean(squares, axis=others, keepdims=True))
    # A constant channel becomes zero, not NaN.
    return mean, np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 1 / unit)


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(x), _ROWS):
        yield x[start : start + _ROWS].astype(np.float64)
