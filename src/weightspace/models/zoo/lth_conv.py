"""`lth_conv2`, `lth_conv4`, `lth_conv6`: the convolutional networks of the lottery tickets.

Pairs of 3 × 3 convolutions with a max-pooling after each pair, twice the channels from pair to pair, then
three dense layers; ReLU between layers, no normalisation. Small versions of VGG (Frankle & Carbin, 2019;
Zhou et al., 2019).
"""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.pooling import POOLS
from weightspace.models.zoo.base import ZooModel
from weightspace.models.zoo.parts import INITIALISERS, conv, dense, flat
from weightspace.spec import spec, static

POOL = 2
DENSE = 4
"""Units of a hidden dense layer over the channels of the first pair."""


class LthConvNet(nnx.Module):
    """Pairs of convolutions, pooled; dense layers."""

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        pairs: int,
        width: int,
        initialiser: str,
        rngs: nnx.Rngs,
    ):
        height, across, taken = image
        convs = []
        for pair in range(pairs):
            made = width * 2**pair
            convs += [conv(c, made, rngs, initialiser=initialiser) for c in (taken, made)]
            taken = made
        self.convs = nnx.List(convs)
        shrunk = POOL**pairs
        sizes = ((height // shrunk) * (across // shrunk) * taken, DENSE * width)
        self.hidden = nnx.List([dense(size, DENSE * width, rngs, initialiser=initialiser) for size in sizes])
        self.output = dense(DENSE * width, outputs, rngs, initialiser=initialiser)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        for number, layer in enumerate(self.convs):
            x = jax.nn.relu(layer(x))
            if number % 2:
                x = POOLS["max"](x, POOL)
        x = flat(x)
        for layer in self.hidden:
            x = jax.nn.relu(layer(x))
        return self.output(x)


@spec
class LthConv2(ZooModel):
    """Two convolutions; 4,301,642 weights on CIFAR-10, 4,300,992 of them in kernels.

    Attributes:
      width: Channels of the first pair of convolutions; each further pair has twice as many, and the two
        hidden dense layers have four times as many units.
      initialiser: Of the kernels. `glorot_normal` is cut off at two standard deviations and widened to its
        nominal variance; `glorot_normal_uncorrected` is cut off alike and not widened, 12 % narrower, as
        early TensorFlow had it. Biases are zero (but drawn with `torch`).
    """

    label: ClassVar[str] = "lth_conv2"
    pairs: ClassVar[int] = 1

    width: int = static(default=64)
    initialiser: str = static(default="glorot_normal")

    def validate(self) -> None:
        """The image is large enough for the poolings, and the options are known."""
        super().validate()
        check_number("width", self.width, least=1)
        check_choice("initialiser", self.initialiser, INITIALISERS)
        height, across, _ = self.image()
        least = POOL**self.pairs
        if min(height, across) < least:
            raise InputError(
                f"{self.label} halves images {self.pairs} times, so they must be at least {least} × {least}, "
                f"but they are {height} × {across}; a model with fewer convolutions fits (lth_conv2, fc)"
            )

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return LthConvNet(self.image(), self.outputs, self.pairs, self.width, self.initialiser, rngs)


@spec
class LthConv4(LthConv2):
    """Four convolutions; 2,425,930 weights on CIFAR-10, 2,425,024 of them in kernels."""

    label: ClassVar[str] = "lth_conv4"
    pairs: ClassVar[int] = 2


@spec
class LthConv6(LthConv2):
    """Six convolutions; 2,262,602 weights on CIFAR-10, 2,261,184 of them in kernels."""

    label: ClassVar[str] = "lth_conv6"
    pairs: ClassVar[int] = 3
