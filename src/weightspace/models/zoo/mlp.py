"""`mlp`: the small regression network of Loukas et al. (2021), whose first layer only adds a bias.

With an identity for the first layer's matrix, the norm of the update of its bias, divided by the learning
rate and the derivative of the loss, is the local Lipschitz constant of the network at the sampled point. The
identity is not trained, so it is no matrix here.
"""

import itertools
from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import check_choice
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import ACTIVATIONS, INITIALISERS, dense, flat, uniform_bias
from weightspace.spec import spec, static

FIRST = ("identity", "linear")


class Shift(nnx.Module):
    """x + bias: a dense layer whose matrix is the identity and stays so."""

    def __init__(self, size: int, initialiser: str, rngs: nnx.Rngs):
        draw = uniform_bias(size) if initialiser == "torch" else nnx.initializers.zeros
        self.bias = nnx.Param(draw(rngs.params(), (size,), "float32"))

    def __call__(self, x: Float[Array, "batch size"]) -> Float[Array, "batch size"]:
        """The shifted inputs."""
        return x + self.bias[...][None]


class MlpNet(nnx.Module):
    """A first layer as wide as the inputs, then dense layers, with an activation between."""

    def __init__(self, sizes: tuple[int, ...], first: str, activation: str, initialiser: str, rngs: nnx.Rngs):
        taken = sizes[0]
        linear = first == "linear"
        self.first = (
            dense(taken, taken, rngs, initialiser=initialiser) if linear else Shift(taken, initialiser, rngs)
        )
        pairs = itertools.pairwise(sizes)
        layers = [dense(taken, made, rngs, initialiser=initialiser) for taken, made in pairs]
        self.hidden = nnx.List(layers[:-1])
        self.output = layers[-1]
        self.activation = activation

    def __call__(self, x: Array) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        activate = ACTIVATIONS[self.activation]
        x = activate(self.first(flat(x)))
        for layer in self.hidden:
            x = activate(layer(x))
        return self.output(x)


@spec
class Mlp(ZooModel):
    """Five layers; 2,507 weights for ten inputs and one output.

    Attributes:
      widths: Units of each hidden layer after the first.
      first: `identity`, so that only the bias is trained, or `linear`, a full layer.
      activation: Between layers.
      initialiser: Of the kernels; `torch` draws kernels and biases from U(±1/√fan-in).
    """

    label: ClassVar[str] = "mlp"

    widths: tuple[int, ...] = static(default=(32, 32, 32))
    first: str = static(default="identity")
    activation: str = static(default="relu")
    initialiser: str = static(default="torch")

    def validate(self) -> None:
        """Widths are positive; the other options are known."""
        super().validate()
        check_widths("widths", self.widths)
        check_choice("first layer", self.first, FIRST)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialiser", self.initialiser, INITIALISERS)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        sizes = (self.size, *self.widths, self.outputs)
        return MlpNet(sizes, self.first, self.activation, self.initialiser, rngs)
