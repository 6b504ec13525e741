"""Data and networks that only benchmarks need."""

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


def torch_fc():
    """`fc` as a module of PyTorch."""
    from benchmarks.torch_networks import dense
    from weightspace import from_torch

    return from_torch(dense)


def nnx_fc():
    """`fc` as a module of NNX."""
    from flax import nnx

    from weightspace import from_nnx

    class Dense(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.first, self.second = nnx.Linear(784, 300, rngs=rngs), nnx.Linear(300, 100, rngs=rngs)
            self.last = nnx.Linear(100, 10, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.first(x.reshape(len(x), -1)))
            return self.last(nnx.relu(self.second(x)))

    return from_nnx(Dense)
