"""`resnet50` and `wrn50_2`: residual networks of bottlenecks for large images (He et al., 2016).

A 7 × 7 convolution of stride 2, maximum pooling, four stages of 3, 4, 6, 3 blocks, the stride in the 3 × 3
convolution, global average, a dense layer without bias, as learned subspaces count them (Wortsman et al.,
2021): 25,556,032 and 68,882,240 weights with three channels and 1,000 outputs. Their sizes are told by shapes
alone; training them is for a GPU.
"""

from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import check_number
from weightspace.models.pooling import global_average_pool, overlapping_max_pool
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import conv, dense, norm
from weightspace.spec import spec, static

EXPANSION = 4
"""Channels of a block's outputs for each of the plain width."""


class Bottleneck(nnx.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolutions, each normalised, beside a shortcut; activation after the sum."""

    def __init__(self, taken: int, inner: int, made: int, stride: int, momentum: float, rngs: nnx.Rngs):
        plain: dict[str, Any] = {"size": 1, "bias": False}
        self.conv_1 = conv(taken, inner, rngs, **plain)
        self.norm_1 = norm(inner, momentum, rngs)
        self.conv_2 = conv(inner, inner, rngs, stride=stride, bias=False)
        self.norm_2 = norm(inner, momentum, rngs)
        self.conv_3 = conv(inner, made, rngs, **plain)
        self.norm_3 = norm(made, momentum, rngs)
        if (taken, stride) != (made, 1):
            self.shortcut_conv = conv(taken, made, rngs, stride=stride, **plain)
            self.shortcut_norm = norm(made, momentum, rngs)

    def __call__(self, x: Array) -> Array:
        """The block's outputs."""
        y = jax.nn.relu(self.norm_1(self.conv_1(x)))
        y = jax.nn.relu(self.norm_2(self.conv_2(y)))
        y = self.norm_3(self.conv_3(y))
        if hasattr(self, "shortcut_conv"):
            x = self.shortcut_norm(self.shortcut_conv(x))
        return jax.nn.relu(x + y)


class BottleneckNet(nnx.Module):
    """Stem, pooling, stages, global average, a dense layer without bias."""

    def __init__(self, channels: int, outputs: int, model: "ResNet50", rngs: nnx.Rngs):
        taken = model.widths[0]
        self.stem_conv = conv(channels, taken, rngs, size=7, stride=2, bias=False)
        self.stem_norm = norm(taken, model.momentum, rngs)
        blocks = []
        for stage, (width, count) in enumerate(zip(model.widths, model.blocks, strict=True)):
            for number in range(count):
                made, stride = EXPANSION * width, 2 if stage and not number else 1
                blocks.append(Bottleneck(taken, model.widen * width, made, stride, model.momentum, rngs))
                taken = made
        self.blocks = nnx.List(blocks)
        self.output = dense(taken, outputs, rngs, bias=False)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        x = jax.nn.relu(self.stem_norm(self.stem_conv(x)))
        x = overlapping_max_pool(x)
        for block in self.blocks:
            x = block(x)
        return self.output(global_average_pool(x))


@spec
class ResNet50(ZooModel):
    """Bottlenecks whose outputs have four times the channels of their plain width.

    Attributes:
      widths: Plain widths of the stages.
      blocks: Blocks of each stage.
      widen: How many times as wide bottlenecks are inside.
      momentum: What the running statistics keep at each step.
    """

    label: ClassVar[str] = "resnet50"

    widths: tuple[int, ...] = static(default=(64, 128, 256, 512))
    blocks: tuple[int, ...] = static(default=(3, 4, 6, 3))
    widen: int = static(default=1)
    momentum: float = static(default=0.9)

    def validate(self) -> None:
        """Examples are images; a number of blocks for each width."""
        super().validate()
        self.image()
        check_widths("widths", self.widths)
        check_widths("blocks", self.blocks)
        check_number("stages of blocks", len(self.blocks), least=len(self.widths), most=len(self.widths))
        check_number("widen", self.widen, least=1)
        check_number("momentum", self.momentum, least=0, below=1)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return BottleneckNet(self.image()[2], self.outputs, self, rngs)


@spec
class WideResNet50(ResNet50):
    """The same with bottlenecks that are twice as wide inside."""

    label: ClassVar[str] = "wrn50_2"

    widen: int = static(default=2)
