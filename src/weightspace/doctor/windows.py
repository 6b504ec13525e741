"""Convolutions, JAX's and this package's own with their gradients, and pooling."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.doctor.kernels import Case, draws
from weightspace.models import convolution as ours
from weightspace.models import pooling

SHAPES = {
    "3 × 3, 3 to 5 channels, 7 × 9": (5, 7, 9, 3, 3, 5, (1, 1), "SAME"),
    "3 × 3 with stride 2, 5 to 17 channels, 9 × 8": (3, 9, 8, 3, 5, 17, (2, 2), "SAME"),
    "5 × 5 without padding, 1 to 3 channels, 11 × 6": (37, 11, 6, 5, 1, 3, (1, 1), "VALID"),
    "1 × 1 with stride 2, 3 to 2 channels, 5 × 7": (3, 5, 7, 1, 3, 2, (2, 2), "SAME"),
}  # fmt: skip
LAYOUT = ("NHWC", "HWIO", "NHWC")


def cases() -> Iterator[Case]:
    """All of them."""
    draw = draws()
    for name, (batch, height, width, size, taken, made, strides, padding) in SHAPES.items():
        x = draw.normal(size=(batch, height, width, taken)).astype(np.float32)
        kernel = draw.normal(size=(size, size, taken, made)).astype(np.float32)
        pads = jax.lax.padtype_to_pads((height, width), (size, size), strides, padding)
        y = convolved(x, kernel, strides, pads)
        g = draw.normal(size=y.shape).astype(np.float32)
        expected = (y, *pulled_back(x, kernel, g, strides, pads))
        for whose, function in {
            "weightspace's": ours.convolution,
            "lax": jax.lax.conv_general_dilated,
        }.items():
            yield Case(
                f"convolution {name} and its gradients, {whose}",
                _with_gradients(function, strides, padding), (x, kernel, g), expected, 1e-5,
            )  # fmt: skip
    x = draw.normal(size=(3, 7, 9, 5)).astype(np.float32)
    tiles = x[:, :6, :8].reshape(3, 3, 2, 4, 2, 5)
    yield Case("average pooling of 7 × 9", pooling.average_pool, (x,), tiles.mean((2, 4), np.float64), 1e-6)
    yield Case("max pooling of 7 × 9", pooling.max_pool, (x,), tiles.max((2, 4)))


def _with_gradients(function: Any, strides: Any, padding: str) -> Any:
    """Outputs and both gradients, in a loop of one turn as in trainings."""

    def found(x: Any, kernel: Any, g: Any) -> Any:
        def once(*_: Any) -> Any:
            y, pull = jax.vjp(
                lambda x, k: function(x, k, strides, padding, dimension_numbers=LAYOUT), x, kernel
            )
            return y, *pull(g)

        blank = (jnp.zeros_like(g), jnp.zeros_like(x), jnp.zeros_like(kernel))
        return jax.lax.fori_loop(0, 1, once, blank)

    return found


def convolved(x: np.ndarray, kernel: np.ndarray, strides: Any, pads: Any) -> np.ndarray:
    """The convolution x ∗ kernel, by windows, in float64."""
    windows = _windows(np.pad(x, ((0, 0), *pads, (0, 0))), kernel.shape[:2], strides)
    return np.einsum("nijcab,abco->nijo", windows, kernel.astype(np.float64))


def pulled_back(
    x: np.ndarray, kernel: np.ndarray, g: np.ndarray, strides: Any, pads: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of Σ g · (x ∗ kernel) by x and by the kernel, in float64."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    by_kernel = np.einsum(
        "nijcab,nijo->abco", _windows(padded, kernel.shape[:2], strides), g.astype(np.float64)
    )
    # A view of the same windows, into which each output's share is put back.
    by_x = np.zeros(padded.shape)
    share = np.einsum("nijo,abco->nijcab", g.astype(np.float64), kernel)
    for row, column in np.ndindex(g.shape[1:3]):
        down, right = row * strides[0], column * strides[1]
        place = (slice(None), slice(down, down + kernel.shape[0]), slice(right, right + kernel.shape[1]))
        by_x[place] += share[:, row, column].transpose(0, 2, 3, 1)
    (top, _), (left, _) = pads
    return by_x[:, top : top + x.shape[1], left : left + x.shape[2]], by_kernel


def _windows(padded: np.ndarray, size: Any, strides: Any) -> np.ndarray:
    """(batch, rows, columns, channels, window rows, window columns)."""
    every = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float64), size, (1, 2))
    return every[:, :: strides[0], :: strides[1]]
