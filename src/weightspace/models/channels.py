"""Numbers of each channel of images: added to all pixels, and averaged over them, row by row.

A sum over examples, height and width leaves only the channels for a vector's lanes; few of them make XLA's
reduction on a CPU several times slower, and less accurate, than one over rows of width × channels numbers,
summed over the width last. An addition has the sum as its derivative.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch height width channels"]
PerChannel = Float[Array, "channels"]


def add_to_channels(images: Images, numbers: PerChannel) -> Images:
    """images[…, c] + numbers[c]."""
    row = jnp.broadcast_to(numbers, images.shape[2:]).reshape(-1)
    return (_rows(images) + row).reshape(images.shape)


def channel_means(images: Images) -> PerChannel:
    """The mean of each channel over examples and pixels."""
    columns = jnp.mean(_rows(images), 0)
    return jnp.mean(columns.reshape(images.shape[2:]), 0)


def _rows(images: Images) -> Float[Array, "rows entries"]:
    """The images' rows of pixels, each with all its channels."""
    batch, height, width, channels = images.shape
    return images.reshape(batch * height, width * channels)
