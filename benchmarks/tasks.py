"""Data that only benchmarks need."""

import numpy as np

from weightspace.data import from_arrays
from weightspace.data.base import Source


def cosine() -> Source:
    """A hundred points of a product of cosines on a plane in ten dimensions, as in training complexity."""
    draw = np.random.default_rng(0)
    plane = draw.uniform(-1, 1, size=(130, 2))
    turn, _ = np.linalg.qr(draw.normal(size=(10, 10)))
    x = (10 * np.pad(plane, ((0, 0), (0, 8))) @ turn.T).astype(np.float32)
    y = np.cos(np.pi * plane).prod(1).astype(np.float32)
    return from_arrays(x[:100], y[:100], x[100:], y[100:], name="cosine")
