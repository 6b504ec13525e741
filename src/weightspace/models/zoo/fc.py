"""`fc`: a fully connected network, LeNet-300-100 by default."""

import itertools
from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import check_choice
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import ACTIVATIONS, INITIALISERS, dense, flat
from weightspace.spec import spec, static


class FcNet(nnx.Module):
    """Flatten, dense layers with an activation between."""

    def __init__(self, sizes: tuple[int, ...], activation: str, initialiser: str, rngs: nnx.Rngs):
        pairs = itertools.pairwise(sizes)
        layers = [dense(taken, made, rngs, initialiser=initialiser) for taken, made in pairs]
        self.hidden = nnx.List(layers[:-1])
        self.output = layers[-1]
        self.activation = activation

    def __call__(self, x: Array) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        x = flat(x)
        for layer in self.hidden:
            x = ACTIVATIONS[self.activation](layer(x))
        return self.output(x)


@spec
class Fc(ZooModel):
    """Hidden layers of 300 and 100 units (LeCun et al., 1998; the tickets' LeNet).

    Attributes:
      widths: Units of each hidden layer.
      activation: Between layers.
      initialiser: Of the kernels; `torch` draws the biases too.
    """

    label: ClassVar[str] = "fc"

    widths: tuple[int, ...] = static(default=(300, 100))
    activation: str = static(default="relu")
    initialiser: str = static(default="lecun_normal")

    def validate(self) -> None:
        """Widths are positive; activation and initialiser are known."""
        super().validate()
        check_widths("widths", self.widths)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialiser", self.initialiser, INITIALISERS)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        return FcNet((self.size, *self.widths, self.outputs), self.activation, self.initialiser, rngs)
