"""Encoded images to one array: any number of PNG or JPEG files of one size, decoded in parallel chunks."""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from weightspace import platform
from weightspace.data import limits
from weightspace.data.sources.progress import progress
from weightspace.errors import DataError

CHUNK = 512
_GREY = ("1", "L", "LA", "La")
_DEEP = ("I", "F")
_MOVING = ("GIF", "TIFF", "WEBP", "PNG")
"""Formats whose files may hold several images."""

Images = UInt8[np.ndarray, "_ _ _ _"]
"""[n, height, width, channels]."""
Encoded = bytes | Path | None


def decode_images(chunks: Iterable[Sequence[Encoded]], count: int, name: str) -> Images:
    """Decode images; grey ones become grey-valued RGB if any of the set has colour, transparency is dropped.

    Args:
      chunks: Runs of encoded images, or of paths to them.
      count: How many there are in all.
      name: What the set is called.

    Raises:
      DataError: For an unreadable image, images of different sizes or of more than eight bits a channel, and
        sets that are too large, which is found from the first chunk.
    """
    decoder = _decoder(name)
    source = iter(chunks)
    first = decoder(next(source, []))
    if not len(first):
        raise DataError(f"{name} holds no images")
    limits.check_bytes(name, count * first[0].nbytes)
    images = np.empty((count, *first.shape[1:]), np.uint8)
    start = 0
    pool = ThreadPoolExecutor(platform.available_cores())
    try:
        with progress(f"decoding {name}", count) as advance:
            for pixels in itertools.chain([first], pool.map(decoder, source)):
                images = _widened(name, images, pixels)
                images[start : start + len(pixels)] = pixels
                start += len(pixels)
                advance(len(pixels))
    finally:
        pool.shutdown(cancel_futures=True)
    if start != count:
        raise DataError(f"{name} promises {count} images but holds {start}; fetch it again")
    return images


def in_chunks(items: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """The same items in runs of `CHUNK`."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _widened(name: str, images: Images, pixels: Images) -> Images:
    """Room for the colours of `pixels`; grey pixels broadcast into it."""
    if images.shape[1:3] != pixels.shape[1:3]:
        raise _unequal(name, images.shape[1:3], pixels.shape[1:3])
    if images.shape[3] < pixels.shape[3]:
        limits.check_bytes(name, images.nbytes * 3)
        images = np.repeat(images, 3, axis=3)
    return images


def _unequal(name: str, one: tuple[int, ...], other: tuple[int, ...]) -> DataError:
    sizes = " and ".join(f"{height}×{width}" for height, width in (one, other))
    return DataError(f"{name} holds images of different sizes ({sizes}); resize them to one")


def _decoder(name: str) -> Callable[[Sequence[Encoded]], Images]:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f"decoding {name} needs Pillow; install it with: pip install 'weightspace[data]'"
        ) from error

    def one(item: Encoded) -> np.ndarray:
        if item is None:
            raise DataError(f"{name} has an example without an image")
        try:
            with Image.open(io.BytesIO(item) if isinstance(item, bytes) else item) as image:
                if image.mode.split(";")[0] in _DEEP:
                    raise DataError(
                        f"{name} holds images of mode {image.mode}; convert them to 8 bits a channel"
                    )
                frames = getattr(image, "n_frames", 1) if image.format in _MOVING else 1
                if frames > 1:
                    raise DataError(
                        f"{name} holds an image of {frames} frames{_where(item)}, of which one would be "
                        "read; give each frame as an image of its own"
                    )
                return np.asarray(image if image.mode in ("L", "RGB") else image.convert(_target(image.mode)))
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{name} holds an image that cannot be decoded{_where(item)}: {error}") from error

    def many(items: Sequence[Encoded]) -> Images:
        decoded = [one(item) for item in items]
        channels = max((image.ndim for image in decoded), default=2)
        for image in decoded:
            if image.shape[:2] != decoded[0].shape[:2]:
                raise _unequal(name, decoded[0].shape[:2], image.shape[:2])
        stacked = [image if image.ndim == 3 else image[..., None] for image in decoded]
        if channels == 3:
            stacked = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in stacked]
        return np.stack(stacked) if stacked else np.empty((0, 0, 0, 1), np.uint8)

    return many


def _where(item: Encoded) -> str:
    return f" ({item})" if isinstance(item, Path) else ""


def _target(mode: str) -> str:
    return "L" if mode in _GREY else "RGB"
