"""Blur: out of focus, behind frosted glass, by motion, by zoom."""

import numpy as np
from scipy import ndimage

from weightspace.data.corruptions.common import Images, along, grid, sampled, scaled

_FINE = 0.35
"""Deviation of the blur after glass."""


def disc(radius: float) -> np.ndarray:
    """A disc whose border falls off within a pixel; its numbers sum to 1."""
    reach = int(np.ceil(radius + 0.5))
    ticks = np.arange(-reach, reach + 1)
    far = np.hypot(*np.meshgrid(ticks, ticks))
    kernel = np.clip(radius + 0.5 - far, 0, 1)
    return kernel / kernel.sum()


def defocus_blur(x: Images, level: float, _: np.random.Generator) -> Images:
    """The mean over a disc of radius `level`, the border mirrored."""
    kernel = disc(scaled(x, level)).astype(np.float32)
    return ndimage.convolve(x, kernel[None, :, :, None], mode="reflect")


def glass_blur(x: Images, level: float, rng: np.random.Generator) -> Images:
    """Each pixel is read from a place near it, normal with deviation `level`, and a little blur after it."""
    shift = scaled(x, level) * rng.standard_normal((2, *x.shape[:3]), np.float32)
    rows, columns = grid(x)
    moved = sampled(x, np.rint(rows + shift[0]), np.rint(columns + shift[1]))
    deviation = scaled(x, _FINE)
    return ndimage.gaussian_filter(moved, (0, deviation, deviation, 0), mode="reflect")


def motion_blur(x: Images, level: float, rng: np.random.Generator) -> Images:
    """The mean along a line of length `level`, at an angle of each image's own within 45° of level."""
    return along(x, rng.uniform(-np.pi / 4, np.pi / 4, len(x)), scaled(x, level))


def zoom_blur(x: Images, level: float, _: np.random.Generator) -> Images:
    """The mean of the image enlarged by 1 to `level` in steps of a fiftieth, about its middle."""
    rows, columns = grid(x)
    middles = [(side - 1) / 2 for side in x.shape[1:3]]
    zooms = 1 + np.arange(round((level - 1) * 50) + 1) / 50
    total = np.zeros_like(x)
    for zoom in zooms:
        places = (m + (p - m) / zoom for p, m in zip((rows, columns), middles, strict=True))
        total += sampled(x, *places)
    return total / np.float32(len(zooms))
