"""`cresnet20` and `cresnet:depth=8,width=8`: residual networks without biases, as learned subspaces use them.

The networks of `resnet20` whose last layer is a 1 × 1 convolution without bias, with kernels drawn from
N(0, 2 / fan-in), that one included (Wortsman et al., 2021, arXiv:2102.10472). With `norm=group` they keep no
statistics, so that the network is a function of its weights alone.
"""

from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.pooling import global_average_pool
from weightspace.models.zoo.base import ZooModel
from weightspace.models.zoo.parts import conv, norm
from weightspace.models.zoo.resnet import Block, plan
from weightspace.spec import spec, static

DRAWN = "kaiming_normal"
NORMS = ("batch", "group")


class CNet(nnx.Module):
    """A normalised convolution, blocks, global average, a 1 × 1 convolution."""

    def __init__(
        self, channels: int, outputs: int, width: int, blocks: int, normed: Any, rngs: nnx.Rngs,
        dropout: float = 0.0,
    ):  # fmt: skip
        widths = (width, 2 * width, 4 * width)
        self.stem_conv = conv(channels, width, rngs, bias=False, initialiser=DRAWN)
        self.stem_norm = normed(width)
        sizes = plan(width, widths, blocks)
        self.blocks = nnx.List([Block(*each, normed, rngs, dropout, initialiser=DRAWN) for each in sizes])
        self.output = conv(widths[-1], outputs, rngs, size=1, bias=False, initialiser=DRAWN)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        x = jax.nn.relu(self.stem_norm(self.stem_conv(x)))
        for block in self.blocks:
            x = block(x)
        pooled = global_average_pool(x)[:, None, None, :]
        return self.output(pooled)[:, 0, 0, :]


@spec
class CResNet(ZooModel):
    """Three stages of blocks.

    Attributes:
      depth: Layers, 6 for each block of a stage and 2.
      width: Channels of the first stage; the others have 2 and 4 times as many.
      norm: `batch`, or `group`, which keeps no statistics.
      groups: Of `group`.
      momentum: What the running statistics of `batch` keep at each step.
      dropout: Probability that an entry of a block's inner map is dropped, before its second convolution.
    """

    label: ClassVar[str] = "cresnet"

    depth: int = static(default=20)
    width: int = static(default=16)
    norm: str = static(default="batch")
    groups: int = static(default=4)
    momentum: float = static(default=0.9)
    dropout: float = static(default=0.0, neutral=0.0)

    def validate(self) -> None:
        """Examples are images, the depth is 6 n + 2, groups divide the width."""
        super().validate()
        self.image()
        check_number("depth", self.depth, least=8)
        check_number("width", self.width, least=1)
        check_number("groups", self.groups, least=1)
        check_number("momentum", self.momentum, least=0, below=1)
        check_number("dropout", self.dropout, least=0, below=1)
        check_choice("norm", self.norm, NORMS)
        if (self.depth - 2) % 6:
            near = 6 * ((self.depth - 2) // 6) + 2
            raise InputError(
                f"depth is {self.depth}, but must be 6 for each block of a stage and 2: take {near} or "
                f"{near + 6}"
            )
        if self.norm == "group" and self.width % self.groups:
            raise InputError(f"groups is {self.groups}, but must divide the width of {self.width}")

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""

        def normed(channels: int) -> nnx.Module:
            if self.norm == "group":
                return nnx.GroupNorm(channels, num_groups=self.groups, rngs=rngs)
            return norm(channels, self.momentum, rngs)

        blocks = (self.depth - 2) // 6
        return CNet(self.image()[2], self.outputs, self.width, blocks, normed, rngs, self.dropout)


@spec
class CResNet20(CResNet):
    """Three stages of three blocks; 272,464 weights on CIFAR-10, 22 convolutions among them."""

    label: ClassVar[str] = "cresnet20"
