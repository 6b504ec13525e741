"""Leaves used in parts: layers stacked in one array, and arrays that stand beside the data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from weightspace.models.adapters import from_equinox, from_function, from_nnx
from weightspace.models.base import layout_of


def stack(key, x):
    return {"w": jax.random.normal(key, (4, 3, 3))}


def loop(step, start=lambda x: x):
    return lambda p, x: jax.lax.fori_loop(0, 4, lambda i, h: step(p["w"], i, h, x), start(x))


STACKS = {
    "by index": (loop(lambda w, i, h, _: jnp.tanh(h @ w[i])), 3),
    "taken": (loop(lambda w, i, h, _: jnp.tanh(h @ jnp.take(w, i, 0))), 3),
    "residual": (loop(lambda w, i, h, _: h + jnp.tanh(h @ jax.lax.dynamic_index_in_dim(w, i, 0, False))), 3),
    "scan of indices": (
        lambda p, x: jax.lax.scan(lambda h, i: (h @ p["w"][i], None), x, jnp.arange(4))[0],
        3,
    ),
    "two of a kind": (
        lambda p, x: jax.lax.fori_loop(
            0, 2, lambda i, h: jnp.tanh(h @ p["w"][2 * i]) @ p["w"][2 * i + 1], x
        ),
        3,
    ),
    "unrolled, taken": (lambda p, x: x @ jnp.take(p["w"], 0, 0) @ jnp.take(p["w"], 1, 0), 3),
    # Results that are summed are one layer of more inputs: a convolution by shifts.
    "shifts": (loop(lambda w, i, a, x: a + jnp.roll(x, i, 1) @ w[i], jnp.zeros_like), 12),
    "beside": (loop(lambda w, i, h, _: h @ w[0] + h @ w[i]), 12),
}  # fmt: skip


@pytest.mark.parametrize(("apply", "fan"), STACKS.values(), ids=STACKS)
def test_layers_stacked_in_one_array_have_the_fan_of_one_layer(apply, fan):
    (leaf,) = layout_of(from_function(stack, apply, name="stack", version=id(apply)), (3,), "float32").leaves
    assert (leaf.kind, leaf.fan_in) == ("kernel", fan)


class NnxToken(nnx.Module):
    def __init__(self, rngs):
        self.token, self.places = nnx.Param(jnp.zeros((1, 1, 4))), nnx.Param(jnp.zeros((1, 5, 4)))
        self.out = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        first = jnp.broadcast_to(self.token[...] + self.places[:, :1], (len(x), 1, 4))
        return self.out(jnp.concatenate([first, x + self.places[:, 1:]], 1).mean(1))


class EquinoxToken(eqx.Module):
    token: jax.Array
    places: jax.Array
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.token, self.places = jnp.zeros((1, 4)), jnp.zeros((5, 4))
        self.out = eqx.nn.Linear(4, 2, key=key)

    def __call__(self, x):
        return self.out((jnp.concatenate([self.token, x]) + self.places)[0])


def masked_init(key, x):
    return {"token": jnp.zeros((1, 4)), "places": jnp.zeros((2, 4)), "out": jax.random.normal(key, (4, 2))}


def masked(p, x):
    """Of a masked autoencoder: the token stands in the place of what is not seen."""
    seen = jnp.where(x > 0, x, p["token"][None]) + p["places"][:1][None]
    return jnp.pad(seen, ((0, 0), (0, 1), (0, 0))).at[:, 4].set(p["token"]).mean(1) @ p["out"]


@pytest.mark.parametrize(
    "model",
    [from_nnx(NnxToken), from_equinox(EquinoxToken), from_function(masked_init, masked)],
    ids=["nnx", "equinox", "masked"],
)
def test_a_token_beside_the_data_or_in_its_place_is_no_kernel(model):
    kinds = {leaf.path: leaf.kind for leaf in layout_of(model, (4, 4), "float32").leaves}
    assert kinds["token"] == "other"
    assert kinds["places"] == "bias"
    assert [path for path, kind in kinds.items() if kind == "kernel" and "out" not in path] == []
