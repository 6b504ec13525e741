"""`conv2`, `conv3`, `conv4`: the small convolutional networks of Larsen et al. (2022).

3 × 3 convolutions with a bias, activation and pooling after each, then one dense layer.
"""

from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice
from weightspace.models.pooling import POOLS
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import ACTIVATIONS, conv, dense, flat
from weightspace.spec import spec, static

POOL = 2


class ConvNet(nnx.Module):
    """Convolution, activation and pooling, again and again; one dense layer."""

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        channels: tuple[int, ...],
        pool: str,
        activation: str,
        rngs: nnx.Rngs,
    ):
        height, width, first = image
        pairs = zip((first, *channels), channels, strict=False)
        self.convs = nnx.List([conv(taken, made, rngs) for taken, made in pairs])
        shrunk = POOL ** len(channels)
        self.output = dense((height // shrunk) * (width // shrunk) * channels[-1], outputs, rngs)
        self.pool = pool
        self.activation = activation

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        for layer in self.convs:
            x = POOLS[self.pool](ACTIVATIONS[self.activation](layer(x)), POOL)
        return self.output(flat(x))


@spec
class Conv2(ZooModel):
    """Two convolutions; 20,490 weights on MNIST.

    Attributes:
      channels: Of each convolution.
      pool: `average` or `max`, over 2 × 2 entries.
      activation: After each convolution.
    """

    label: ClassVar[str] = "conv2"

    channels: tuple[int, ...] = static(default=(16, 32))
    pool: str = static(default="average")
    activation: str = static(default="relu")

    def validate(self) -> None:
        """The image is large enough for the poolings, and the options are known."""
        super().validate()
        check_widths("channels", self.channels)
        check_choice("pool", self.pool, POOLS)
        check_choice("activation", self.activation, ACTIVATIONS)
        height, width, _ = self.image()
        least = POOL ** len(self.channels)
        if min(height, width) < least:
            raise InputError(
                f"{self.label} halves images {len(self.channels)} times, so they must be at least {least} × "
                f"{least}, but they are {height} × {width}; a model with fewer convolutions fits (conv2, fc)"
            )

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return ConvNet(self.image(), self.outputs, self.channels, self.pool, self.activation, rngs)


@spec
class Conv3(Conv2):
    """Three convolutions; 61,514 weights on MNIST."""

    label: ClassVar[str] = "conv3"

    channels: tuple[int, ...] = static(default=(32, 64, 64))


@spec
class Conv4(Conv2):
    """Four convolutions; 130,890 weights on MNIST."""

    label: ClassVar[str] = "conv4"

    channels: tuple[int, ...] = static(default=(32, 64, 64, 128))
