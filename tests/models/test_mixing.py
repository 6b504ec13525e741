"""Networks whose outputs for one example go by the others of the batch at test time, in each library."""

import functools

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx, inspection
from weightspace.models.base import layout_of
from weightspace.models.mixing import network_mixes
from weightspace.models.rows import apart
from weightspace.models.zoo import make

ROWS = 5


def init(key, x):
    kernels = {"w": jax.random.normal(key, (8, 8)), "v": jnp.zeros((8, 3))}
    return kernels | {"e": jax.random.normal(key, (8, 8, 3))}


def hidden(p, x):
    return x @ p["w"]


MIXING = {
    "normalised": lambda p, x: jax.nn.relu(x - x.mean(0)[None]) @ p["v"],  # behind zeros
    "norm of all": lambda p, x: hidden(p, x) / jnp.linalg.norm(hidden(p, x)),
    "softmax": lambda p, x: jax.nn.softmax(hidden(p, x), axis=0),
    "reshape": lambda p, x: x.reshape(8, -1).T @ p["w"],
    "attention": lambda p, x: jax.nn.softmax(hidden(p, x) @ x.T) @ x,
    "neighbour": lambda p, x: jnp.roll(hidden(p, x), 1, axis=0),
    "cumulated": lambda p, x: jnp.cumsum(hidden(p, x), axis=0),
    "clipped": lambda p, x: hidden(p, x) / jnp.maximum(1, jnp.abs(x).max()),
    "threshold": lambda p, x: jnp.where((x > 50).any(), 0, hidden(p, x)),
    "place": lambda p, x: hidden(p, x) * jnp.arange(len(x), dtype=jnp.float32)[:, None],
    "loop over the batch": lambda p, x: jax.lax.scan(lambda c, h: (c + h,) * 2, x[0] * 0, hidden(p, x))[1],
    "not a number": lambda p, x: jnp.log(x) + (x - x.mean(0)[None]) @ p["w"],
}


@pytest.mark.parametrize("apply", MIXING.values(), ids=MIXING)
def test_a_network_that_mixes_examples_at_test_time_is_refused(apply):
    model = from_function(init, apply, name="mixing", version=id(apply))
    with pytest.raises(InputError, match=r"outputs of mixing.* change with .* at test time"):
        layout_of(model, (8,), "float32")


class LinenNorm(nn.Module):
    over: tuple[int, ...] = (0,)

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.LayerNorm(reduction_axes=self.over, feature_axes=-1)(nn.Dense(4)(x)))


class LinenGroups(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.GroupNorm(2, reduction_axes=(0, 1))(nn.Dense(4)(x)))


class NnxBatch(nnx.Module):
    def __init__(self, rngs):
        self.a, self.b = nnx.Linear(8, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        h = self.a(x)
        return self.b(nnx.relu((h - h.mean(0)) / (h.std(0) + 1e-5)))


class EquinoxBatch(eqx.Module):
    a: eqx.nn.Linear

    def __init__(self, *, key):
        self.a = eqx.nn.Linear(8, 2, key=key)

    def __call__(self, x):
        h = self.a(x)
        return h - jax.lax.pmean(h, "batch")


@pytest.mark.parametrize(
    "make",
    [
        lambda: from_linen(LinenNorm), lambda: from_linen(LinenGroups), lambda: from_nnx(NnxBatch),
        lambda: from_equinox(EquinoxBatch),
    ],
    ids=["linen layer norm", "linen group norm", "nnx", "equinox"],
)  # fmt: skip
def test_so_is_one_of_each_library(make):
    with pytest.raises(InputError, match="with another example of the batch at test time"):
        layout_of(make(), (8,), "float32")


def test_tokens_that_are_mixed_are_found_by_zeros_and_ones():
    def centred(p, x):
        rows = p["w"][x]
        return (rows - rows.mean(0)[None]).mean(1)

    with pytest.raises(InputError, match="with another example of the batch"):
        layout_of(from_function(init, centred, name="centred", version=1), (3,), "int32")


def attention(p, x):
    tokens = x.reshape(len(x), 4, 2)
    shares = jax.nn.softmax(jnp.einsum("bqd,bkd->bqk", tokens, tokens))
    return jnp.einsum("bqk,bkd->bqd", shares, tokens).reshape(len(x), -1) @ p["w"]


def recurrent(p, x):
    def step(h, row):
        return jnp.tanh(h @ p["w"] + row[:, None]), None

    return jax.lax.scan(step, jnp.zeros((len(x), 8)), x.T)[0]


PROVED = {
    "plain": lambda p, x: jax.nn.relu(hidden(p, x)) @ p["v"],
    "attention": attention,
    "recurrent": recurrent,
    "flattened": lambda p, x: (x.reshape(-1, 2) @ p["w"][:2, :3]).reshape(len(x), -1),
    "sorted": lambda p, x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1) @ p["w"],
    "looked up": lambda p, x: p["w"][(x > 0).astype(jnp.int32)].mean(1),
    "mapped": lambda p, x: jax.vmap(lambda x: x * jnp.linalg.norm(x) @ p["w"])(x),
    "spectrum": lambda p, x: jnp.abs(jnp.fft.fft(x)) @ p["w"],
    "switched off": lambda _, x: jnp.where(False, x - x.mean(0)[None], x) + 0.0 * x.mean(0)[None],
}


@pytest.mark.parametrize("apply", PROVED.values(), ids=PROVED)
def test_usual_networks_are_proved_to_keep_examples_apart(apply):
    closed = jax.make_jaxpr(apply)(init(jax.random.key(0), None), jnp.ones((ROWS, 8)))
    assert apart(closed, [False] * 3 + [True])


@pytest.mark.parametrize("name", ["resnet20", "conv2"])
def test_so_are_networks_of_the_zoo_at_test_time(name):
    model, key = make(name, (8, 8, 1), 10), jax.random.key(0, impl="threefry2x32")
    x = jax.ShapeDtypeStruct((7, 8, 8, 1), "float32")
    weights, state = jax.eval_shape(model.init, key, x)
    for train, kept in ((False, True), (True, name == "conv2")):
        given = functools.partial(model.apply, train=train, key=key)
        closed = jax.make_jaxpr(given)(weights, state, x)
        assert apart(closed, [False] * (len(closed.in_avals) - 1) + [True]) == kept


def sparse_experts(p, x):
    """Rows sorted by their expert and put back: apart, but beyond what is proved."""
    expert = jnp.argmax(hidden(p, x), 1)
    order, sizes = jnp.argsort(expert), jnp.bincount(expert, length=8).astype(jnp.int32)
    y = jax.lax.ragged_dot(x[order], p["e"], sizes)
    return jnp.zeros_like(y).at[order].set(y)


def test_what_is_not_proved_is_decided_by_numbers(monkeypatch):
    tried = []

    def noted(*given):
        tried.append(given)
        return network_mixes(*given)

    monkeypatch.setattr(inspection, "network_mixes", noted)
    with jax.numpy_dtype_promotion("standard"):
        layout_of(from_function(init, sparse_experts, name="experts", version=1), (8,), "float32")
    assert len(tried) == 1
    layout_of(from_function(init, PROVED["plain"], name="plain", version=1), (8,), "float32")
    assert len(tried) == 1


def test_a_refused_network_is_not_tried_again_with_whole_numbers():
    """Zeros and ones are below the threshold."""
    model = from_function(init, MIXING["threshold"], name="threshold", version=1)
    with pytest.raises(InputError, match="with another example"):
        layout_of(model, (8,), "float32")


def test_inputs_without_features_are_refused():
    with pytest.raises(InputError, match=r"inputs of shape \(0,\) have no features"):
        layout_of(from_function(init, PROVED["plain"], name="plain", version=1), (0,), "float32")
