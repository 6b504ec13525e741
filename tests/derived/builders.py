"""Small ReLU networks: random chains, chains with hand-made weights, one that was trained."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.derived.chain import AffineLayer
from weightspace.derived.slices import Slice


def random_chain(sizes, seed=0, *, identity_first=False):
    """Inputs, widths and outputs; with an identity first layer, one more as wide as the inputs."""
    rng = np.random.default_rng(seed)
    layers = [AffineLayer(None, rng.uniform(-1, 1, sizes[0]) / 2)] if identity_first else []
    for taken, made in itertools.pairwise(sizes):
        matrix = rng.normal(size=(made, taken)) * np.sqrt(2 / taken)
        layers.append(AffineLayer(matrix, rng.normal(size=made) / 2))
    return tuple(layers)


def weights_of(chain):
    """The chain as weights of the zoo's `mlp`: with an identity first layer, else a full one."""
    first, *hidden, last = chain

    def dense(layer):
        return {"kernel": layer.matrix.T.astype(np.float32), "bias": layer.bias.astype(np.float32)}

    start = {"bias": first.bias.astype(np.float32)} if first.matrix is None else dense(first)
    return {
        "first": start,
        "hidden": {str(number): dense(layer) for number, layer in enumerate(hidden)},
        "output": dense(last),
    }


def random_slice(inputs, seed=0, scale=2.0):
    axes = np.random.default_rng(seed).normal(size=(2, inputs))
    return Slice(np.zeros(inputs), scale * axes / np.linalg.norm(axes, axis=1, keepdims=True))


@functools.cache
def trained(inputs=6, hidden=(12,), examples=40, frequency=0.5, epochs=2000):
    """A chain that fits an asymmetric function of two hidden variables: chain, slice, z and x."""
    rng = np.random.default_rng(3)
    axes = 4 * np.linalg.qr(rng.normal(size=(inputs, inputs)))[0][:2]
    z = rng.uniform(-1, 1, (examples, 2))
    y = np.cos(2 * np.pi * frequency * z[:, 0]) + z[:, 1]
    start = random_chain((inputs, *hidden, 1), 4, identity_first=True)
    kernels = [layer.matrix for layer in start[1:]]
    biases = [layer.bias for layer in start]
    x32, y32 = jnp.asarray(z @ axes, jnp.float32), jnp.asarray(y, jnp.float32)

    def loss(values):
        h = jax.nn.relu(x32 + values[1][0][None])
        for number, (kernel, bias) in enumerate(zip(values[0], values[1][1:], strict=True), 1):
            h = h @ kernel.T + bias[None]
            h = h if number == len(values[0]) else jax.nn.relu(h)
        return jnp.mean((h[:, 0] - y32) ** 2) / 2

    @jax.jit
    def fit(values):
        def step(_, now):
            return jax.tree.map(lambda w, g: w - jnp.float32(0.01) * g, now, jax.grad(loss)(now))

        return jax.lax.fori_loop(0, epochs, step, values)

    values = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (kernels, biases))
    assert loss(fit(values)) < loss(values) / 3
    kernels, biases = jax.tree.map(lambda a: np.asarray(a, np.float64), fit(values))
    chain = (
        AffineLayer(None, biases[0]),
        *(AffineLayer(kernel, bias) for kernel, bias in zip(kernels, biases[1:], strict=True)),
    )
    return chain, Slice(np.zeros(inputs), axes), z, z @ axes
