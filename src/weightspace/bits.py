"""Bits: booleans eight to a byte, as files keep them."""

import numpy as np


def pack_bits(mask: np.ndarray) -> np.ndarray:
    """Booleans as bits, eight to a byte, in C order."""
    return np.packbits(np.ascontiguousarray(mask, dtype=bool).reshape(-1))


def unpack_bits(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `pack_bits`."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.unpackbits(bits, count=count).astype(bool).reshape(shape)
