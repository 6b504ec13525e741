"""A step of every network of the zoo: compiled as trainings are, uncompiled, and by NumPy in float64."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import compiler, platform
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.doctor import rules
from weightspace.doctor.base import Finding, differences
from weightspace.doctor.walk import evaluate
from weightspace.models.zoo import make
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Momentum
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.training.resolve import resolve
from weightspace.training.step import gradient, update

OUTPUTS, BATCH, LANES = 5, 11, 3
TOLERANCE = 2e-4
"""Of a leaf's largest entry; float32 after a step was far within it on every network when tried."""
SMALL: dict[str, tuple[str, tuple[int, ...]]] = {
    "fc": ("fc:widths=5,3", (7, 5, 1)),
    "conv2": ("conv2:channels=3,5", (9, 9, 3)),
    "conv3": ("conv3:channels=3,5,5", (9, 9, 3)),
    "conv4": ("conv4:channels=3,5,5,5", (17, 16, 3)),
    "lth_conv2": ("lth_conv2:width=3", (9, 9, 3)),
    "lth_conv4": ("lth_conv4:width=3", (9, 9, 3)),
    "lth_conv6": ("lth_conv6:width=3", (9, 9, 3)),
    "resnet20": ("resnet20:widths=3,5,5,blocks=1", (9, 9, 3)),
    "resnet18_64": ("resnet18_64:widths=4,6,blocks=1", (9, 9, 3)),
    "resnet50": ("resnet50:widths=2,3,blocks=1,1", (9, 9, 3)),
    "wrn50_2": ("wrn50_2:widths=2,3,blocks=1,1", (9, 9, 3)),
    "cresnet20": ("cresnet20:depth=8,width=3", (9, 9, 3)),
    "cresnet": ("cresnet:depth=8,width=4,norm=group,groups=2", (9, 9, 3)),
    "wide_resnet": ("wide_resnet:widen=1,blocks=1", (9, 9, 3)),
    "mlp": ("mlp:widths=7,5,3", (3,)),
    "mlp2": ("mlp2:widths=7", (3,)),
    "identity_cnn": ("identity_cnn:channels=3", (13, 11, 3)),
    "mnist_fc": ("mnist_fc:widths=5,3", (7, 5, 1)),
    "mnist_cnn": ("mnist_cnn:filters=3,5", (9, 9, 3)),
    "cifar10_cnn": ("cifar10_cnn:filters=3,3,5,5,4,4", (17, 16, 3)),
}
"""The networks, narrow, and images with few, odd sides."""


@dataclasses.dataclass(frozen=True)
class Ready:
    """A step and where it begins.

    Attributes:
      step: Arrays before -> arrays after: weights, the optimiser's and the network's state, loss.
      arrays: Weights, states and a batch, in float32.
    """

    step: Any
    arrays: tuple[Any, ...]


def examined(name: str, shape: tuple[int, ...]) -> Finding:
    """One step of a network: compiled in a loop, uncompiled, and by NumPy."""
    with platform.arithmetic("float32", "highest"):
        ready = prepare(name, shape)
        leaves, structure = jax.tree.flatten(ready.arrays)
        traced = jax.make_jaxpr(lambda *leaves: ready.step(*jax.tree.unflatten(structure, leaves)))(*leaves)
        try:
            expected = evaluate(traced, leaves, rules.apply)
        except NotImplementedError as error:
            return Finding("models", name, "note", f"not compared with NumPy: {error}")
        ways = {"compiled": _compiled(ready), "uncompiled": _uncompiled(traced, leaves)}
    for way, found in ways.items():
        apart = differences(found, expected, TOLERANCE)
        if apart.wrong:
            seen = f"a training step, {way}, differs from NumPy: {apart.words}"
            return Finding("models", name, "trouble", seen, "no result of this network is to be trusted here")
    return Finding("models", name, "right", f"a step of {len(expected)} arrays, three ways")


def prepare(name: str, shape: tuple[int, ...]) -> Ready:
    """A step of momentum on a batch of random numbers, from random weights."""
    model = make(name, shape, OUTPUTS)
    task = Task(make_data("digits"), CrossEntropy())  # the loss alone is used
    run = Run(model, task, Full(), Recipe(Momentum(0.1), "1it", batch=BATCH), Seeds(0))
    resolved = resolve(run, {}, 1, 1)
    run = jax.tree.unflatten(resolved.structure, list(map(jnp.asarray, resolved.leaves)))
    draw = np.random.default_rng(0)

    def weights(leaf: Any) -> np.ndarray:
        # As wide as keeps the outputs of a layer about as wide as its inputs.
        reach = np.sqrt(max(1, np.prod(leaf.shape[:-1])))
        return (draw.normal(size=leaf.shape) / reach).astype(np.float32)

    blank = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    theta, state = jax.eval_shape(model.init, key, blank)
    theta = jax.tree.map(weights, theta)
    state = jax.tree.map(lambda leaf: draw.uniform(0.5, 1.5, leaf.shape).astype(np.float32), state)
    opt = jax.tree.map(weights, jax.eval_shape(run.recipe.optimiser.direction().init, theta))
    x = draw.normal(size=(BATCH, *shape)).astype(np.float32)
    y = draw.integers(0, OUTPUTS, BATCH).astype(np.int32)
    share = np.ones(BATCH, np.float32)

    def step(theta: Any, opt: Any, state: Any, x: Any, y: Any, share: Any) -> Any:
        found = gradient(run, (), theta, state, (x, y, share), jnp.int32(0))
        moved, opt, _ = update(run, None, theta, opt, found.theta, jnp.int32(0), 1)
        return jax.tree.map(jnp.add, theta, moved), opt, found.state, found.loss

    return Ready(step, (theta, opt, state, x, y, share))


def _compiled(ready: Ready) -> list[Any]:
    """The step as trainings compile it: in a loop, and where there are no images in lanes side by side."""
    before, batch = ready.arrays[:3], ready.arrays[3:]
    lanes = np.ndim(batch[0]) == 2

    def looped(count: Any, before: Any, batch: Any) -> Any:
        def step(*before: Any) -> Any:
            return ready.step(*before, *batch)

        one = jax.vmap(step) if lanes else step
        blank = jnp.zeros((LANES,) if lanes else (), jnp.float32)
        after = jax.lax.fori_loop(jnp.int32(0), count, lambda _, now: one(*now[:-1]), (*before, blank))
        return jax.tree.map(lambda leaf: leaf[-1], after) if lanes else after

    if lanes:
        before = jax.tree.map(lambda leaf: np.stack([0 * leaf] * (LANES - 1) + [leaf]), before)
    return jax.tree.leaves(compiler.jit(looped)(jnp.int32(1), before, batch))


def _uncompiled(traced: Any, leaves: list[Any]) -> list[Any]:
    """Operation after operation, each a program of its own."""

    def bind(equation: Any, values: Any) -> list[Any]:
        found = equation.primitive.bind(*values, **equation.params)
        return list(found) if equation.primitive.multiple_results else [found]

    with jax.disable_jit():
        return evaluate(traced, [jnp.asarray(leaf) for leaf in leaves], bind)
