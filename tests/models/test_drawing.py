"""What a network's arrays are made from, and when: not from data, and in training too."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_function, from_linen
from weightspace.models.base import layout_of

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)


def kernel(key):
    return jax.random.normal(key, (3, 2))


class LinenMean(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x - self.param("m", lambda _: x.mean(0)))


class ActNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x * self.param("s", lambda _: 1 / (x.std(0) + 1e-3)))


class LinenState(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x - self.variable("statistics", "m", lambda: x.mean(0)).value)


def with_state(p, x, *, state):
    return (x - state["m"][None]) @ p["w"], state


FROM_DATA = {
    "weights": (
        lambda: from_function(
            lambda key, x: {"w": kernel(key), "m": x.mean(0)}, lambda p, x: (x - p["m"][None]) @ p["w"]
        ),
        "m",
    ),
    "basis": (
        lambda: from_function(
            lambda _, x: {"w": jnp.linalg.svd(jnp.tile(x, (3, 1)))[2]}, lambda p, x: x @ p["w"]
        ),
        "w",
    ),
    "state": (
        lambda: from_function(lambda key, x: ({"w": kernel(key)}, {"m": jnp.median(x, 0)}), with_state),
        "m",
    ),
    "linen": (lambda: from_linen(LinenMean), "m"),
    "linen scale": (lambda: from_linen(ActNorm), "s"),
    "linen state": (lambda: from_linen(LinenState), "statistics/m"),
}


@pytest.mark.parametrize(("make", "name"), FROM_DATA.values(), ids=FROM_DATA)
def test_arrays_made_from_the_data_are_refused(make, name):
    with pytest.raises(InputError, match=rf"makes '{name}' from the values of its inputs.*argument"):
        layout_of(make(), (3,), "float32")


def test_shapes_and_types_of_the_data_may_be_used():
    model = from_function(
        lambda key, x: {"w": kernel(key), "m": jnp.zeros_like(x[0]), "s": 0 * x[0] + 1},
        lambda p, x: (x * p["s"][None] - p["m"][None]) @ p["w"],
    )
    assert layout_of(model, (3,), "float32").size == 6 + 3 + 3


class Auxiliary(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        y = nn.Dense(2, name="main")(x)
        return y + nn.Dense(2, name="aux")(x) if train else y


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        y = nn.Dense(2, name="main")(x)
        return y if deterministic else nn.BatchNorm(use_running_average=False, name="norm")(y)


class Inner(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        y = x * self.param("always", nn.initializers.ones, (2,))[None]
        return y + self.param("late", nn.initializers.ones, (2,))[None] if train else y


class Nested(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return Inner(name="inner")(nn.Dense(2, name="main")(x), train)


IN_TRAINING = {
    "head": (Auxiliary, {"main/kernel", "main/bias", "aux/kernel", "aux/bias"}, set()),
    "norm": (
        *(Normalised, {"main/kernel", "main/bias", "norm/scale", "norm/bias"}),
        {"batch_stats/norm/mean", "batch_stats/norm/var"},
    ),
    "within": (Nested, {"main/kernel", "main/bias", "inner/always", "inner/late"}, set()),
}


@pytest.mark.parametrize(("network", "weights", "state"), IN_TRAINING.values(), ids=IN_TRAINING)
def test_linen_arrays_that_training_alone_uses_are_drawn(network, weights, state):
    model = from_linen(network)
    drawn, carried = model.init(KEY, X)
    flat = tree.flat_dict(drawn)
    assert set(flat) == weights
    assert set(tree.paths(carried)) == state
    # What both modes make is as at test time.
    flag = {"deterministic": True} if network is Normalised else {"train": False}
    alone = tree.flat_dict(network().init({"params": KEY}, X, **flag)["params"])
    assert all(np.array_equal(flat[path], leaf) for path, leaf in alone.items())
    trained, after = model.apply(drawn, carried, X, train=True, key=KEY)
    tested, _ = model.apply(drawn, after, X, train=False, key=KEY)
    assert trained.shape == tested.shape == (6, 2)
    assert not np.allclose(trained, tested)


def test_a_network_that_fails_in_training_alone_is_refused_at_once():
    model = from_function(lambda key, _: {"w": kernel(key)}, lambda p, x, train: x @ p["v" if train else "w"])
    with pytest.raises(
        InputError, match=r"cannot take examples of shape \(3,\) .* in training: KeyError: 'v'"
    ):
        layout_of(model, (3,), "float32")
