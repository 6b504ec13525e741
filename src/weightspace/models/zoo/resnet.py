"""`resnet20`, `wide_resnet` and `resnet18_64`: residual networks for small images.

The first two are those of Larsen et al. (2022), the third that of Wortsman et al., "Learning neural
network subspaces" (2021), for images of 64 × 64. `resnet20` and `resnet18_64` are He et al. (2016), 1 × 1
convolutions with normalisation where a shortcut changes shape; `wide_resnet` is Zagoruyko & Komodakis (2016),
normalisation and activation before each convolution, 3 × 3 convolutions with bias on such shortcuts. All
average over the whole last map.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import check_number
from weightspace.models.pooling import global_average_pool
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import conv, dense, norm
from weightspace.spec import spec, static


class Block(nnx.Module):
    """Two convolutions, each normalised, beside a shortcut; activation after the sum."""

    def __init__(
        self,
        taken: int,
        made: int,
        stride: int,
        normed: Callable[[int], nnx.Module],
        rngs: nnx.Rngs,
        dropout: float = 0.0,
        **drawn: Any,
    ):
        self.conv_1 = conv(taken, made, rngs, stride=stride, bias=False, **drawn)
        self.norm_1 = normed(made)
        self.conv_2 = conv(made, made, rngs, bias=False, **drawn)
        self.norm_2 = normed(made)
        if dropout:
            self.dropout = nnx.Dropout(dropout, rngs=rngs)
        if (taken, stride) != (made, 1):
            self.shortcut_conv = conv(taken, made, rngs, size=1, stride=stride, bias=False, **drawn)
            self.shortcut_norm = normed(made)

    def __call__(self, x: Array) -> Array:
        """The block's outputs."""
        y = jax.nn.relu(self.norm_1(self.conv_1(x)))
        if hasattr(self, "dropout"):
            y = self.dropout(y)
        y = self.norm_2(self.conv_2(y))
        if hasattr(self, "shortcut_conv"):
            x = self.shortcut_norm(self.shortcut_conv(x))
        return jax.nn.relu(x + y)


class WideBlock(nnx.Module):
    """Normalisation, activation, convolution, twice, beside a shortcut."""

    def __init__(self, taken: int, made: int, stride: int, momentum: float, rngs: nnx.Rngs):
        self.norm_1 = norm(taken, momentum, rngs)
        self.conv_1 = conv(taken, made, rngs, stride=stride)
        self.norm_2 = norm(made, momentum, rngs)
        self.conv_2 = conv(made, made, rngs)
        if (taken, stride) != (made, 1):
            self.shortcut_conv = conv(taken, made, rngs, stride=stride)

    def __call__(self, x: Array) -> Array:
        """The block's outputs."""
        y = self.conv_1(jax.nn.relu(self.norm_1(x)))
        y = self.conv_2(jax.nn.relu(self.norm_2(y)))
        return y + (self.shortcut_conv(x) if hasattr(self, "shortcut_conv") else x)


def plan(first: int, widths: tuple[int, ...], blocks: int) -> Iterator[tuple[int, int, int]]:
    """Channels taken and made, and the stride, of each block: the first of a later stage halves the image."""
    taken = first
    for stage, made in enumerate(widths):
        for number in range(blocks):
            yield taken, made, 2 if stage and not number else 1
            taken = made


class ResNet(nnx.Module):
    """A normalised convolution, blocks, global average, one dense layer."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        widths: tuple[int, ...],
        blocks: int,
        momentum: float,
        rngs: nnx.Rngs,
        bias: bool = True,
    ):
        self.stem_conv = conv(channels, widths[0], rngs, bias=False)
        self.stem_norm = norm(widths[0], momentum, rngs)
        normed = functools.partial(norm, momentum=momentum, rngs=rngs)
        self.blocks = nnx.List([Block(*sizes, normed, rngs) for sizes in plan(widths[0], widths, blocks)])
        self.output = dense(widths[-1], outputs, rngs, bias=bias)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        x = jax.nn.relu(self.stem_norm(self.stem_conv(x)))
        for block in self.blocks:
            x = block(x)
        return self.output(global_average_pool(x))


class WideResNet(nnx.Module):
    """A convolution, blocks, normalisation, global average, one dense layer."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        widths: tuple[int, ...],
        blocks: int,
        momentum: float,
        rngs: nnx.Rngs,
    ):
        stem = 16
        self.stem_conv = conv(channels, stem, rngs)
        self.blocks = nnx.List([WideBlock(*sizes, momentum, rngs) for sizes in plan(stem, widths, blocks)])
        self.last_norm = norm(widths[-1], momentum, rngs)
        self.output = dense(widths[-1], outputs, rngs)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        x = self.stem_conv(x)
        for block in self.blocks:
            x = block(x)
        return self.output(global_average_pool(jax.nn.relu(self.last_norm(x))))


@spec
class ResNet20(ZooModel):
    """Three stages of three blocks; 272,474 weights on CIFAR-10.

    Attributes:
      widths: Channels of each stage.
      blocks: Blocks of a stage; the depth is 6 · blocks + 2.
      momentum: What the running statistics keep at each step.
    """

    label: ClassVar[str] = "resnet20"

    widths: tuple[int, ...] = static(default=(16, 32, 64))
    blocks: int = static(default=3)
    momentum: float = static(default=0.9)

    def validate(self) -> None:
        """Examples are images; widths and blocks are positive."""
        super().validate()
        self.image()
        check_widths("widths", self.widths)
        check_number("blocks", self.blocks, least=1)
        check_number("momentum", self.momentum, least=0, below=1)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return ResNet(self.image()[2], self.outputs, self.widths, self.blocks, self.momentum, rngs)


@spec
class ResNet18(ResNet20):
    """Four stages of two blocks for 64 × 64 images, first convolution 3 × 3 without stride, no pooling.

    11,271,232 weights with three channels and 200 outputs, as on Tiny ImageNet; the last layer has no bias.

    Attributes:
      widths: Channels of each stage.
      blocks: Blocks of a stage; the depth is 2 · stages · blocks + 2.
      momentum: What the running statistics keep at each step.
    """

    label: ClassVar[str] = "resnet18_64"

    widths: tuple[int, ...] = static(default=(64, 128, 256, 512))
    blocks: int = static(default=2)
    momentum: float = static(default=0.9)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return ResNet(
            self.image()[2], self.outputs, self.widths, self.blocks, self.momentum, rngs, bias=False
        )


@spec
class WideResNet16(ZooModel):
    """Three stages of two blocks, four times as wide; 3,110,148 weights with three channels and 100 outputs.

    Attributes:
      widen: Channels of the stages are 16, 32, 64 times this.
      blocks: Blocks of a stage; the depth is 6 · blocks + 4.
      momentum: What the running statistics keep at each step.
    """

    label: ClassVar[str] = "wide_resnet"

    widen: int = static(default=4)
    blocks: int = static(default=2)
    momentum: float = static(default=0.9)

    def validate(self) -> None:
        """Examples are images; widths and blocks are positive."""
        super().validate()
        self.image()
        check_number("widen", self.widen, least=1)
        check_number("blocks", self.blocks, least=1)
        check_number("momentum", self.momentum, least=0, below=1)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        widths = (16 * self.widen, 32 * self.widen, 64 * self.widen)
        return WideResNet(self.image()[2], self.outputs, widths, self.blocks, self.momentum, rngs)
