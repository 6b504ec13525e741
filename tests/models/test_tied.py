"""Tied weights and shared parts: counted once, trained as one, exported once, in each library."""

import dataclasses

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.builders import small_run
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.base import layout_of
from weightspace.probes import Activations, Snapshot
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

KEY = jax.random.key(0, impl="threefry2x32")
WIDTH = 64
SIZE = WIDTH * WIDTH + 2 * WIDTH + WIDTH * 10 + 10
"""The tied kernel once, two biases, the layer that reads."""


class NnxTied(nnx.Module):
    def __init__(self, rngs):
        self.one, self.two = nnx.Linear(WIDTH, WIDTH, rngs=rngs), nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.two.kernel, self.out = self.one.kernel, nnx.Linear(WIDTH, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.two(nnx.relu(self.one(x.reshape(len(x), -1))))))


class LinenTied(nn.Module):
    @nn.compact
    def __call__(self, x):
        one = nn.Dense(WIDTH, use_bias=False, name="one")
        for name in ("bias", "bias_two"):
            bias = self.param(name, nn.initializers.zeros, (WIDTH,))
            x = nn.relu(one(x.reshape(len(x), -1)) + bias[None])
        return nn.Dense(10, name="out")(x)


class EquinoxTied(eqx.Module):
    shared: eqx.nn.Shared
    out: eqx.nn.Linear

    def __init__(self, *, key):
        keys = jax.random.split(key, 3)
        pair = tuple(eqx.nn.Linear(WIDTH, WIDTH, key=k) for k in keys[:2])
        self.shared = eqx.nn.Shared(pair, lambda pair: pair[1].weight, lambda pair: pair[0].weight)
        self.out = eqx.nn.Linear(WIDTH, 10, key=keys[2])

    def __call__(self, x):
        one, two = self.shared()
        return self.out(jax.nn.relu(two(jax.nn.relu(one(x.reshape(-1))))))


def tied_init(key, x):
    one, out = jax.random.split(key)
    return {
        "one": {
            "kernel": jax.random.normal(one, (WIDTH, WIDTH)) / 8,
            "biases": [jnp.zeros(WIDTH), jnp.zeros(WIDTH)],
        },
        "out": {"kernel": jax.random.normal(out, (WIDTH, 10)) / 8, "bias": jnp.zeros(10)},
    }


def tied_apply(w, x):
    x = x.reshape(len(x), -1)
    for bias in w["one"]["biases"]:
        x = jax.nn.relu(x @ w["one"]["kernel"] + bias[None])
    return x @ w["out"]["kernel"] + w["out"]["bias"][None]


TIED = {
    "nnx": (lambda: from_nnx(NnxTied), "one/kernel", False),
    "linen": (lambda: from_linen(LinenTied), "one/kernel", False),
    "equinox": (lambda: from_equinox(EquinoxTied), "shared/pytree/0/weight", True),
    "function": (lambda: from_function(tied_init, tied_apply), "one/kernel", False),
}


def by_hand(kernel, biases, out, bias, x):
    """The network of both uses of the kernel."""
    for shift in biases:
        x = np.maximum(x @ kernel + shift, 0)
    return x @ out + bias


@pytest.mark.parametrize(("make", "path", "out_first"), TIED.values(), ids=TIED)
def test_a_tied_kernel_is_counted_trained_and_exported_once(make, path, out_first, tmp_path):
    model, recipe = make(), Recipe(Sgd(0.1), "3it", batch=64)
    assert layout_of(model, (8, 8, 1), "float32").size == SIZE
    run = dataclasses.replace(small_run(recipe=recipe), model=model)
    shown = (Activations(examples=20),) if out_first else ()
    table = sweep([Row({}, run, Watch("end", (Snapshot("0it"), Snapshot("end"), *shown)))], tmp_path)
    assert table["status"][0] == "ok"
    assert not shown or 0 < table["alive"][0] <= 1
    store = Store(tmp_path)
    start, end = (
        tree.flat_dict(store.output(run.digest, f"snapshot({when}).weights")) for when in ("0it", "end")
    )
    assert sum(leaf.size for leaf in end.values()) == SIZE
    assert not np.allclose(start[path], end[path])
    weights = tree.nested_dict({name: jnp.asarray(leaf) for name, leaf in end.items()})
    _, state = model.init(KEY, jnp.zeros((1, 8, 8, 1)))
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    outputs, _ = model.apply(weights, state, jnp.asarray(x), train=False, key=KEY)
    biases = [leaf for name, leaf in sorted(end.items()) if leaf.shape == (WIDTH,)]
    outs = [leaf for leaf in end.values() if sorted(leaf.shape) == [10, WIDTH]]
    (bias,) = [leaf for leaf in end.values() if leaf.shape == (10,)]
    kernel, out = (a.T if out_first else a for a in (end[path], outs[0]))
    expected = by_hand(kernel, biases, out, bias, x.reshape(4, -1))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_activations_of_shared_parts_stand_under_the_paths_of_the_weights():
    model, x = from_equinox(EquinoxTied), jnp.zeros((2, 8, 8, 1))
    names = jax.eval_shape(lambda: model.intermediates(*model.init(KEY, x), x))
    assert set(names) == {"shared/pytree/0", "shared/pytree/1", "out", ""}


def test_activations_that_a_model_does_not_show_are_refused():
    run = dataclasses.replace(small_run(), model=from_function(tied_init, tied_apply))
    with pytest.raises(InputError, match=r"needs the outputs of 'one', but .* shows those of no layer only"):
        Activations().check(run, layout_of(run.model, (8, 8, 1), "float32"))
