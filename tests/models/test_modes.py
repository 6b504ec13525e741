"""Training and test: a network of half dropped units, told its mode in every way, in each library."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.adapters.modes import flags_of, in_training, told
from weightspace.models.base import layout_of

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
RATE = 0.5


def linen(fields=None, call="", flag="", inner=None):
    """A Linen class with these fields and arguments of its call; `flag` computes `deterministic`."""
    source = "class Net(nn.Module):\n"
    source += "".join(f"    {name}: bool = {value}\n" for name, value in (fields or {}).items())
    source += f"    @nn.compact\n    def __call__(self, x{call}):\n"
    source += f"        return nn.Dense(2)(nn.Dropout({RATE}, deterministic={flag})(nn.Dense(20)(x)))\n"
    space = {"nn": nn, **(inner or {})}
    exec(source, space)
    return from_linen(space["Net"], name=source, version=1)


LINEN = {
    "training=True": lambda: linen({"training": True}, flag="not self.training"),
    "is_training=False": lambda: linen({"is_training": False}, flag="not self.is_training"),
    "evalMode=False": lambda: linen({"evalMode": False}, flag="self.evalMode"),
    "inference=True": lambda: linen({"inference": True}, flag="self.inference"),
    "none": lambda: linen({"deterministic": None}, flag="self.deterministic"),
    "needed": lambda: linen(call=", train", flag="not train"),
    "keyword": lambda: linen(call=", *, is_training", flag="not is_training"),
    "field or argument": lambda: linen(
        {"deterministic": None},
        call=", deterministic=None",
        flag='nn.merge_param("deterministic", self.deterministic, deterministic)',
    ),
    "test_mode": lambda: linen(call=", test_mode=False", flag="test_mode"),
}


class NnxField(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(3, 20, rngs=rngs), nnx.Linear(20, 2, rngs=rngs)
        self.drop, self.is_training = nnx.Dropout(RATE, rngs=rngs), True

    def __call__(self, x):
        return self.out(self.drop(self.hidden(x), deterministic=not self.is_training))


class NnxNested(nnx.Module):
    def __init__(self, rngs):
        self.inner = NnxField(rngs)
        self.inner.is_training = False

    def __call__(self, x):
        return self.inner(x)


class NnxNeeded(NnxField):
    def __call__(self, x, train):
        return self.out(self.drop(self.hidden(x), deterministic=not train))


class EquinoxField(eqx.Module):
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear
    drop: eqx.nn.Dropout
    training: bool = eqx.field(static=True)

    def __init__(self, *, key):
        keys = jax.random.split(key)
        self.hidden, self.out = eqx.nn.Linear(3, 20, key=keys[0]), eqx.nn.Linear(20, 2, key=keys[1])
        self.drop, self.training = eqx.nn.Dropout(RATE), True

    def __call__(self, x, key):
        return self.out(self.drop(self.hidden(x), key=key, inference=not self.training))


class EquinoxLeaf(EquinoxField):
    is_test: bool = False

    def __call__(self, x, key):
        return self.out(self.drop(self.hidden(x), key=key, inference=self.is_test))


class EquinoxNeeded(EquinoxField):
    def __call__(self, x, is_training, *, key):
        return self.out(self.drop(self.hidden(x), key=key, inference=not is_training))


def function_init(key, x):
    keys = jax.random.split(key)
    return {"a": jax.random.normal(keys[0], (3, 20)), "b": jax.random.normal(keys[1], (20, 2))}


def function_needed(weights, x, deterministic, *, key):
    hidden = x @ weights["a"]
    dropped = jnp.where(jax.random.bernoulli(key, 1 - RATE, hidden.shape), hidden / (1 - RATE), 0)
    return (hidden if deterministic else dropped) @ weights["b"]


def function_default(weights, x, key, training=True):
    return function_needed(weights, x, not training, key=key)


MODELS = {
    **{f"linen {name}": make for name, make in LINEN.items()},
    "nnx field": lambda: from_nnx(NnxField),
    "nnx nested field": lambda: from_nnx(NnxNested),
    "nnx argument": lambda: from_nnx(NnxNeeded),
    "equinox static field": lambda: from_equinox(EquinoxField),
    "equinox field": lambda: from_equinox(EquinoxLeaf),
    "equinox argument": lambda: from_equinox(EquinoxNeeded),
    "function argument": lambda: from_function(function_init, function_needed),
    "function default": lambda: from_function(function_init, function_default),
}  # fmt: skip


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_dropout_acts_in_training_and_only_there(make):
    model = make()
    weights, state = model.init(KEY, X)
    first, second = (
        [model.apply(weights, state, X, train=train, key=jax.random.fold_in(KEY, n))[0] for n in (0, 1)]
        for train in (True, False)
    )
    assert not np.allclose(*first)
    assert np.array_equal(*second)
    assert layout_of(model, (3,), "float32").size == sum(leaf.size for leaf in jax.tree.leaves(weights))


class Inner(nn.Module):
    training: bool = True

    @nn.compact
    def __call__(self, x):
        return nn.Dropout(RATE, deterministic=not self.training)(nn.Dense(20)(x))


class Untold(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(2)(Inner()(x))


class UntoldArgument(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(2)(InnerCall()(x))


class InnerCall(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        return nn.Dropout(RATE, deterministic=deterministic)(nn.Dense(20)(x))


class OfTheBatch(nn.Module):
    frozen: bool = False

    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(use_running_average=self.frozen)(nn.Dense(2)(x))


class EquinoxUntold(EquinoxField):
    def __call__(self, x, key):
        return self.out(self.drop(self.hidden(x), key=key, inference=False))


class NnxUntold(NnxField):
    def __call__(self, x):
        return self.out(self.drop(self.hidden(x), deterministic=True))


def function_drops(weights, x, key, drop=True):
    return function_needed(weights, x, not drop, key=key)


def function_word(weights, x, key, mode="train"):
    return function_needed(weights, x, mode != "train", key=key)


REFUSED = {
    "other name": (
        lambda: linen({"foo": True}, flag="not self.foo"),
        r"'Dropout_0.deterministic' has the wrong value at test time.*if 'foo' says whether it trains",
    ),
    "never acts": (
        lambda: linen({"foo": False}, flag="not self.foo"),
        "'Dropout_0.deterministic' has the wrong value in training",
    ),
    "nobody says": (lambda: linen(flag="None"), "cannot take examples .* ValueError: .*deterministic"),
    "inner field": (lambda: from_linen(Untold), "'Inner_0.training' has the wrong value at test time"),
    "inner argument": (lambda: from_linen(UntoldArgument), "'InnerCall_0.deterministic' .* in training"),
    "batch at test time": (
        lambda: from_linen(OfTheBatch),
        "'BatchNorm_0.use_running_average' .* test time",
    ),
    "equinox": (lambda: from_equinox(EquinoxUntold), "'drop.inference' has the wrong value at test time"),
    "nnx": (lambda: from_nnx(NnxUntold), "'drop.deterministic' has the wrong value in training"),
    "function": (
        lambda: from_function(function_init, function_drops),
        "random at test time.*if 'drop' says whether it trains, call it `train`",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mode_that_is_not_found_is_refused_before_anything_is_trained(make, message):
    with pytest.raises(InputError, match=message):
        layout_of(make(), (3,), "float32")


UNBUILT = {
    "word": (lambda: linen(call=", mode='train'", flag="mode != 'train'"), "told by the word 'mode'"),
    "word of a function": (lambda: from_function(function_init, function_word), "told by the word 'mode'"),
    "unknown need": (
        lambda: linen(call=", temperature", flag="True"),
        "needs 'temperature', but is given",
    ),
    "fixed": (lambda: from_linen(Inner, training=False), "'training' of .* is set for training and for test"),
    "fixed instance": (lambda: from_linen(Inner(training=False)), "leave it out"),
}


@pytest.mark.parametrize(("make", "message"), UNBUILT.values(), ids=UNBUILT)
def test_what_cannot_be_told_is_refused_at_once(make, message):
    with pytest.raises(InputError, match=message):
        make()


NAMES = {
    True: ("train", "training", "is_training", "isTraining", "train_mode", "in_training", "update_stats"),
    False: (
        *("deterministic", "inference", "eval", "is_eval", "eval_mode", "testing", "use_running_average"),
        *("inference_mode", "test_time", "disable_dropout"),
    ),
    None: ("train_steps", "width", "test_size", "mode", "rate", "dropout", "training_data", ""),
}


@pytest.mark.parametrize(("expected", "names"), NAMES.items())
def test_names_of_flags(expected, names):
    assert {name: in_training(name) for name in names} == dict.fromkeys(names, expected)


@pytest.mark.parametrize(
    "name", ["stochastic", "predict", "test", "apply_dropout", "update_stats", "is_stochastic"]
)
def test_names_that_a_choice_may_have_are_flags_of_a_call_only(name):
    assert in_training(name) is not None
    assert in_training(name, held=True) is None


@pytest.mark.parametrize(
    "name", ["training", "is_test", "deterministic", "use_running_average", "predict_mode"]
)
def test_names_that_mean_nothing_else_are_flags_of_fields_too(name):
    assert in_training(name, held=True) is in_training(name) is not None


def test_only_yes_and_no_are_flags():
    def call(x, train, test=0.2, training=5, inference=None, eval=False, is_eval=1):  # noqa: A002
        return x, train, test, training, inference, eval, is_eval

    assert flags_of(call) == ("train", "inference", "eval", "is_eval")
    assert told(("train", "inference"), train=True) == {"train": True, "inference": False}


def noise_init(key, x):
    return {"w": jax.random.normal(key, (3, 20)), "v": jax.random.normal(key, (20, 2))}


def dropped(h, key):
    return jnp.where(jax.random.bernoulli(key, 1 - RATE, h.shape), h / (1 - RATE), 0)


def by_select(p, x, train, key):
    h = x @ p["w"]
    return jnp.where(train, dropped(h, key), h) @ p["v"]


def by_cond(p, x, deterministic, key):
    return jax.lax.cond(deterministic, lambda h: h, lambda h: dropped(h, key), x @ p["w"]) @ p["v"]


def by_factor(p, x, train, key):
    h = x @ p["w"]
    return (h + train * jax.random.normal(key, h.shape)) @ p["v"]


class EquinoxSelect(eqx.Module):
    out: eqx.nn.Linear
    inference: bool

    def __init__(self, *, key):
        self.out, self.inference = eqx.nn.Linear(3, 20, key=key), False

    def __call__(self, x, key):
        h = self.out(x)
        return jnp.where(self.inference, h, dropped(h, key))


class LinenSelect(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        h = nn.Dense(20)(x)
        return jnp.where(train, dropped(h, self.make_rng("dropout")), h)


class NnxFactor(nnx.Module):
    def __init__(self, rngs):
        self.out, self.rngs = nnx.Linear(3, 2, rngs=rngs), rngs

    def __call__(self, x, train):
        h = self.out(x)
        return h + train * jax.random.normal(self.rngs.noise(), h.shape)


BY_VALUE = {
    "select": lambda: from_function(noise_init, by_select),
    "cond": lambda: from_function(noise_init, by_cond),
    "factor": lambda: from_function(noise_init, by_factor),
    "equinox": lambda: from_equinox(EquinoxSelect),
    "linen": lambda: from_linen(LinenSelect),
    "nnx": lambda: from_nnx(NnxFactor),
}


@pytest.mark.parametrize("make", BY_VALUE.values(), ids=BY_VALUE)
def test_a_mode_told_by_value_is_followed(make):
    test_dropout_acts_in_training_and_only_there(make)


class LinenOwnNorm(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        running = self.variable("statistics", "mean", lambda: jnp.zeros(3))
        mean = jnp.where(train, x.mean(0), running.value)
        if not self.is_initializing():
            running.value = jnp.where(train, 0.5 * running.value + 0.5 * mean, running.value)
        return nn.Dense(2)(x - mean[None])


def own_norm(p, x, state, train):
    mean = jnp.where(train, x.mean(0), state["mean"])
    after = jax.lax.cond(train, lambda: 0.5 * state["mean"] + 0.5 * mean, lambda: state["mean"])
    return (x - mean[None]) @ p["w"], {"mean": after}


@pytest.mark.parametrize(
    "make",
    [
        lambda: from_linen(LinenOwnNorm),
        lambda: from_function(lambda *_: ({"w": jnp.ones((3, 2))}, {"mean": jnp.zeros(3)}), own_norm),
    ],
    ids=["linen", "function"],
)
def test_an_own_normalisation_by_value_is_followed(make):
    model = make()
    assert layout_of(model, (3,), "float32").size in (6, 8)
    weights, state = model.init(KEY, X)
    _, after = model.apply(weights, state, X, train=True, key=KEY)
    (mean,) = jax.tree.leaves(after)
    np.testing.assert_allclose(mean, 0.5 * np.mean(X, 0), rtol=1e-5)
    (kept,) = jax.tree.leaves(model.apply(weights, after, X, train=False, key=KEY)[1])
    assert np.array_equal(kept, mean)


def by_probability(p, x, train, key):
    h = x @ p["w"]
    return h * jax.random.bernoulli(key, 1 - RATE * train, h.shape) @ p["v"]


def test_where_it_cannot_be_followed_the_sentence_says_to_branch():
    with pytest.raises(InputError, match=r"random at test time.*choose in Python, by `if train:`"):
        layout_of(from_function(noise_init, by_probability), (3,), "float32")
