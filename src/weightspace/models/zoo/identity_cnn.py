"""`identity_cnn`: the convolutional network of Loukas et al. (2021), whose first layer only adds a bias.

Each pixel of each channel has a bias of its own, so that the update of the biases has the norm of the
network's gradient by the image. Two 5 × 5 convolutions without padding follow, each with an activation and
max-pooling over 3 × 3, and two dense layers.
"""

from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice
from weightspace.models.pooling import max_pool
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import ACTIVATIONS, INITIALISERS, conv, dense, flat
from weightspace.models.zoo.shift import Shift
from weightspace.spec import spec, static

WINDOW, POOL = 5, 3


class IdentityCnnNet(nnx.Module):
    """A bias for each pixel, convolutions with pooling, two dense layers."""

    def __init__(self, image: tuple[int, int, int], outputs: int, options: "IdentityCnn", rngs: nnx.Rngs):
        height, width, taken = image
        draw = options.initialiser
        self.first = Shift(height * width * taken, draw, rngs)
        self.convs = nnx.List()
        for made in options.channels:
            layer = conv(taken, made, rngs, size=WINDOW, padding="VALID", initialiser=draw)
            self.convs.append(layer)
            height, width, taken = shrunk(height), shrunk(width), made
        size = height * width * taken
        self.hidden = dense(size, taken, rngs, initialiser=draw)
        self.output = dense(taken, outputs, rngs, initialiser=draw)
        self.activation = options.activation

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        activate = ACTIVATIONS[self.activation]
        x = activate(self.first(flat(x))).reshape(x.shape)
        for layer in self.convs:
            x = max_pool(activate(layer(x)), POOL)
        return self.output(activate(self.hidden(flat(x))))


def shrunk(length: int) -> int:
    """The length of an image's side after a convolution and its pooling."""
    return (length - WINDOW + 1) // POOL


@spec
class IdentityCnn(ZooModel):
    """1,080,577 weights for one output on colour images of 32 × 32.

    Attributes:
      channels: Of each convolution; the first dense layer is as wide as the last.
      activation: After each layer but the last.
      initialiser: Of the kernels; `torch` draws kernels and biases from U(±1/√fan-in).
    """

    label: ClassVar[str] = "identity_cnn"

    channels: tuple[int, ...] = static(default=(96, 384))
    activation: str = static(default="relu")
    initialiser: str = static(default="torch")

    def validate(self) -> None:
        """The image is large enough, and the options are known."""
        super().validate()
        check_widths("channels", self.channels)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialiser", self.initialiser, INITIALISERS)
        height, width, _ = self.image()
        for _ in self.channels:
            height, width = shrunk(height), shrunk(width)
        if min(height, width) < 1:
            image = " × ".join(map(str, self.shape[:2]))
            raise InputError(
                f"{self.label} with {len(self.channels)} convolutions needs larger images than {image}: each "
                f"takes {WINDOW - 1} pixels off and divides by {POOL}; give fewer channels=…, or use mlp"
            )

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return IdentityCnnNet(self.image(), self.outputs, self, rngs)
