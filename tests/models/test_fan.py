"""Fan-in is the number of inputs that one output unit sums: counted in the Jacobian of each layer."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from weightspace import tree
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.base import example, layout_of
from weightspace.spaces.supermask import scaled_kernels

KEY = jax.random.key(0, impl="threefry2x32")


class Wrapped(nn.Module):
    kind: str

    @nn.compact
    def __call__(self, x):
        return LINEN[self.kind]()(x)


LINEN = {
    "dense": lambda: nn.Dense(3),
    "heads": lambda: nn.DenseGeneral((2, 3)),
    "from heads": lambda: nn.DenseGeneral(3, axis=(-2, -1)),
    "einsum": lambda: nn.Einsum((4, 2, 3), "...d,dhk->...hk"),
    "grouped": lambda: nn.Conv(6, (3,), feature_group_count=2),
    "depthwise": lambda: nn.Conv(4, (3,), feature_group_count=4),
    "one position": lambda: nn.Conv(5, (1,)),
    "transposed": lambda: nn.ConvTranspose(2, (3,)),
    "transposed apart": lambda: nn.ConvTranspose(2, (2,), strides=(2,)),
    "transposed wide": lambda: nn.ConvTranspose(2, (4,), strides=(2,)),
    "weight norm": lambda: nn.WeightNorm(nn.Dense(3)),
}


class NnxLayer(nnx.Module):
    def __init__(self, kind, rngs):
        self.layer = {
            "general": lambda: nnx.LinearGeneral((2, 4), (3, 2), axis=(-2, -1), rngs=rngs),
            "einsum": lambda: nnx.Einsum("bhd,hdk->bhk", (2, 4, 3), rngs=rngs),
            "conv": lambda: nnx.Conv(4, 4, (2,), feature_group_count=2, rngs=rngs),
        }[kind]()

    def __call__(self, x):
        return self.layer(x)


class EquinoxLayer(eqx.Module):
    layer: eqx.Module

    def __init__(self, kind, *, key):
        self.layer = {
            "grouped": lambda: eqx.nn.Conv1d(4, 6, 2, groups=2, key=key),
            "transposed": lambda: eqx.nn.ConvTranspose1d(4, 2, 2, stride=2, key=key),
            "linear": lambda: eqx.nn.Linear(4, 3, key=key),
        }[kind]()

    def __call__(self, x):
        return self.layer(x)


def counted(model, shape):
    """The largest number of inputs on which an output depends, where all weights are ones."""
    weights, state = jax.eval_shape(model.init, KEY, example(shape))
    ones = jax.tree.map(lambda a: jnp.ones(a.shape, a.dtype), (weights, state))
    x = jnp.ones((1, *shape))
    jacobian = jax.jit(jax.jacobian(lambda x: model.apply(*ones, x, train=False, key=KEY)[0]))(x)
    return int((np.abs(np.asarray(jacobian)) > 0).reshape(-1, x.size).sum(1).max())


def only_kernel(model, shape):
    (kernel,) = [leaf for leaf in layout_of(model, shape, "float32") if leaf.kind == "kernel"]
    return kernel


@pytest.mark.parametrize("kind", LINEN)
def test_fan_in_of_linen_layers(kind):
    model, shape = from_linen(Wrapped, kind=kind), (2, 4) if kind == "from heads" else (9, 4)
    if kind in ("dense", "heads", "einsum"):
        shape = (4,)
    kernel = only_kernel(model, shape)
    assert kernel.fan_in == counted(model, shape)
    several = kind in ("heads", "einsum")
    assert kernel.out_axis == (None if several else len(kernel.shape) - 1)


@pytest.mark.parametrize(("kind", "shape"), [("general", (2, 4)), ("einsum", (2, 4)), ("conv", (5, 4))])
def test_fan_in_of_nnx_layers(kind, shape):
    model = from_nnx(NnxLayer, kind=kind)
    assert only_kernel(model, shape).fan_in == counted(model, shape)


@pytest.mark.parametrize(("kind", "shape"), [("grouped", (4, 5)), ("transposed", (4, 5)), ("linear", (4,))])
def test_fan_in_of_equinox_layers(kind, shape):
    model = from_equinox(EquinoxLayer, kind=kind)
    kernel = only_kernel(model, shape)
    assert kernel.fan_in == counted(model, shape)
    assert kernel.out_axis == 0


class LinenAttention(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.MultiHeadDotProductAttention(4)(x).mean(1))


class NnxAttention(nnx.Module):
    def __init__(self, rngs):
        self.attention = nnx.MultiHeadAttention(4, 16, decode=False, rngs=rngs)

    def __call__(self, x):
        return self.attention(x).mean(1)


class EquinoxAttention(eqx.Module):
    attention: eqx.nn.MultiheadAttention

    def __init__(self, *, key):
        self.attention = eqx.nn.MultiheadAttention(4, 16, key=key)

    def __call__(self, x):
        return self.attention(x, x, x).mean(0)


@pytest.mark.parametrize(
    "model",
    [from_linen(LinenAttention), from_nnx(NnxAttention), from_equinox(EquinoxAttention)],
    ids=["linen", "nnx", "equinox"],
)
def test_each_map_of_attention_has_the_fan_of_a_dense_layer(model):
    kernels = [leaf for leaf in layout_of(model, (5, 16), "float32") if leaf.kind == "kernel"]
    assert [leaf.fan_in for leaf in kernels][:4] == [16] * 4


def test_signed_constants_of_attention_are_those_of_a_dense_layer():
    """sign(w) √(2 / 16) for each of the four maps."""
    model = from_linen(LinenAttention)
    layout = layout_of(model, (5, 16), "float32")
    weights = jax.jit(model.init)(KEY, jnp.zeros((1, 5, 16)))[0]
    scaled = tree.flat_dict(scaled_kernels(weights, layout, "kaiming", 1.0))
    for name in ("query", "key", "value", "out"):
        size = np.abs(scaled[f"MultiHeadDotProductAttention_0/{name}/kernel"])
        np.testing.assert_allclose(size, (2 / 16) ** 0.5, rtol=1e-6)


class Norms(eqx.Module):
    norm: eqx.nn.LayerNorm
    table: eqx.nn.Embedding
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.norm, self.table = eqx.nn.LayerNorm((5, 4)), eqx.nn.Embedding(7, 4, key=key)
        self.out = eqx.nn.Linear(4, 2, key=key)

    def __call__(self, x):
        return self.out(self.norm(x).mean(0) + self.table(x[0, 0].astype(jnp.int32)))


def test_norms_over_two_axes_and_tables_are_no_kernels():
    kinds = {leaf.path: leaf.kind for leaf in layout_of(from_equinox(Norms), (5, 4), "float32")}
    assert kinds["norm/weight"] == "scale"
    assert kinds["norm/bias"] == "shift"
    assert kinds["table/weight"] == "other"
    assert kinds["out/weight"] == "kernel"


def layers_init(key, x):
    return {
        "first": jnp.ones((4, 8)), "stack": jnp.ones((3, 8, 8)), "list": jnp.ones((2, 8, 8)),
        "a": jnp.ones((8, 2)), "b": jnp.ones((2, 8)), "flat": jnp.ones(24), "gain": jnp.ones((1, 8)),
        "last": jnp.ones(8), "shift": jnp.zeros(8),
    }  # fmt: skip


def layers_apply(p, x):
    h = jnp.tanh(x @ p["first"] + p["shift"])
    h, _ = jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), h, p["stack"])
    for number in range(2):
        h = jnp.tanh(h @ p["list"][number])
    h = h + h @ (p["a"] @ p["b"])
    h = h[:, :3] @ p["flat"].reshape(3, 8)
    return (h * p["gain"]) @ p["last"]


def taps_apply(p, x):
    """A convolution over three positions as a sum over shifts: its parts are used beside each other."""
    return sum(x[:, at : at + 2] @ p["taps"][at] for at in range(3)).sum((1, 2))


def test_fan_in_of_stacks_of_products_of_weights_and_of_flat_weights():
    found = layout_of(from_function(layers_init, layers_apply), (4,), "float32")
    fans = {leaf.path: leaf.fan_in for leaf in found if leaf.kind == "kernel"}
    assert fans == {"first": 4, "stack": 8, "list": 8, "a": 8, "b": 2, "flat": 3, "last": 8}
    assert found["stack"].fan_axes == (1,)
    assert (found["gain"].kind, found["shift"].kind) == ("scale", "bias")
    taps = layout_of(from_function(lambda *_: {"taps": jnp.ones((3, 2, 4))}, taps_apply), (4, 2), "float32")
    assert taps["taps"].fan_in == 6


def test_overrides_of_the_fan_go_before_what_was_found():
    model = from_function(layers_init, layers_apply, overrides={"flat": {"fan_axes": (0,)}})
    assert layout_of(model, (4,), "float32")["flat"].fan_in == 24
    assert (
        tree.size(jax.eval_shape(model.init, KEY, example((4,)))[0]) == layout_of(model, (4,), "float32").size
    )


class Gained(eqx.Module):
    layer: eqx.nn.WeightNorm

    def __init__(self, *, key):
        self.layer = eqx.nn.WeightNorm(eqx.nn.Linear(3, 4, key=key))

    def __call__(self, x):
        return self.layer(x)


def test_the_gain_of_a_weight_norm_scales_and_its_direction_is_the_kernel():
    found = {leaf.path: leaf for leaf in layout_of(from_equinox(Gained), (3,), "float32")}
    assert (found["layer/g"].kind, found["layer/g"].shape) == ("scale", (4, 1))
    assert (found["layer/layer/weight"].kind, found["layer/layer/weight"].fan_in) == ("kernel", 3)
