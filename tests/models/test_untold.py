"""Options that are modes nobody tells are refused; options that are none are left as they are."""

import enum
from typing import Literal

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.base import layout_of

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)


class Mode(enum.Enum):
    TRAIN = 1
    EVAL = 2


class Kind(enum.Enum):
    PLAIN = 1
    NOISY = 2


def dropped(x, key, acts=True):
    return x * jax.random.bernoulli(key, 0.5, x.shape) / 0.5 if acts else x


def init(key, x):
    return {"a": jax.random.normal(key, (3, 20)), "b": jax.random.normal(key, (20, 2))}


def net(weights, x, key, acts):
    return dropped(x @ weights["a"], key, acts) @ weights["b"]


def function(call, **arguments):
    return lambda: from_function(init, call, **arguments)


def use_dropout(weights, x, key, use_dropout=False):
    return net(weights, x, key, use_dropout)


def chosen_beside_train(weights, x, key, train, use_dropout=False):
    return net(weights, x, key, use_dropout and train)


def also_at_test_time(weights, x, key, train, mc_dropout=False):
    return net(weights, x, key, mc_dropout or train)


def drawn_anyway(weights, x, key, use=False):
    noisy = dropped(x @ weights["a"], key)
    return (noisy if use else x @ weights["a"]) @ weights["b"]


class Plain:
    def __init__(self, big=False):
        self.training, self.big = False, big

    def apply(self, weights, x, key):
        return net(weights, x, key, self.training)


def hidden_in_keywords(weights, x, key, **more):
    return net(weights, x, key, more.get("training", False))


def generator(weights, x, generator=None):
    return net(weights, x, generator, generator is not None)


def by_none(weights, x, key, noise=None):
    return net(weights, x, key, noise)


def by_word(weights, x, key, how: Literal["plain", "noisy"] = "plain"):
    return net(weights, x, key, how == "noisy")


def by_kind(weights, x, key, kind=Kind.PLAIN):
    return net(weights, x, key, kind is Kind.NOISY)


def by_mode(weights, x, key, mode=Mode.EVAL):
    return net(weights, x, key, mode is Mode.TRAIN)


def zero_or_one(weights, x, key, regularise=0):
    return net(weights, x, key, regularise)


def ordinary(weights, x, return_attention=False, temperature=1.0, mask=None, pre_norm=True, heads=1):
    x = x @ weights["a"] / temperature * (1 if pre_norm else 2)
    x = (x if mask is None else x * mask) @ weights["b"]
    return (x, x) if return_attention else x


class LinenNet(nn.Module):
    noisy: bool = False

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(dropped(nn.Dense(20)(x), self.make_rng("noise"), self.noisy))


class LinenArgument(nn.Module):
    @nn.compact
    def __call__(self, x, with_noise=False):
        return nn.Dense(2)(dropped(nn.Dense(20)(x), self.make_rng("noise"), with_noise))


class LinenOuter(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(LinenArgument()(x))


class LinenStatistics(nn.Module):
    running: bool = True

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(20)(x)
        mean = self.variable("statistics", "mean", jnp.zeros, 20)
        if not self.running:
            mean.value = x.mean(0)
        return nn.Dense(2)(x - mean.value)


class NnxNet(nnx.Module):
    def __init__(self, rngs, stochastic=False, predict=True):
        self.hidden, self.out, self.more = (
            nnx.Linear(a, b, rngs=rngs) for a, b in ((3, 20), (20, 2), (2, 2))
        )
        self.rngs, self.stochastic, self.predict = rngs, stochastic, predict

    def __call__(self, x):
        x = self.out(dropped(self.hidden(x), self.rngs.noise(), self.stochastic))
        return self.more(x) if self.predict else x


class NnxSample(NnxNet):
    def __call__(self, x, sample=False):
        return self.out(dropped(self.hidden(x), self.rngs.noise(), sample))


class NnxWord(NnxNet):
    def __init__(self, rngs):
        super().__init__(rngs)
        self.mode = "eval"

    def __call__(self, x):
        return self.out(dropped(self.hidden(x), self.rngs.noise(), self.mode == "train"))


class NnxMode(NnxNet):
    def __call__(self, x, mode=Mode.EVAL):
        return self.out(dropped(self.hidden(x), self.rngs.noise(), mode is Mode.TRAIN))


class NnxOuter(nnx.Module):
    def __init__(self, rngs, stochastic):
        self.part = NnxPart(rngs, stochastic)

    def __call__(self, x):
        return self.part(x)


class NnxPart(NnxNet):
    def __init__(self, rngs, stochastic):
        super().__init__(rngs, stochastic)


class NnxNumber(NnxNet):
    def __call__(self, x, train: int = 0):
        return self.out(dropped(self.hidden(x), self.rngs.noise(), train))


class EquinoxNet(eqx.Module):
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear
    stochastic: bool = eqx.field(static=True)
    predict: bool = True

    def __init__(self, stochastic=False, *, key):
        self.hidden, self.out = eqx.nn.Linear(3, 20, key=key), eqx.nn.Linear(20, 2, key=key)
        self.stochastic, self.predict = stochastic, True

    def __call__(self, x, key):
        x = self.out(dropped(self.hidden(x), key, self.stochastic))
        return -x if self.predict else x


class EquinoxArgument(EquinoxNet):
    def __call__(self, x, key, use_dropout=False):
        return self.out(dropped(self.hidden(x), key, use_dropout))


class EquinoxKeywords(EquinoxNet):
    def __call__(self, x, **more):
        return self.out(dropped(self.hidden(x), more.get("key"), "key" in more))


BOTH = "on for training and for test alike, and which nothing sets.* call it `train`"
REFUSED = {
    "function": (function(use_dropout), f"'use_dropout' is an argument of a call .* {BOTH}"),
    "drawn anyway": (function(drawn_anyway), f"'use' is an argument .* {BOTH}"),
    "of an object": (function(Plain().apply), f"'training' is a field .* {BOTH}"),
    "keywords": (function(hidden_in_keywords), r"if training came by `\*\*more`, where nothing passes"),
    "key": (function(generator), "'generator' draws random numbers once it is given a random key"),
    "none": (function(by_none), f"'noise' is an argument .* {BOTH}"),
    "word": (function(by_word), f"'how' is an argument .* {BOTH}"),
    "kind": (function(by_kind), f"'kind' is an argument .* {BOTH}"),
    "mode": (function(by_mode), "told by the word 'mode'"),
    "zero": (function(zero_or_one), f"'regularise' is an argument .* {BOTH}"),
    "linen argument": (lambda: from_linen(LinenArgument), f"'with_noise' is an argument .* {BOTH}"),
    "linen within": (lambda: from_linen(LinenOuter), f"'LinenArgument_0.with_noise' is .* {BOTH}"),
    "linen field": (lambda: from_linen(LinenNet), f"'noisy' is a field .* {BOTH}.* by giving 'noisy'"),
    "linen statistics": (lambda: from_linen(LinenStatistics), f"'running' is a field .* {BOTH}"),
    "nnx argument": (lambda: from_nnx(NnxSample), f"'sample' is an argument .* {BOTH}"),
    "nnx word": (lambda: from_nnx(NnxWord), f"'mode' is a field .* {BOTH}"),
    "nnx mode": (lambda: from_nnx(NnxMode), "told by the word 'mode'"),
    "nnx field": (lambda: from_nnx(NnxNet), f"'stochastic' is a field .* {BOTH}"),
    "equinox field": (lambda: from_equinox(EquinoxNet), f"'stochastic' is a field .* {BOTH}"),
    "equinox argument": (lambda: from_equinox(EquinoxArgument), f"'use_dropout' is an argument .* {BOTH}"),
    "equinox keywords": (lambda: from_equinox(EquinoxKeywords), r"if key came by `\*\*more`"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_noise_and_statistics_that_would_never_act_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        layout_of(make(), (3,), "float32")


def test_a_trial_leaves_an_object_as_it_was():
    owner = Plain()
    with pytest.raises(InputError, match="'training' is a field"):
        layout_of(from_function(init, owner.apply), (3,), "float32")
    assert owner.training is False


def outputs(model, train, number):
    weights, state = model.init(KEY, X)
    return model.apply(weights, state, X, train=train, key=jax.random.fold_in(KEY, number))[0]


ACTING = {
    "also at test time": function(also_at_test_time),
    "zero or one": lambda: from_nnx(NnxNumber, stochastic=False),
}
SILENT = {
    "beside train": function(chosen_beside_train),
    "given": function(use_dropout, use_dropout=False),
    "ordinary": function(ordinary),
    "linen given": lambda: from_linen(LinenNet, noisy=False),
    "nnx given": lambda: from_nnx(NnxNet, stochastic=False),
    "nnx part": lambda: from_nnx(NnxOuter, stochastic=False),
    "equinox given": lambda: from_equinox(EquinoxNet, stochastic=False),
}


@pytest.mark.parametrize("make", ACTING.values(), ids=ACTING)
def test_noise_acts_in_training_only(make):
    assert not np.allclose(outputs(make(), True, 0), outputs(make(), True, 1))
    assert np.array_equal(outputs(make(), False, 0), outputs(make(), False, 1))


@pytest.mark.parametrize("make", SILENT.values(), ids=SILENT)
def test_what_is_no_mode_is_left_as_it_is_in_training_and_test(make):
    assert np.array_equal(outputs(make(), True, 0), outputs(make(), True, 1))
    assert np.array_equal(outputs(make(), True, 0), outputs(make(), False, 0))


def test_a_layer_behind_a_choice_that_is_called_like_a_mode_counts():
    sizes = [
        layout_of(from_nnx(NnxNet, stochastic=False, predict=given), (3,), "float32").size
        for given in (True, False)
    ]
    assert sizes == [80 + 42 + 6, 80 + 42]


def test_a_field_called_like_a_mode_keeps_its_value_in_equinox():
    model = from_equinox(EquinoxNet, stochastic=False)
    weights, _ = model.init(KEY, X)
    hidden = X @ weights["hidden"]["weight"].T + weights["hidden"]["bias"][None]
    alone = -(hidden @ weights["out"]["weight"].T + weights["out"]["bias"][None])
    np.testing.assert_allclose(outputs(model, True, 0), alone, rtol=1e-4, atol=1e-5)
