"""Leaves whose joined names coincide: never one array, in any library."""

import itertools

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.base import layout_of

VERSIONS = itertools.count()
KEY = jax.random.key(0, impl="threefry2x32")


def normal(key=KEY):
    return jax.random.normal(key, (4, 2))


def function(weights):
    def init(key, x):
        return weights(key)

    def apply(own, x):
        return sum(x @ leaf for leaf in jax.tree.leaves(own))

    return lambda: from_function(init, apply, name="net", version=next(VERSIONS))


def with_state():
    def init(key, x):
        return {"a": normal(key)}, {"s/mean": jnp.ones(2), "s": {"mean": jnp.zeros(2)}}

    return from_function(init, lambda weights, x, state: (x @ weights["a"], state), name="net", version=1)


class EquinoxDict(eqx.Module):
    parts: dict

    def __init__(self, make, *, key):
        self.parts = make(normal(key).T)

    def __call__(self, x):
        return sum(leaf @ x for leaf in jax.tree.leaves(self.parts))


def equinox(make):
    return lambda: from_equinox(lambda key: EquinoxDict(make, key=key), name="net", version=next(VERSIONS))


class NnxDict(nnx.Module):
    def __init__(self, rngs):
        leaves = nnx.Param(normal(rngs())), nnx.Param(normal(rngs()))
        self.parts = nnx.Dict({"a": nnx.Dict(b=leaves[0]), "a/b": leaves[1]})

    def __call__(self, x):
        return x @ self.parts["a"]["b"][...] + x @ self.parts["a/b"][...]


class NnxAttribute(nnx.Module):
    def __init__(self, rngs):
        self.a = nnx.List([nnx.Param(normal(rngs()))])
        setattr(self, "a/0", nnx.Param(normal(rngs())))

    def __call__(self, x):
        return x @ self.a[0][...] + x @ getattr(self, "a/0")[...]


REFUSED = {
    "slash": (function(lambda k: {"mlp/w": normal(k), "mlp": {"w": normal()}}), "are called 'mlp/w'"),
    "list": (function(lambda k: {"a": [normal(k)], "a/0": normal()}), "are called 'a/0'"),
    "beginning": (function(lambda k: {"a": normal(k), "a/b": normal()}), "are called 'a'"),
    "state": (with_state, "are called 's/mean'"),
    "number and text": (
        function(lambda k: {1: normal(k), "1": normal()}),
        "several types, such as 1 and '1'",
    ),
    "equinox": (equinox(lambda w: {"a/b": w, "a": {"b": -w}}), "are called 'parts/a/b'"),
    "equinox list": (equinox(lambda w: {"a/0": w, "a": [-w]}), "are called 'parts/a/0'"),
    "equinox number": (equinox(lambda w: {1: w, "1": -w}), "several types, such as 1 and '1'"),
    "nnx": (lambda: from_nnx(NnxDict), "are called 'parts/a/b'"),
    "nnx attribute": (lambda: from_nnx(NnxAttribute), "are called 'a/0'"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_two_arrays_of_one_name_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        layout_of(make(), (4,), "float32")


class LinenSlash(nn.Module):
    @nn.compact
    def __call__(self, x):
        beside = self.param("a/kernel", normal)
        return nn.Dense(2, name="a", use_bias=False)(x) + x @ beside


class LinenDict(nn.Module):
    @nn.compact
    def __call__(self, x):
        parts = self.param("d", lambda key: {"x/y": normal(key), "x": {"y": normal()}})
        return x @ parts["x/y"] + x @ parts["x"]["y"]


READ = {
    "slash alone": function(lambda k: {"mlp/w": normal(k), "mlp": {"v": normal()}}),
    "number": function(lambda k: {"a": ({1: normal(k)}, {"1": normal()})}),
    "linen": lambda: from_linen(LinenSlash),
    "linen dict": lambda: from_linen(LinenDict),
    "equinox": equinox(lambda w: {"a/b": w, "a": {"c": -w}}),
}


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_names_with_a_slash_that_are_different_are_two_arrays(make):
    model = make()
    weights, state = model.init(KEY, jnp.ones((3, 4)))
    assert layout_of(model, (4,), "float32").size == tree.size(weights) == 16
    # Each of them is used: the outputs are linear in either.
    flat = tree.flat_dict(weights)
    ones = jnp.ones((3, 4))
    parts = [
        model.apply(
            tree.nested_dict({n: leaf * float(n == name) for n, leaf in flat.items()}),
            state,
            ones,
            train=True,
            key=KEY,
        )[0]
        for name in flat
    ]
    whole = model.apply(weights, state, ones, train=True, key=KEY)[0]
    assert jnp.allclose(sum(parts), whole, atol=1e-5)
    assert all(jnp.abs(part).max() > 0 for part in parts)


def test_names_are_distinct_or_refused():
    assert tree.check_distinct(["a/b", "a/c", "ab"]) == ("a/b", "a/c", "ab")
    for names in (["a", "a"], ["a", "a/b"], ["a/b", "a"], ["a/b/c", "a/b"]):
        with pytest.raises(InputError, match="joined by '/'"):
            tree.check_distinct(names)
