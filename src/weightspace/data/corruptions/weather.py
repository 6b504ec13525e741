"""Weather: snow, frost, fog, and bright light. Snow, frost and fog are drawn, not photographed."""

import numpy as np
from scipy import ndimage

from weightspace.data.corruptions.common import Images, along, clouds, scaled

_FROST = np.asarray((0.78, 0.88, 1.0), np.float32)
"""The colour of ice; grey images take its mean."""


def snow(x: Images, level: float, rng: np.random.Generator) -> Images:
    """Flakes that are blown along a line over an image that whitens; `level` is the density of the flakes."""
    draws = rng.random(x.shape[:3], np.float32)
    angles = rng.uniform(np.pi / 4, 3 * np.pi / 4, len(x))
    # The strength of each pixel's flake grows with the level, so that those of a low one are in a higher one.
    flakes = np.clip((level - draws) / 0.05, 0, 1).astype(np.float32)[..., None]
    flakes = np.clip(1.6 * along(flakes, angles, scaled(x, 3)), 0, 1)
    pale = x + np.float32(level) * (1 - x)
    return pale + flakes * (1 - pale)


def frost(x: Images, level: float, rng: np.random.Generator) -> Images:
    """A crust of ice, thickest at the border, through which the image shows; `level` is its opacity."""
    crust = clouds(rng, (len(x), *x.shape[1:3]), 1.3)
    edges = np.abs(ndimage.laplace(crust, mode="nearest").astype(np.float32))
    crust = np.clip(0.35 + 0.65 * crust + 0.5 * edges, 0, 1)[..., None]
    colour = _FROST if x.shape[3] == 3 else np.full(x.shape[3], _FROST.mean(), np.float32)
    opacity = np.float32(level) * crust
    return x * (1 - opacity) + colour * opacity


def fog(x: Images, level: float, rng: np.random.Generator) -> Images:
    """(x + c f) m / (m + c): clouds f over the image, of largest value m; `level` is c."""
    haze = clouds(rng, (len(x), *x.shape[1:3]))[..., None]
    top = np.max(x, axis=(1, 2, 3), keepdims=True)
    return (x + np.float32(level) * haze) * top / (top + np.float32(level))


def brightness(x: Images, level: float, _: np.random.Generator) -> Images:
    """`level` more of the largest channel, hue and saturation kept."""
    value = x.max(axis=3, keepdims=True)
    brighter = np.minimum(value + np.float32(level), 1)
    return np.where(value > 0, x * (brighter / np.maximum(value, 1e-6)), brighter).astype(np.float32)
