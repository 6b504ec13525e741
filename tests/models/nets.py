"""Networks as users write them, in each library: dense, batch normalisation, activation, dropout, dense."""

import functools

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from weightspace.models.zoo import make

INPUTS, WIDTH, OUTPUTS = 3, 4, 2
MOMENTUM = 0.5


class NnxNet(nnx.Module):
    def __init__(self, width, rate=0.0, *, rngs):
        self.first = nnx.Linear(INPUTS, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=MOMENTUM, rngs=rngs)
        self.drop = nnx.Dropout(rate, rngs=rngs)
        self.last = nnx.Linear(width, OUTPUTS, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(jnp.tanh(self.norm(self.first(x)))))


class LinenNet(nn.Module):
    width: int
    rate: float = 0.0

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(self.width, name="first")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=MOMENTUM, name="norm")(x)
        x = nn.Dropout(self.rate, deterministic=not train, name="drop")(jnp.tanh(x))
        return nn.Dense(OUTPUTS, name="last")(x)


class EquinoxNet(eqx.Module):
    last: eqx.nn.Linear  # the order of the fields is not that of the forward pass
    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout

    def __init__(self, width, rate=0.0, *, key):
        keys = jax.random.split(key)
        self.first = eqx.nn.Linear(INPUTS, width, key=keys[0])
        self.norm = eqx.nn.BatchNorm(width, "batch", mode="batch", momentum=MOMENTUM)
        self.drop = eqx.nn.Dropout(rate)
        self.last = eqx.nn.Linear(width, OUTPUTS, key=keys[1])

    def __call__(self, x, state, *, key):
        x, state = self.norm(self.first(x), state)
        return self.last(self.drop(jnp.tanh(x), key=key)), state


def function_init(key, x, width):
    keys = jax.random.split(key)
    weights = {
        "first": (jax.random.normal(keys[0], (x.shape[1], width)), jnp.zeros(width)),
        "norm": {"scale": jnp.ones(width), "bias": jnp.zeros(width)},
        "last": (jax.random.normal(keys[1], (width, OUTPUTS)), jnp.zeros(OUTPUTS)),
    }
    return weights, [jnp.zeros(width), jnp.ones(width)]


def function_apply(weights, x, *, train, key, state, rate=0.0):
    x = x @ weights["first"][0] + weights["first"][1][None]
    mean, var = (x.mean(0), x.var(0)) if train else state
    x = (x - mean[None]) * jax.lax.rsqrt(var + 1e-5)[None]
    x = jnp.tanh(x * weights["norm"]["scale"][None] + weights["norm"]["bias"][None])
    if train and rate:
        x = jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)
    after = [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(state, (mean, var), strict=True)]
    return x @ weights["last"][0] + weights["last"][1][None], after


def function_intermediates(weights, x):
    return {"first": x @ weights["first"][0] + weights["first"][1][None]}


class NnxHead(nnx.Module):
    def __init__(self, shape, outputs, scale=1.0, *, rngs):
        self.dense = nnx.Linear(shape[0], outputs, rngs=rngs)
        self.scale = scale

    def __call__(self, x):
        return self.dense(x) * self.scale


class LinenHead(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(x)


class EquinoxHead(eqx.nn.Linear):
    def __init__(self, shape, outputs, *, key):
        super().__init__(shape[0], outputs, key=key)


class Telling(nn.Module):
    @nn.compact
    def told(self, x, flag):
        return x * self.param("scale", nn.initializers.ones, (1,))[None] * flag


class ByTrain(Telling):
    def __call__(self, x, train):
        return self.told(x, train)


class ByTraining(Telling):
    def __call__(self, x, *, training=False):
        return self.told(x, training)


class ByDeterministic(Telling):
    def __call__(self, x, deterministic=False):
        return self.told(x, deterministic)


class ByRunningAverage(Telling):
    def __call__(self, x, use_running_average):
        return self.told(x, use_running_average)


TELLING = (ByTrain, ByTraining, ByDeterministic, ByRunningAverage)
LINEN_INSTANCE = LinenHead(OUTPUTS)
NUMBER = 3


def nnx_factory(rngs, outputs):
    return nnx.Linear(INPUTS, outputs, rngs=rngs)


def nnx_class_factory():
    return NnxSmall


class NnxSmall(nnx.Linear):
    def __init__(self, *, rngs):
        super().__init__(INPUTS, OUTPUTS, rngs=rngs)


def linen_factory(outputs):
    return LinenHead(outputs)


def equinox_factory(outputs, key):
    return eqx.nn.Linear(INPUTS, outputs, key=key)


def equinox_with_state(key):
    return eqx.nn.make_with_state(EquinoxNet)(WIDTH, key=key)


def zoo_factory(shape, outputs, width=5):
    return make(f"fc:widths={width}", shape, outputs)


def finished_nnx(outputs):
    return nnx.Linear(INPUTS, outputs, rngs=nnx.Rngs(0))


def not_a_model():
    return {"kernel": 1}


def ten_outputs(rngs):
    return nnx.Linear(INPUTS, 10, rngs=rngs)


def function_of_rngs(shape, outputs):
    return lambda rngs: NnxHead(shape, outputs, rngs=rngs)


def function_of_key(shape, outputs):
    return lambda key: EquinoxHead(shape, outputs, key=key)


def function_of_nothing(outputs):
    return lambda: LinenHead(outputs)


def function_of_functions(outputs):
    return lambda: lambda: LinenHead(outputs)


def function_of_streams(shape, outputs):
    return lambda streams: NnxHead(shape, outputs, rngs=streams)


PARTIAL_NNX = functools.partial(NnxHead, outputs=OUTPUTS, scale=2.0)
PARTIAL_EQUINOX = functools.partial(EquinoxHead, (INPUTS,))
PARTIAL_LINEN = functools.partial(LinenHead, OUTPUTS)


def gives_a_partial(shape):
    return functools.partial(NnxHead, shape, OUTPUTS)


def nnx_of_rng(rng, outputs):
    return nnx.Linear(INPUTS, outputs, rngs=rng)


def equinox_of_rng(rng, outputs):
    return eqx.nn.Linear(INPUTS, outputs, key=rng)


def equinox_of_prng_key(prng_key):
    return eqx.nn.make_with_state(EquinoxNet)(WIDTH, key=prng_key)


def gives_a_function_of_rng(outputs):
    return lambda rng: nnx.Linear(INPUTS, outputs, rngs=rng)


def nnx_of_key(key):
    return nnx.Linear(INPUTS, OUTPUTS, rngs=nnx.Rngs(key))


def makes_streams(rng):
    return nnx.Linear(INPUTS, OUTPUTS, rngs=nnx.Rngs(rng))


def linen_class(shape):
    return LinenTwo


class LinenTwo(LinenHead):
    outputs: int = OUTPUTS


def pair_init(key, x):
    return {"kernel": jax.random.normal(key, (INPUTS, OUTPUTS))}


def pair_apply(weights, x):
    return x @ weights["kernel"]


PAIR = (pair_init, pair_apply)


def gives_a_pair():
    return PAIR


def breaks(shape):
    return 1 / 0
