"""What corruptions share: draws, reading between pixels, convolution along a line, clouds.

Images are [n, height, width, channels] in float32, black 0 and white 1. Lengths are in pixels of an image of
32, and grow with the image.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

Images = Float[np.ndarray, "n h w c"]
Field = Float[np.ndarray, "n h w"]
USUAL = 32


def scaled(x: Any, length: float) -> float:
    """A length of an image of 32 in pixels of this one."""
    return length * min(x.shape[1:3]) / USUAL


def sampled(x: Images, rows: np.ndarray, columns: np.ndarray) -> Float[np.ndarray, "n rows columns c"]:
    """Values between pixels, bilinear; beyond the border those at it.

    Args:
      x: Images.
      rows: Places [n or 1, h, w], the same for all channels.
      columns: Likewise.
    """
    height, width = x.shape[1:3]
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    up, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = np.minimum(up + 1, height - 1), np.minimum(left + 1, width - 1)
    a, b = (rows - up).astype(x.dtype)[..., None], (columns - left).astype(x.dtype)[..., None]
    each = np.arange(len(x))[:, None, None]
    upper = x[each, up, left] * (1 - b) + x[each, up, right] * b
    lower = x[each, down, left] * (1 - b) + x[each, down, right] * b
    return upper * (1 - a) + lower * a


def grid(x: Images) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels, each [1, h, w]."""
    rows, columns = np.meshgrid(*(np.arange(side, dtype=np.float64) for side in x.shape[1:3]), indexing="ij")
    return rows[None], columns[None]


def along(x: Images, angles: Float[np.ndarray, " n"], length: float) -> Images:
    """The mean over a stretch of a line at each image's own angle, as of a moving camera."""
    rows, columns = grid(x)
    count = max(2, int(np.ceil(length)) * 2 + 1)
    total = np.zeros_like(x)
    for step in np.linspace(-0.5, 0.5, count):
        down, right = (step * length * turn(angles)[:, None, None] for turn in (np.sin, np.cos))
        total += sampled(x, rows + down, columns + right)
    return total / count


def clouds(rng: np.random.Generator, shape: tuple[int, int, int], roughness: float = 2.0) -> Field:
    """Noise of many sizes, in [0, 1]: each octave has 1 / `roughness` of the weight of the coarser one."""
    count, height, width = shape
    total, weight, cells = np.zeros(shape, np.float32), 1.0, 2
    while cells <= max(height, width):
        coarse = rng.random((count, cells + 1, cells + 1, 1), np.float32)
        rows = np.linspace(0, cells, height)[None, :, None] + np.zeros((1, 1, width))
        columns = np.linspace(0, cells, width)[None, None, :] + np.zeros((1, height, 1))
        total += weight * sampled(coarse, rows, columns)[..., 0]
        weight, cells = weight / roughness, cells * 2
    low, high = (edge(total, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    return (total - low) / np.maximum(high - low, 1e-6)
