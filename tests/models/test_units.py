"""Hidden units of networks: which are read, that relabelling keeps the function, and what is refused."""

import jax
import numpy as np
import pytest
from flax import nnx

from weightspace.errors import InputError
from weightspace.models.adapters import from_nnx
from weightspace.models.steps import Step
from weightspace.models.units import units_of
from weightspace.models.zoo import make
from weightspace.tree import flat_dict

KEY = jax.random.key(0)


class Normed(nnx.Module):
    """Convolution, batch norm, pooling, flatten, dense, layer norm, dense."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.bn = nnx.BatchNorm(4, rngs=rngs)
        self.hidden = nnx.Linear(4 * 9, 6, rngs=rngs)
        self.ln = nnx.LayerNorm(6, rngs=rngs)
        self.out = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x, train=False):
        x = nnx.relu(self.bn(self.conv(x), use_running_average=not train))
        x = nnx.avg_pool(x, (2, 2), strides=(2, 2))
        return self.out(nnx.relu(self.ln(self.hidden(x.reshape(len(x), -1)))))


class ChannelsFirst(nnx.Module):
    """The image is flattened with its channels in front."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs)
        self.out = nnx.Linear(3 * 16, 2, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.conv(x)).transpose(0, 3, 1, 2).reshape(len(x), -1))


class Skip(nnx.Module):
    def __init__(self, rngs):
        self.a, self.b, self.c = (nnx.Linear(5, 5, rngs=rngs) for _ in range(3))

    def __call__(self, x):
        x = self.a(x)
        return self.c(x + nnx.relu(self.b(x)))


class Grouped(nnx.Module):
    def __init__(self, rngs):
        self.a = nnx.Linear(5, 4, rngs=rngs)
        self.norm = nnx.GroupNorm(4, num_groups=2, rngs=rngs)
        self.b = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.b(nnx.relu(self.norm(self.a(x))))


class Heads(nnx.Module):
    def __init__(self, rngs):
        self.a, self.b, self.c = (nnx.Linear(n, m, rngs=rngs) for n, m in ((5, 4), (4, 2), (4, 2)))

    def __call__(self, x):
        x = nnx.relu(self.a(x))
        return self.b(x) + self.c(x)


MODELS = {
    "fc": (make("fc:widths=5,4", (3,), 2), (3,), (5, 4), (1, 1, 1)),
    "conv2": (make("conv2:channels=3,4", (8, 8, 1), 2), (8, 8, 1), (3, 4), (1, 9, 4)),
    "normed": (from_nnx(Normed), (6, 6, 2), (4, 6), (1, 9, 1)),
    "first": (from_nnx(ChannelsFirst), (4, 4, 1), (3,), (1, 16)),
}


def numbers(model, shape, seed=0):
    """Weights, state and inputs at random, statistics positive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    weights, state = jax.jit(model.init)(KEY, x)
    weights = jax.tree.map(lambda a: rng.normal(size=a.shape).astype(np.float32) / 2, weights)
    state = jax.tree.map(lambda a: rng.uniform(0.5, 1.5, a.shape).astype(np.float32), state)
    return weights, state, x, jax.jit(lambda w, s, x: model.apply(w, s, x, train=False, key=KEY)[0])


@pytest.mark.parametrize("name", MODELS)
def test_outputs_stay_under_relabellings(name):
    model, shape, widths, taps = MODELS[name]
    units = units_of(model, shape)
    assert units.widths == widths
    assert tuple(step.taps for step in units.steps) == taps
    weights, state, x, apply = numbers(model, shape)
    before = apply(weights, state, x)
    rng = np.random.default_rng(1)
    for _ in range(4):
        orders = [rng.permutation(width) for width in widths]
        after = apply(*units.relabelled(weights, state, orders), x)
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
        back = units.relabelled(*units.relabelled(weights, state, orders), [np.argsort(o) for o in orders])
        pairs = zip(jax.tree.leaves(back), jax.tree.leaves((weights, state)), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_statistics_go_with_their_units():
    model, shape, _, _ = MODELS["normed"]
    units = units_of(model, shape)
    assert set(units.own[0]) == {"conv/bias", "bn/scale", "bn/bias"}
    assert set(units.state[0]) == {"bn/mean", "bn/var"}
    assert set(units.own[1]) == {"hidden/bias", "ln/scale", "ln/bias"}


def test_kernels_and_their_joined_form_are_each_other_s_inverse():
    rng = np.random.default_rng(0)
    for step in (
        Step("a", (3, 3, 4, 5), (0, 1, 2, 3), (3, 3, 4, 5), 2),
        Step("a", (5, 4, 3, 3), (1, 2, 3, 0), (4, 3, 3, 5), 0),
        Step("a", (36, 7), (0, 1), (9, 4, 7), 1),
        Step("a", (7, 36), (1, 0), (4, 9, 7), 0),
    ):
        kernel = rng.normal(size=step.shape)
        joined = step.joined(kernel)
        assert joined.shape == (step.inputs, step.units, step.taps)
        np.testing.assert_array_equal(step.kernel(joined), kernel)
    step = Step("a", (3, 3, 4, 5), (0, 1, 2, 3), (3, 3, 4, 5), 2)
    kernel = rng.normal(size=step.shape)
    np.testing.assert_array_equal(step.joined(kernel)[1, 2], kernel[:, :, 1, 2].reshape(-1))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Skip, "changes when the 5 units of 'a/kernel' are relabelled .* residual"),
        (Grouped, "changes when the 4 units of 'a/kernel'.*groups of channels"),
        (Heads, "output kernels b/kernel, c/kernel"),
    ],
)
def test_what_is_no_sequence_of_layers_is_refused(module, words):
    with pytest.raises(InputError, match=words):
        units_of(from_nnx(module), (5,))


def test_a_network_without_hidden_layers_has_no_hidden_units():
    class One(nnx.Module):
        def __init__(self, rngs):
            self.out = nnx.Linear(4, 2, rngs=rngs)

        def __call__(self, x):
            return self.out(x)

    units = units_of(from_nnx(One), (4,))
    assert units.widths == ()
    given = {"out": {"kernel": np.ones((4, 2), bool)}}
    assert not flat_dict(units.put(given, [np.zeros((4, 2, 1), bool)]))["out/kernel"].any()
