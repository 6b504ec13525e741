"""Shapes that examples were probably meant to have, for a network that does not take those they have.

A missing axis of channels, channels first, one channel for three, rows that were not flattened: each with
what brings it about. Which of them a network takes is tried by its caller.
"""

import math
from collections.abc import Iterator

Shape = tuple[int, ...]
_IMAGE = 3
"""Axes of an image with its channels."""
_COLOURS = (1, 3)
_CHANNELS = 4
"""Most channels of what is taken for an image with its channels first."""


def other_shapes(shape: Shape) -> Iterator[tuple[Shape, str]]:
    """Shapes near to that of an example, and how to give examples of them; the likeliest first.

    >>> next(other_shapes((28, 28)))
    ((28, 28, 1), 'for inputs without an axis of channels give x[..., None]')
    """
    if 1 <= len(shape) < _IMAGE:
        yield (*shape, 1), "for inputs without an axis of channels give x[..., None]"
    if len(shape) == _IMAGE:
        channels, *rest = shape
        if channels <= _CHANNELS:
            yield (*rest, channels), "channels come last here, give np.moveaxis(x, 1, -1)"
        if shape[-1] in _COLOURS:
            other = sum(_COLOURS) - shape[-1]
            how = "np.repeat(x, 3, axis=-1)" if other > 1 else "x.mean(axis=-1, keepdims=True)"
            yield (*shape[:-1], other), f"give as many channels as the network has, {how}"
    if len(shape) > 1 and shape[-1] == 1:
        yield shape[:-1], "it has no axis of channels, give x[..., 0]"
    if len(shape) > 1:
        yield (math.prod(shape),), "it takes rows of numbers, give x.reshape(len(x), -1)"
