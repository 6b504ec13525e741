"""Random keys of a call: given under any name, never the same twice, in each library."""

import functools

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.adapters.keys import is_key, keys_of
from weightspace.models.base import layout_of

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)


def dropped(x, key):
    return x * jax.random.bernoulli(key, 0.5, x.shape).astype(x.dtype) / 0.5


def init(key, x):
    return {"a": jax.random.normal(key, (3, 20)), "b": jax.random.normal(key, (20, 2))}


def given_rng(weights, x, rng=None):
    hidden = x @ weights["a"]
    return (hidden if rng is None else dropped(hidden, rng)) @ weights["b"]


def needs_rng(weights, x, rng, train):
    return given_rng(weights, x, rng if train else None)


def two_keys(weights, x, *, dropout_rng=None, noise_key=None):
    hidden = x @ weights["a"]
    if dropout_rng is not None:
        hidden = dropped(hidden, dropout_rng) + dropped(hidden, noise_key)
    return hidden @ weights["b"]


def fixed_default(weights, x, generator=jax.random.key(0), train=False):  # noqa: B008
    return given_rng(weights, x, generator if train else None)


class LinenRng(nn.Module):
    @nn.compact
    def __call__(self, x, rng=None):
        hidden = nn.Dense(20)(x)
        return nn.Dense(2)(hidden if rng is None else dropped(hidden, rng))


class LinenNeeds(nn.Module):
    @nn.compact
    def __call__(self, x, prng_key, deterministic=True):
        return nn.Dense(2)(nn.Dropout(0.5)(nn.Dense(20)(x), deterministic=deterministic, rng=prng_key))


class NnxRng(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(3, 20, rngs=rngs), nnx.Linear(20, 2, rngs=rngs)

    def __call__(self, x, rng=None):
        return self.out(self.hidden(x) if rng is None else dropped(self.hidden(x), rng))


class NnxRngs(NnxRng):
    def __call__(self, x, rngs=None):
        return self.out(self.hidden(x) if rngs is None else dropped(self.hidden(x), rngs.noise()))


class NnxNeeds(NnxRng):
    def __call__(self, x, *, rngs, train=False):
        return self.out(nnx.Dropout(0.5, deterministic=not train)(self.hidden(x), rngs=rngs))


class EquinoxRng(eqx.Module):
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.hidden, self.out = eqx.nn.Linear(3, 20, key=key), eqx.nn.Linear(20, 2, key=key)

    def __call__(self, x, rng=None):
        hidden = self.hidden(x)
        return self.out(hidden if rng is None else dropped(hidden, rng))


class EquinoxKey(EquinoxRng):
    def __call__(self, x, key=None):
        return super().__call__(x, key)


class EquinoxNeeds(EquinoxRng):
    def __call__(self, x, rngs, *, is_training):
        return super().__call__(x, rngs if is_training else None)


MODELS = {
    "function": lambda: from_function(init, given_rng),
    "function needs": lambda: from_function(init, needs_rng),
    "function, two": lambda: from_function(init, two_keys),
    "function, default": lambda: from_function(init, fixed_default),
    "linen": lambda: from_linen(LinenRng),
    "linen needs": lambda: from_linen(LinenNeeds),
    "nnx": lambda: from_nnx(NnxRng),
    "nnx rngs": lambda: from_nnx(NnxRngs),
    "nnx needs": lambda: from_nnx(NnxNeeds),
    "equinox": lambda: from_equinox(EquinoxRng),
    "equinox key": lambda: from_equinox(EquinoxKey),
    "equinox needs": lambda: from_equinox(EquinoxNeeds),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_noise_by_a_key_acts_anew_at_each_step_and_not_at_test_time(make):
    model = make()
    weights, state = model.init(KEY, X)
    first, second = (
        [model.apply(weights, state, X, train=train, key=jax.random.fold_in(KEY, n))[0] for n in (0, 1)]
        for train in (True, False)
    )
    assert not np.allclose(*first)
    assert np.array_equal(*second)


def test_a_lone_key_is_that_of_the_step_whatever_it_is_called():
    model = from_function(init, needs_rng)
    weights, state = model.init(KEY, X)
    made, _ = model.apply(weights, state, X, train=True, key=jax.random.key(5, impl="threefry2x32"))
    mask = jax.random.bernoulli(jax.random.key(5, impl="threefry2x32"), 0.5, (6, 20))
    alone = (np.asarray(X @ weights["a"]) * np.asarray(mask) * 2) @ np.asarray(weights["b"])
    np.testing.assert_allclose(made, alone, rtol=1e-4, atol=1e-5)


def test_several_keys_are_different_ones():
    model = from_function(init, two_keys)
    weights, state = model.init(KEY, X)
    made, _ = model.apply(weights, state, X, train=True, key=KEY)
    for equal in (KEY, *(jax.random.fold_in(KEY, n) for n in range(2))):
        assert not np.allclose(made, two_keys(weights, X, dropout_rng=equal, noise_key=equal), atol=1e-3)


def attention(weights, x, key=None, value=None):
    found = x @ weights["a"] if key is None else key
    return (found if value is None else value) @ weights["b"]


def test_the_key_of_an_attention_is_no_random_one():
    model = from_function(init, attention)
    weights, state = model.init(KEY, X)
    made, _ = model.apply(weights, state, X, train=True, key=KEY)
    np.testing.assert_allclose(made, (X @ weights["a"]) @ weights["b"], rtol=1e-5)


def seeded(weights, x, seed=0):
    return given_rng(weights, x, jax.random.key(seed))


def no_mode(weights, x, rng):
    return given_rng(weights, x, rng)


def other_name(weights, x, draws):
    return given_rng(weights, x, draws)


class LinenRngs(nn.Module):
    @nn.compact
    def __call__(self, x, rngs=None):
        return nn.Dense(2)(x)


class LinenDraws(nn.Module):
    @nn.compact
    def __call__(self, x, draws):
        return nn.Dense(2)(x)


REFUSED = {
    "bound": (
        lambda: from_function(init, no_mode, rng=jax.random.key(0)),
        "'rng' of .* is given a new random key at each step; leave it out",
    ),
    "bound, default": (lambda: from_function(init, given_rng, rng=None), "'rng' of .*; leave it out"),
    "bound under another name": (
        lambda: from_function(init, other_name, draws=jax.random.key(0)),
        "'draws' of .* is a random key, which would be the same at every step; call the argument `key`",
    ),
    "bound bare": (
        lambda: from_function(init, other_name, draws=jax.random.PRNGKey(0)),
        "same at every step",
    ),
    "seed": (
        lambda: from_function(init, seeded),
        "'seed' of .* is 0 at every step.*take a random key as `key`",
    ),
    "bound seed": (lambda: from_function(init, seeded, seed=3), "'seed' of .* is 3 at every step"),
    "no mode": (lambda: from_function(init, no_mode), "random at test time.*let apply take `train`"),
    "needed": (lambda: from_function(init, other_name), "needs the argument 'draws'.*is called `key`"),
    "linen needs": (lambda: from_linen(LinenDraws), "needs 'draws'.*if it takes a random key, call it `key`"),
    "linen rngs": (lambda: from_linen(LinenRngs), "takes 'rngs', which Linen's own `apply` takes"),
    "factory": (
        lambda: from_equinox(EquinoxRng, key=jax.random.key(0)),
        "'key' of .* is given anew for each run or step; leave it out",
    ),
    "nnx makes streams": (
        lambda: from_nnx(lambda rng: NnxRng(nnx.Rngs(rng)), name="net", version=1),
        "makes nnx.Rngs of what it is given",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_random_numbers_that_would_be_the_same_at_every_step_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        layout_of(make(), (3,), "float32")


NAMES = {
    True: ("key", "rng", "rngs", "prng_key", "dropout_rng", "noiseKey", "random_key", "rng_key"),
    False: ("wrong", "key_size", "keys", "monkey", "query_key", "num_rngs", "seed", "training"),
}


@pytest.mark.parametrize(("expected", "names"), NAMES.items())
def test_names_of_keys(expected, names):
    assert {name: is_key(name) for name in names} == dict.fromkeys(names, expected)


def test_a_key_bound_by_a_partial_is_replaced():
    def call(weights, x, draws):
        return weights, x, draws

    assert keys_of(functools.partial(call, draws=jax.random.key(0))) == ("draws",)
