"""Digital: little contrast, warped, of few pixels, compressed."""

import io
from typing import Any

import numpy as np
from scipy import ndimage

from weightspace.data.corruptions.common import Images, grid, sampled, scaled
from weightspace.errors import DataError


def contrast(x: Images, level: float, _: np.random.Generator) -> Images:
    """(x - μ) c + μ with each channel's mean μ; `level` is c."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * np.float32(level) + mean


def elastic_transform(x: Images, level: float, rng: np.random.Generator) -> Images:
    """Each pixel is read from a place that a smooth field moves by `level` pixels, root mean square."""
    field = rng.standard_normal((2, *x.shape[:3]), np.float32)
    deviation = scaled(x, 3)
    field = ndimage.gaussian_filter(field, (0, 0, deviation, deviation), mode="reflect")
    field /= np.maximum(np.sqrt(np.mean(field**2, axis=(0, 2, 3), keepdims=True)), 1e-6)
    rows, columns = grid(x)
    return sampled(
        x, *(place + scaled(x, level) * f for place, f in zip((rows, columns), field, strict=True))
    )


def pixelate(x: Images, level: float, _: np.random.Generator) -> Images:
    """The mean over each of the squares of `level` of the side, which may cut pixels."""
    for axis in (1, 2):
        side = x.shape[axis]
        x = np.moveaxis(np.tensordot(_means(side, max(1, round(side * level))), x, (1, axis)), 0, axis)
    return x.astype(np.float32)


def _means(side: int, cells: int) -> np.ndarray:
    """The matrix [side, side] that puts the mean of its cell in the place of each pixel."""
    borders = np.linspace(0, side, cells + 1)
    pixels = np.arange(side)
    share = np.minimum(borders[1:, None], pixels + 1) - np.maximum(borders[:-1, None], pixels)
    share = np.clip(share, 0, 1)
    down = share / share.sum(axis=1, keepdims=True)
    return (share.T @ down).astype(np.float32)


def check_jpeg(channels: int) -> Any:
    """Pillow's images, where JPEG can be written of such as these.

    Raises:
      DataError: Without Pillow, or of images with neither one nor three channels.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("jpeg_compression needs Pillow; pip install 'weightspace[data]'") from error
    if channels not in (1, 3):
        raise DataError(f"jpeg_compression takes images of 1 or 3 channels, not of {channels}")
    return Image


def jpeg_compression(x: Images, level: float, _: np.random.Generator) -> Images:
    """Written as JPEG and read again; `level` is the quality, 1 to 95.

    Raises:
      DataError: As `check_jpeg`.
    """
    image_of = check_jpeg(x.shape[3])
    found = np.empty_like(x)
    for i, image in enumerate(np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)):
        buffer = io.BytesIO()
        shown = image[..., 0] if x.shape[3] == 1 else image
        image_of.fromarray(shown).save(buffer, "JPEG", quality=int(level))
        found[i] = np.asarray(image_of.open(buffer)).reshape(image.shape) / np.float32(255)
    return found
