"""One training step: draw a point, read the weights there, pull the gradient back, update, edit.

The gradient to the weights is computed first and then pulled back to the coordinates, because probes and
edits need it: a rule that grows connections asks for the gradient of weights that are off.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from weightspace import tree
from weightspace.measure.network import Network, forward
from weightspace.models.base import layout_of
from weightspace.models.layout import Layout
from weightspace.run import Run
from weightspace.streams import Stream, key


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gradient:
    """What one batch gives.

    Attributes:
      theta: ∂L/∂θ, times the space's gain, the gradient of its penalty included.
      weights: ∂L/∂w; where the batch is cut into parts, their sum.
      at: The weights it was taken at (of the first part).
      point: The point of the space where they are.
      losses: Loss of each example.
      outputs: The model's outputs.
      state: The model's state after the batch.
      loss: Mean loss of the batch, penalty included.
    """

    theta: Any
    weights: Any
    at: Any
    point: Any
    losses: Array
    outputs: Array
    state: Any
    loss: Array


def layout_of_run(run: Run) -> Layout:
    """What each leaf of the weights of a run's model is."""
    data, storage = run.task.data, run.precision.storage
    return layout_of(run.model, tuple(data.shape), data.input_dtype(storage))


def dropout_key(run: Run, t: Int[Array, ""], number: Any) -> Key[Array, ""]:
    """The key of a step's dropout in one part of its batch."""
    return jax.random.fold_in(key(run.seeds, Stream.DROPOUT, t), number)


def gradient(
    run: Run,
    fixed: Any,
    theta: Any,
    state: Any,
    batch: tuple[Array, Array, Float[Array, " batch"]],
    t: Int[Array, ""],
) -> Gradient:
    """Loss of a batch and its gradients; the batch is cut into the recipe's number of parts."""
    x, y, example_weights = batch
    parts = run.recipe.samples
    total = jnp.maximum(jnp.sum(example_weights), 1).astype(run.precision.storage)
    share = example_weights.astype(run.precision.storage) / total

    def part(number: Any, x: Array, y: Array, share: Array) -> Gradient:
        point_key = jax.random.fold_in(key(run.seeds, Stream.POINT, t), number)
        dropout = dropout_key(run, t, number)
        return _part_gradient(run, fixed, theta, state, (x, y, share), point_key, dropout)

    if parts == 1:
        return part(jnp.uint32(0), x, y, share)

    def cut(a: Array) -> Array:
        return a.reshape((parts, a.shape[0] // parts, *a.shape[1:]))

    many = jax.vmap(part)(jnp.arange(parts, dtype=jnp.uint32), cut(x), cut(y), cut(share))
    joined = jax.tree.map(lambda a: a.reshape((-1, *a.shape[2:])), (many.losses, many.outputs))
    return Gradient(
        # Each part's penalty is of its own point: their mean is the batch's, as for the loss.
        theta=jax.tree.map(lambda a: jnp.sum(a, 0), many.theta),
        weights=jax.tree.map(lambda a: jnp.sum(a, 0), many.weights),
        at=jax.tree.map(lambda a: a[0], many.at),
        point=jax.tree.map(lambda a: a[0], many.point),
        losses=joined[0],
        outputs=joined[1],
        state=jax.tree.map(_mean_state, many.state),
        loss=jnp.sum(many.loss),
    )


def _mean_state(parts: Array) -> Array:
    return jnp.mean(parts, 0) if jnp.issubdtype(parts.dtype, jnp.floating) else parts[0]


def _part_gradient(
    run: Run,
    fixed: Any,
    theta: Any,
    state: Any,
    batch: tuple[Array, Array, Array],
    point_key: Key[Array, ""],
    dropout: Key[Array, ""],
) -> Gradient:
    x, y, share = batch
    space, parts = run.space, run.recipe.samples
    point = jax.lax.stop_gradient(space.draw(fixed, theta, point_key))
    weights, pull = jax.vjp(lambda theta: space.weights(fixed, theta, point), theta)

    def loss_of(weights: Any) -> tuple[Array, Any]:
        outputs, after = forward(run, Network(weights, state), x, train=True, key=dropout)
        losses = run.task.loss(outputs, y)
        return jnp.sum(losses * share), (losses, outputs, after)

    (loss, (losses, outputs, after)), g_weights = jax.value_and_grad(loss_of, has_aux=True)(weights)
    (g_theta,) = pull(g_weights)
    if space.gain != 1:
        g_theta = jax.tree.map(lambda a: space.gain * a, g_theta)
    penalty, g_penalty = jax.value_and_grad(lambda theta: space.penalty(fixed, theta, point) / parts)(theta)
    return Gradient(
        theta=jax.tree.map(lambda a, b: a + b.astype(a.dtype), g_theta, g_penalty),
        weights=g_weights,
        at=weights,
        point=point,
        losses=losses,
        outputs=outputs,
        state=after,
        loss=loss + penalty.astype(loss.dtype),
    )


def update(
    run: Run, free: Any, theta: Any, opt: Any, g_theta: Any, t: Int[Array, ""], per_epoch: int
) -> tuple[Any, Any, Float[Array, ""]]:
    """What is added to the coordinates, the optimiser's state after it, and the learning rate."""
    recipe = run.recipe
    storage = run.precision.storage
    multiplier = recipe.schedule.multiplier(t, recipe.length, per_epoch)
    lr = jnp.asarray(recipe.optimiser.lr, storage) * multiplier.astype(storage)
    g_theta = _clipped(recipe.clip, _only(free, g_theta))
    decay = recipe.decay
    pull = None if decay is None else _decayed(run, theta)
    if decay is not None and not decay.decoupled:
        g_theta = jax.tree.map(jnp.add, g_theta, pull)
    with jax.numpy_dtype_promotion("standard"):  # optax multiplies by plain numbers of any type
        direction, opt = recipe.optimiser.direction().update(g_theta, opt, theta)
    if decay is not None and decay.decoupled:
        direction = jax.tree.map(jnp.add, direction, pull)
    moved = jax.tree.map(lambda d, a: -lr.astype(a.dtype) * d.astype(a.dtype), direction, theta)
    return _only(free, moved), opt, lr


def _decayed(run: Run, theta: Any) -> Any:
    """λθ on the leaves that the decay selects, zero elsewhere."""
    decay = run.recipe.decay
    chosen = run.space.coordinates(layout_of_run(run)).mask(theta, decay.select)
    rate = jnp.asarray(decay.rate, run.precision.storage)
    return jax.tree.map(lambda a, on: rate.astype(a.dtype) * a if on else jnp.zeros_like(a), theta, chosen)


def _clipped(limit: Any, gradient: Any) -> Any:
    if limit is None:
        return gradient
    norm = jnp.sqrt(tree.squared_norm(gradient))
    scale = jnp.minimum(1, jnp.asarray(limit, norm.dtype) / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny))
    # Where squares overflow, zero would stop the training without a word.
    scale = jnp.where(jnp.isinf(norm), jnp.asarray(jnp.nan, scale.dtype), scale)
    return jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)


def _only(free: Any, change: Any) -> Any:
    """Zero where a coordinate may not move."""
    if free is None:
        return change
    return jax.tree.map(lambda on, a: jnp.where(on, a, jnp.zeros_like(a)), free, change)
