"""`mnist_fc`, `mnist_cnn`, `cifar10_cnn`: the networks of the "weight symmetry" study (Ioannou, 2020).

Hidden blocks are layer, batch norm, ReLU; kernels are He-normal, that of the output Glorot-normal. The
networks of images average over the whole last map, and normalise their outputs too. The study's log-softmax
is part of the loss. Its README describes other networks than its code has (no norm, dropout in the
convolutional ones); these are those of the code, and `norm` and `dropout` are switches.
"""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_number
from weightspace.models.pooling import global_average_pool, max_pool
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import conv, dense, flat, norm
from weightspace.spec import spec, static

MOMENTUM = 0.99


class Tail(nnx.Module):
    """What follows a layer: batch norm, activation, dropout, each where it is asked for."""

    def __init__(
        self, units: int, options: "Study", rngs: nnx.Rngs, *, last: bool = False, image: bool = False
    ):
        made = norm if image else _norm
        self.norm = made(units, MOMENTUM, rngs) if options.norm and not (last and options.plain_end) else None
        self.drop = nnx.Dropout(options.dropout, rngs=rngs) if options.dropout and not last else None
        self.last = last

    def __call__(self, x: Array) -> Array:
        """The outputs of the block."""
        x = x if self.norm is None else self.norm(x)
        x = x if self.last else jax.nn.relu(x)
        return x if self.drop is None else self.drop(x)


def _norm(units: int, momentum: float, rngs: nnx.Rngs) -> nnx.BatchNorm:
    return nnx.BatchNorm(units, momentum=momentum, epsilon=1e-5, rngs=rngs)


class StudyNet(nnx.Module):
    """Convolutions with pooling after each group of them but the last, global average, dense layers."""

    def __init__(self, options: "Study", rngs: nnx.Rngs):
        filters, size, _ = options.convolutions()
        taken, convs, conv_tails = options.shape[-1], [], []
        for made in filters:
            convs.append(conv(taken, made, rngs, size=size, initialiser="he_normal"))
            conv_tails.append(Tail(made, options, rngs, image=True))
            taken = made
        taken, layers, tails = taken if filters else options.size, [], []
        for made in options.hidden():
            layers.append(dense(taken, made, rngs, initialiser="he_normal"))
            tails.append(Tail(made, options, rngs))
            taken = made
        self.convs, self.conv_tails = nnx.List(convs), nnx.List(conv_tails)
        self.hidden, self.tails = nnx.List(layers), nnx.List(tails)
        self.output = dense(taken, options.outputs, rngs, initialiser="glorot_normal")
        self.end = Tail(options.outputs, options, rngs, last=True)
        self.pools = options.pools()

    def __call__(self, x: Array) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        for number, (layer, tail) in enumerate(zip(self.convs, self.conv_tails, strict=True)):
            x = tail(layer(x))
            x = max_pool(x, 2) if number in self.pools else x
        x = global_average_pool(x) if len(self.convs) else flat(x)
        for layer, tail in zip(self.hidden, self.tails, strict=True):
            x = tail(layer(x))
        return self.end(self.output(x))


class Study(ZooModel):
    """What the three networks share."""

    plain_end: ClassVar[bool] = False
    """Whether outputs are not normalised."""
    norm: bool
    dropout: float

    def validate(self) -> None:
        """A share that is dropped, positive widths, and images that the poolings leave something of."""
        super().validate()
        check_number("dropout", self.dropout, least=0, below=1)
        filters, _, _ = self.convolutions()
        for name, widths in (("filters", filters), ("widths", self.hidden())):
            if widths:
                check_widths(name, widths)
        if filters:
            height, width, _ = self.image()
            least = 2 ** len(self.pools())
            if min(height, width) < least:
                raise InputError(
                    f"{self.label} halves images {len(self.pools())} times, so they must be at least "
                    f"{least} × {least}, but they are {height} × {width}; give fewer filters, or mnist_fc"
                )

    def convolutions(self) -> tuple[tuple[int, ...], int, int]:
        """Filters, the size of their windows, and how many stand between two poolings."""
        return (), 0, 1

    def hidden(self) -> tuple[int, ...]:
        """Units of the dense layers."""
        return ()

    def pools(self) -> tuple[int, ...]:
        """After which convolutions images are halved."""
        filters, _, group = self.convolutions()
        return tuple(n for n in range(len(filters) - 1) if (n + 1) % group == 0)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return StudyNet(self, rngs)


@spec
class MnistFc(Study):
    """Two hidden layers of 32; 26,634 weights on MNIST. Its outputs are not normalised.

    Attributes:
      widths: Units of each hidden layer.
      norm: Whether layers are normalised.
      dropout: The share dropped after each ReLU.
      depth: How many hidden layers of one width there are, as in widths=16,depth=6; None as many as widths.
    """

    label: ClassVar[str] = "mnist_fc"
    plain_end: ClassVar[bool] = True

    widths: tuple[int, ...] = static(default=(32, 32))
    norm: bool = static(default=True)
    dropout: float = static(default=0.0)
    depth: int | None = static(default=None, neutral=None)

    def hidden(self) -> tuple[int, ...]:
        """The widths."""
        return self.widths if self.depth is None else self._repeated(self.depth)

    def _repeated(self, depth: int) -> tuple[int, ...]:
        return self.widths if len(self.widths) == depth else self.widths[:1] * depth

    def validate(self) -> None:
        """At least one hidden layer; a depth goes with one width."""
        check_widths("widths", self.widths)
        if self.depth is not None:
            check_number("depth", self.depth, least=1)
            if len(set(self.widths)) > 1 and self.depth != len(self.widths):
                raise InputError(
                    f"depth is {self.depth}, but widths has {len(self.widths)} different layers "
                    f"({', '.join(map(str, self.widths))}); give one width with a depth, or all widths"
                )
        super().validate()


@spec
class MnistCnn(Study):
    """Two 5 × 5 convolutions, halved between, and a dense layer of 64; 16,254 weights on MNIST.

    Attributes:
      filters: Of each convolution.
      widths: Units of the dense layers behind the average.
      norm: Whether layers are normalised.
      dropout: The share dropped after each ReLU.
    """

    label: ClassVar[str] = "mnist_cnn"

    filters: tuple[int, ...] = static(default=(16, 32))
    widths: tuple[int, ...] = static(default=(64,))
    norm: bool = static(default=True)
    dropout: float = static(default=0.0)

    def convolutions(self) -> tuple[tuple[int, ...], int, int]:
        """5 × 5, images halved after each but the last."""
        return self.filters, 5, 1

    def hidden(self) -> tuple[int, ...]:
        """The widths."""
        return self.widths

    def validate(self) -> None:
        """At least one convolution."""
        check_widths("filters", self.filters)
        super().validate()


@spec
class Cifar10Cnn(Study):
    """Six 3 × 3 convolutions, images halved after every second; 289,214 weights on CIFAR-10.

    Attributes:
      filters: Of each convolution.
      norm: Whether layers are normalised.
      dropout: The share dropped after each ReLU.
    """

    label: ClassVar[str] = "cifar10_cnn"

    filters: tuple[int, ...] = static(default=(32, 32, 64, 64, 128, 128))
    norm: bool = static(default=True)
    dropout: float = static(default=0.0)

    def convolutions(self) -> tuple[tuple[int, ...], int, int]:
        """3 × 3, images halved after every second."""
        return self.filters, 3, 2

    def pools(self) -> tuple[int, ...]:
        """After every second, the last pair too."""
        return tuple(range(1, len(self.filters), 2))

    def validate(self) -> None:
        """At least one convolution."""
        check_widths("filters", self.filters)
        super().validate()
