"""Sharpness: the largest eigenvalue of the loss's Hessian, by Lanczos' method on Hessian-vector products.

Gradient descent with rate η is stable up to 2/η (Cohen et al., 2021). It stands beside the measures of
complexity, which look at the function, as the classical one that looks at the loss.
"""

import jax
import jax.numpy as jnp

from weightspace import tree
from weightspace.errors import check_number
from weightspace.probes.base import At, Carry, Probe, Scalar
from weightspace.probes.lanczos import largest_eigenvalue
from weightspace.spec import spec, static
from weightspace.streams import Stream, key, named


@spec
class Sharpness(Probe):
    """Columns `sharpness` (λ_max of the Hessian of the training loss by the weights) and `weight_norm`.

    λ_max is the largest eigenvalue, not the largest in magnitude: it is negative where the loss is concave in
    all directions. It is approached from below as iterations are added.

    Attributes:
      examples: How many of the train split at the most, spread evenly over it.
      iterations: Hessian-vector products, from a direction drawn by the stream `PROBE`.
    """

    version = 2  # the largest eigenvalue, no longer the largest magnitude

    examples: int = static(default=1_000)
    iterations: int = static(default=20)

    def validate(self) -> None:
        """At least one of each."""
        check_number("examples of sharpness", self.examples, least=1)
        check_number("iterations of sharpness", self.iterations, least=1)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """From a new direction each time."""
        x, y = at.examples("train", self.examples)
        weights = at.weights("")
        draw = key(at.run.seeds, Stream.PROBE)

        def loss(weights: tree.Tree) -> Scalar:
            return jnp.mean(at.run.task.loss(at.apply(weights, x), y)).astype(at.run.precision.storage)

        def product(direction: tree.Tree) -> tree.Tree:
            return jax.jvp(jax.grad(loss), (weights,), (direction,))[1]

        start = tree.map_named(
            lambda name, w: jax.random.normal(named(draw, name), w.shape, w.dtype), weights
        )
        return {
            "sharpness": largest_eigenvalue(product, start, self.iterations),
            "weight_norm": jnp.sqrt(tree.squared_norm(weights)),
        }, carry
