"""`mlp`, `mlp2`: the small networks of Loukas et al. (2021), whose first layer only adds a bias."""

import itertools
from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.errors import check_choice, check_number
from weightspace.models.zoo.base import ZooModel, check_widths
from weightspace.models.zoo.parts import ACTIVATIONS, INITIALISERS, dense, flat
from weightspace.models.zoo.shift import FrozenDense, Shift
from weightspace.spec import spec, static

FIRST = ("identity", "linear", "random")
DROPOUT = ("forward", "gradient")


class MlpNet(nnx.Module):
    """A first layer as wide as the inputs, then dense layers, with an activation between."""

    def __init__(self, sizes: tuple[int, ...], options: "Mlp", rngs: nnx.Rngs):
        taken, draw = sizes[0], options.initialiser
        if options.first == "identity":
            self.first: nnx.Module = Shift(taken, draw, rngs)
        elif options.first == "linear":
            self.first = dense(taken, taken, rngs, initialiser=draw)
        else:
            self.first = FrozenDense(taken, taken, draw, rngs)
        pairs = itertools.pairwise(sizes)
        layers = [dense(taken, made, rngs, initialiser=draw) for taken, made in pairs]
        self.hidden = nnx.List(layers[:-1])
        self.output = layers[-1]
        self.activation = options.activation
        self.drop = nnx.Dropout(options.dropout, rngs=rngs) if options.dropout else None
        self.dropout_in = options.dropout_in

    def active(self, x: Array) -> Array:
        """Activation and dropout."""
        x = ACTIVATIONS[self.activation](x)
        if self.drop is None:
            return x
        dropped = self.drop(x)
        # The value of the one, the gradient of the other.
        return dropped if self.dropout_in == "forward" else dropped + jax.lax.stop_gradient(x - dropped)

    def __call__(self, x: Array) -> Float[Array, "batch outputs"]:
        """Outputs for a batch."""
        first: Any = self.first
        x = self.active(first(flat(x)))
        for layer in self.hidden:
            x = self.active(layer(x))
        return self.output(x)


@spec
class Mlp(ZooModel):
    """Five layers; 2,507 weights for ten inputs and one output.

    Attributes:
      widths: Units of each hidden layer after the first.
      first: `identity`, so that only the bias is trained; `linear`, a full layer; or `random`, a matrix that
        is drawn and stays as it is, under a trained bias.
      activation: Between layers.
      initialiser: Of the kernels; `torch` draws kernels and biases from U(±1/√fan-in).
      dropout: Probability that a hidden unit is dropped in training.
      dropout_in: Whether the outputs are those of the thinned network (`forward`), or the outputs are whole
        and only the `gradient` is the thinned network's, as in the theorem on generalisation.
    """

    label: ClassVar[str] = "mlp"

    widths: tuple[int, ...] = static(default=(32, 32, 32))
    first: str = static(default="identity")
    activation: str = static(default="relu")
    initialiser: str = static(default="torch")
    dropout: float = static(default=0.0, neutral=0.0)
    dropout_in: str = static(default="forward", neutral="forward")

    def validate(self) -> None:
        """Widths are positive; the other options are known."""
        super().validate()
        check_widths("widths", self.widths)
        check_choice("first layer", self.first, FIRST)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialiser", self.initialiser, INITIALISERS)
        check_number("dropout", self.dropout, least=0, below=1)
        check_choice("dropout_in", self.dropout_in, DROPOUT)

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights."""
        sizes = (self.size, *self.widths, self.outputs)
        return MlpNet(sizes, self, rngs)


@spec
class Mlp2(Mlp):
    """Three layers; 395 weights for ten inputs and one output."""

    label: ClassVar[str] = "mlp2"

    widths: tuple[int, ...] = static(default=(32,))
