"""A first layer that only adds a bias: a dense layer whose matrix is the identity and stays so.

With it, the update of the bias, divided by the learning rate and the derivative of the loss, has the norm of
the network's gradient by its input: the local Lipschitz constant at the sampled point (Loukas et al., 2021).
The identity is not trained, so it is no matrix here.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float

from weightspace.models.zoo.parts import INITIALISERS, uniform_bias


class Shift(nnx.Module):
    """x + bias, for flat inputs."""

    def __init__(self, size: int, initialiser: str, rngs: nnx.Rngs):
        draw = uniform_bias(size) if initialiser == "torch" else nnx.initializers.zeros
        self.bias = nnx.Param(draw(rngs.params(), (size,), "float32"))

    def __call__(self, x: Float[Array, "batch size"]) -> Float[Array, "batch size"]:
        """The shifted inputs."""
        return x + self.bias[...][None]


class FrozenDense(nnx.Module):
    """A dense layer whose matrix is drawn and never trained: its gradient is zero, its bias's is not."""

    def __init__(self, taken: int, made: int, initialiser: str, rngs: nnx.Rngs):
        self.kernel = nnx.Param(INITIALISERS[initialiser](rngs.params(), (taken, made), "float32"))
        draw = uniform_bias(taken) if initialiser == "torch" else nnx.initializers.zeros
        self.bias = nnx.Param(draw(rngs.params(), (made,), "float32"))

    def __call__(self, x: Float[Array, "batch taken"]) -> Float[Array, "batch made"]:
        """Outputs for a batch."""
        return x @ jax.lax.stop_gradient(self.kernel[...]) + self.bias[...][None]
