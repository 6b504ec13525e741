"""Weights of a small network before and after a training that moved, shrank and flipped some of them."""

import numpy as np

from weightspace import tree
from weightspace.models.layout import Layout, Leaf

LAYOUT = Layout((
    Leaf("conv/kernel", (3, 3, 2, 10), "kernel", "conv", 0, (0, 1, 2), 3),
    Leaf("conv/bias", (10,), "bias", "conv", 1),
    Leaf("norm/scale", (10,), "scale", "norm", 2),
    Leaf("dense/kernel", (40, 10), "kernel", "dense", 3, (0,), 1),
    Leaf("dense/bias", (10,), "bias", "dense", 4),
    Leaf("output/kernel", (10, 10), "kernel", "output", 5, (0,), 1, output=True),
    Leaf("output/bias", (10,), "bias", "output", 6, output=True),
))  # fmt: skip
KERNELS = {"conv/kernel": 180, "dense/kernel": 400, "output/kernel": 100}


def weights(seed=0, dtype=np.float32, scale=1.0):
    rng = np.random.default_rng(seed)
    return tree.nested_dict(
        {leaf.path: (scale * rng.standard_normal(leaf.shape)).astype(dtype) for leaf in LAYOUT}
    )


def trained(start, seed=100):
    """Correlated with the start, with a third of the signs flipped."""
    noise = tree.flat_dict(weights(seed))
    return tree.map_named(lambda path, w: (0.6 * w + 0.8 * noise[path]).astype(w.dtype), start)


def random_mask(share=0.4, seed=7):
    rng = np.random.default_rng(seed)
    return tree.nested_dict(
        {
            leaf.path: rng.random(leaf.shape) < share if leaf.kind == "kernel" else np.ones(leaf.shape, bool)
            for leaf in LAYOUT
        }
    )
