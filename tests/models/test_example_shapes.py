"""Examples of a shape that a network does not take: the sentence says which it takes and how to give them."""

import re

import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax import nnx

import weightspace as ws
from weightspace.errors import InputError
from weightspace.models.base import output_shape_of


class Grey(nnx.Module):
    channels = 1

    def __init__(self, *, rngs):
        self.first = nnx.Conv(self.channels, 2, (3, 3), rngs=rngs)
        self.last = nnx.Linear(2, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x)).mean(axis=(1, 2)))


class Coloured(Grey):
    channels = 3


class Conv(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Conv(2, (3, 3))(x))
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


class Rows(nnx.Module):
    width = 16

    def __init__(self, *, rngs):
        self.only = nnx.Linear(self.width, 3, rngs=rngs)

    def __call__(self, x):
        return self.only(x)


class Never(Rows):
    width = 7


@pytest.mark.parametrize(
    ("model", "shape", "taken", "change"),
    [
        (ws.from_nnx(Grey), (4, 4), (4, 4, 1), "without an axis of channels give x[..., None]"),
        (ws.from_linen(Conv), (4, 4), (4, 4, 1), "without an axis of channels give x[..., None]"),
        (ws.from_nnx(Grey), (1, 4, 4), (4, 4, 1), "channels come last here, give np.moveaxis(x, 1, -1)"),
        (ws.from_nnx(Grey), (4, 4, 3), (4, 4, 1), "x.mean(axis=-1, keepdims=True)"),
        (ws.from_nnx(Coloured), (4, 4, 1), (4, 4, 3), "np.repeat(x, 3, axis=-1)"),
        (ws.from_nnx(Rows), (4, 4), (16,), "it takes rows of numbers, give x.reshape(len(x), -1)"),
    ],
)
def test_the_shape_that_is_taken_is_named(model, shape, taken, change):
    sentence = f"takes examples of shape {taken}, but is given {shape}: "
    with pytest.raises(InputError, match=f"{re.escape(sentence)}.*{re.escape(change)}"):
        output_shape_of(model, shape, "float32")
    assert output_shape_of(model, taken, "float32") == (3,)


def test_where_none_is_taken_none_is_named():
    with pytest.raises(InputError, match=r"cannot take examples of shape \(4, 4\)") as found:
        output_shape_of(ws.from_nnx(Never), (4, 4), "float32")
    assert "takes examples of shape" not in str(found.value)
