"""Corruptions: images made worse, fifteen ways at five severities, in the style of CIFAR-10-C.

The kinds are those of Hendrycks & Dietterich (2019); code and numbers are made here from what the names say,
so that levels are near theirs and images are not the same. `copies` reads a folder of theirs too.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from weightspace.data.corruptions import blur, digital, noise, weather
from weightspace.data.corruptions.common import Images
from weightspace.errors import DataError, check_choice, check_number

SEVERITIES = (1, 2, 3, 4, 5)
_BATCH = 500


class Way(NamedTuple):
    """A corruption: what it does, its number at each severity, and its family."""

    act: Callable[[Images, float, np.random.Generator], Images]
    levels: tuple[float, float, float, float, float]
    family: str


WAYS = {
    "gaussian_noise": Way(noise.gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), "noise"),
    "shot_noise": Way(noise.shot_noise, (500, 250, 100, 75, 50), "noise"),
    "impulse_noise": Way(noise.impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07), "noise"),
    "defocus_blur": Way(blur.defocus_blur, (0.6, 0.8, 1.0, 1.4, 2.0), "blur"),
    "glass_blur": Way(blur.glass_blur, (0.35, 0.5, 0.7, 0.9, 1.3), "blur"),
    "motion_blur": Way(blur.motion_blur, (2, 3, 4, 5, 7), "blur"),
    "zoom_blur": Way(blur.zoom_blur, (1.06, 1.12, 1.16, 1.22, 1.30), "blur"),
    "snow": Way(weather.snow, (0.04, 0.07, 0.11, 0.15, 0.20), "weather"),
    "frost": Way(weather.frost, (0.2, 0.3, 0.4, 0.5, 0.6), "weather"),
    "fog": Way(weather.fog, (0.2, 0.5, 0.75, 1.0, 1.5), "weather"),
    "brightness": Way(weather.brightness, (0.05, 0.10, 0.15, 0.20, 0.30), "weather"),
    "contrast": Way(digital.contrast, (0.75, 0.5, 0.4, 0.3, 0.15), "digital"),
    "elastic_transform": Way(digital.elastic_transform, (0.5, 0.8, 1.1, 1.4, 1.8), "digital"),
    "pixelate": Way(digital.pixelate, (0.9, 0.75, 0.6, 0.5, 0.4), "digital"),
    "jpeg_compression": Way(digital.jpeg_compression, (80, 65, 50, 30, 15), "digital"),
}
"""By name."""


def corrupted(
    images: np.ndarray, name: str, severity: int, seed: int = 0, white: float = 255
) -> UInt8[np.ndarray, "n h w c"]:
    """Images made worse, always the same for one seed; those of one draw are alike at all severities.

    Args:
      images: As they are stored.
      name: One of `WAYS`.
      severity: 1 to 5.
      seed: Of what is drawn.
      white: What the images have where they are white: the full scale of their set.

    Raises:
      InputError: For an unknown corruption or severity.
      DataError: For what are no images of 8 bits.
    """
    check_choice("corruption", name, WAYS)
    check_number("severity", severity, least=1, most=5)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise DataError(
            f"corruptions are made of images [n, height, width, channels] of uint8, not of {images.dtype} "
            f"of shape {images.shape}"
        )
    way, found = WAYS[name], np.empty_like(images)
    for number, start in enumerate(range(0, len(images), _BATCH)):
        rng = np.random.default_rng((seed, zlib.crc32(name.encode()), number))
        x = images[start : start + _BATCH].astype(np.float32) / np.float32(white)
        made = way.act(x, way.levels[int(severity) - 1], rng)
        found[start : start + _BATCH] = np.rint(np.clip(made, 0, 1) * np.float32(white))
    return found
