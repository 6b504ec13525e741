"""The output layer is the layer of the last use: of tied, reused, recurrent and parallel layers."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.base import layout_of


class Tied(nnx.Module):
    def __init__(self, rngs):
        self.emb, self.hid, self.out = (nnx.Linear(10, 10, rngs=rngs) for _ in range(3))
        self.out.kernel = self.emb.kernel

    def __call__(self, x):
        return self.out(nnx.relu(self.hid(nnx.relu(self.emb(x)))))


class Reused(nn.Module):
    @nn.compact
    def __call__(self, x):
        shared, middle = nn.Dense(10, name="shared"), nn.Dense(10, name="middle")
        return shared(nn.relu(middle(nn.relu(shared(x)))))


class Heads(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(5, name="body")(x))
        return jnp.concatenate([nn.Dense(2, name="left")(x), nn.Dense(3, name="right")(x)], -1)


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2, name="read")(nn.RNN(nn.SimpleCell(4), name="cell")(x[:, :, None])[:, -1])


class Residual(eqx.Module):
    layers: list

    def __init__(self, *, key):
        self.layers = [eqx.nn.Linear(10, 10, key=k) for k in jax.random.split(key, 3)]

    def __call__(self, x):
        for layer in self.layers:
            x = x + jax.nn.relu(layer(x))
        return x


class Attending(nnx.Module):
    def __init__(self, rngs):
        self.table, self.body = nnx.Embed(10, 4, rngs=rngs), nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.table.attend(self.body(self.table(x.astype(jnp.int32)).mean(1)))


def steps_init(key, x):
    return {
        "w_in": jnp.ones((1, 4)),
        "w_read": jnp.ones((4, 2)),
        "b_read": jnp.zeros(2),
        "w": jnp.ones((4, 4)),
    }


def steps_apply(p, x):
    """The layer that reads is used in the loop, and the layer of the next step after it."""

    def step(h, row):
        out = h @ p["w_read"] + p["b_read"]
        return jnp.tanh(row[:, None] @ p["w_in"] + h @ p["w"]), out

    return jax.lax.scan(step, jnp.zeros((len(x), 4)), x.T)[1][-1]


CASES = {
    "tied": (from_nnx(Tied), {"emb/kernel", "out/bias"}),
    "reused": (from_linen(Reused), {"shared/kernel", "shared/bias"}),
    "heads": (from_linen(Heads), {"left/kernel", "left/bias", "right/kernel", "right/bias"}),
    "recurrent": (from_linen(Recurrent), {"read/kernel", "read/bias"}),
    "residual": (from_equinox(Residual), {"layers/2/weight", "layers/2/bias"}),
    "attending": (from_nnx(Attending), {"table/embedding"}),
    "in a loop": (from_function(steps_init, steps_apply), {"w_read", "b_read"}),
}


@pytest.mark.parametrize(("model", "expected"), CASES.values(), ids=CASES)
def test_the_output_layer_is_the_layer_of_the_last_use(model, expected):
    assert set(layout_of(model, (10,), "float32").paths("output")) == expected
