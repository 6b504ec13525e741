"""One layer's bias, as the probes of complexity see it (Loukas et al., 2021).

The update of a bias b moves the network's prediction ŷ by ∂ŷ/∂b, and for the bias of a layer W x + b
∇ₓŷ = Wᵀ ∂ŷ/∂b: the bias's gradient tells how steep the network is in its input. φ is the norm of the update
of one example, divided by learning rate and ε = ‖∂ℓ/∂ŷ‖: ‖∂ŷ/∂b‖ for one prediction, and ‖(∂ŷ/∂b)ᵀ u‖ with
the unit vector u along ∂ℓ/∂ŷ for several. It is computed from the gradient: dividing a difference of stored
biases by ε would lose all digits near convergence, and is undefined where ε is zero.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.base import example
from weightspace.models.layout import Layout, Leaf
from weightspace.probes.base import Probe, Step, Training
from weightspace.spec import spec, static
from weightspace.tree import Tree


def biased_layers(layout: Layout) -> tuple[Leaf, ...]:
    """The biases, in forward order."""
    return tuple(leaf for leaf in layout if leaf.kind == "bias")


def with_leaf(weights: Tree, path: str, value: Array) -> Tree:
    """The same weights with another array at one path."""
    return tree.map_named(lambda name, leaf: value if name == path else leaf, weights)


@spec
class LayerProbe(Probe):
    """A probe of one layer.

    Columns of layers other than the first begin with `layer<n>_` or, counted from the end, `last<n>_`.

    Attributes:
      layer: Which of the layers that have a bias, from 0, in forward order; negative numbers count from the
        end.
    """

    layer: int = static(default=0)

    @property
    def prefix(self) -> str:
        """What columns begin with."""
        if self.layer == 0:
            return ""
        return f"layer{self.layer}_" if self.layer > 0 else f"last{-self.layer}_"

    def check(self, run: Training, layout: Layout) -> None:
        """There is such a layer, and examples do not see each other."""
        found = biased_layers(layout)
        if not -len(found) <= self.layer < len(found):
            names = ", ".join(leaf.path for leaf in found) or "none"
            raise InputError(
                f"the probe '{type(self).__name__}' is asked of layer {self.layer}, but {run.model.name} has "
                f"{len(found)} layers with a bias: {names}"
            )

    def bias(self, layout: Layout) -> Leaf:
        """The layer's bias."""
        return biased_layers(layout)[self.layer]

    def value(self, weights: Tree, layout: Layout) -> Array:
        """The layer's bias among the weights."""
        return tree.flat_dict(weights)[self.bias(layout).path]


def check_separate_examples(probe: Probe, run: Training) -> None:
    """Raise `InputError` where one example's outputs depend on the others of its batch."""
    keys = jax.random.key(0, impl="threefry2x32")
    data = run.task.data
    x = example(tuple(data.shape), data.input_dtype("float32"))
    _, state = jax.eval_shape(run.model.init, keys, x)
    if jax.tree.leaves(state):
        raise InputError(
            f"the probe '{type(probe).__name__}' needs the gradient of each example, but {run.model.name} "
            "normalises over the batch, so that examples depend on each other; use a model without batch "
            "normalisation"
        )


def bias_gradients(step: Step, path: str) -> tuple[Float[Array, " batch"], Float[Array, "batch ..."]]:
    """ε of each example of a batch, and the gradient of its ŷ, along ∂ℓ/∂ŷ, by the bias at `path`."""
    loss = step.run.task.loss
    epsilon = loss.derivative(step.outputs, step.y).astype(step.outputs.dtype)
    directions = _directions(loss, step.outputs, step.y)
    now = tree.flat_dict(step.weights)[path]

    def one(x: Array, u: Array) -> Array:
        def along(bias: Array) -> Array:
            outputs = step.apply(with_leaf(step.weights, path, bias), x[None])
            return jnp.sum(loss.predicted(outputs).reshape(-1) * u)

        return jax.grad(along)(now)

    if step.x.shape[0] == 1:
        return epsilon, one(step.x[0], directions[0])[None]
    return epsilon, jax.vmap(one)(step.x, directions)


def _directions(loss: Any, outputs: Array, y: Array) -> Float[Array, "batch k"]:
    """The unit vector along ∂ℓ/∂ŷ; for one prediction it is 1, so that φ is defined even where ε is zero."""
    wide = outputs.reshape(outputs.shape[0], -1)
    if wide.shape[1] == 1:
        return jnp.ones_like(wide)
    gradient = jax.grad(lambda o: jnp.sum(loss(o, y)))(outputs).reshape(wide.shape)
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient), axis=1, keepdims=True))
    return gradient / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny)


def norms(each: Float[Array, "batch ..."]) -> Float[Array, " batch"]:
    """The Euclidean norm of each entry of the first axis."""
    return jnp.sqrt(jnp.sum(jnp.square(each.reshape(each.shape[0], -1)), axis=1))


def weighted_mean(values: Float[Array, " batch"], weights: Float[Array, " batch"]) -> Float[Array, ""]:
    """The mean over the real examples of a batch."""
    share = weights.astype(values.dtype)
    return jnp.sum(values * share) / jnp.maximum(jnp.sum(share), 1)
