"""Equinox's own normalisation within compiled blocks, in both modes, and statistics estimated anew."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from weightspace import tree
from weightspace.errors import InputError
from weightspace.measure.network import Network, Part
from weightspace.measure.recalibrate import recalibrated
from weightspace.models.adapters import from_equinox
from weightspace.models.base import layout_of
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Adam
from weightspace.run import Row, Watch
from weightspace.sweeps.ask import sweep

KEY = jax.random.key(0, impl="threefry2x32")


class Normed(eqx.Module):
    a: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    out: eqx.nn.Linear

    def __init__(self, mode, momentum=0.99, *, key):
        keys = jax.random.split(key)
        self.a, self.out = eqx.nn.Linear(64, 8, key=keys[0]), eqx.nn.Linear(8, 10, key=keys[1])
        self.norm = eqx.nn.BatchNorm(8, "batch", mode=mode, momentum=momentum)

    def __call__(self, x, state):
        x, state = self.norm(self.a(x.reshape(-1)), state)
        return self.out(jax.nn.relu(x)), state


def test_the_librarys_default_mode_trains_in_a_compiled_block(tmp_path):
    recipe = Recipe(Adam(0.02), "20it", batch=64)
    model = from_equinox(Normed, mode="ema", momentum=0.8)
    run = dataclasses.replace(small_run(recipe=recipe), model=model)
    table = sweep([Row({}, run, Watch("end", (Evaluation(("test",)),)))], tmp_path)
    assert table["status"][0] == "ok"
    assert table["test_accuracy"][0] > 0.4


def test_recalibrated_numbers_do_not_depend_on_momentum():
    """Running ones do: with momentum .99 the variance is too large by m³ / (1 - m³) = 32 at three steps."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(60, 8, 8, 1)), jnp.float32)
    part, found = Part(x, jnp.zeros(60, jnp.int32), None), {}

    def outputs(run, model):
        weights, state = model.init(KEY, x)
        for _ in range(3):
            _, state = model.apply(weights, state, x, train=True, key=KEY)
        anew = recalibrated(run, Network(weights, state), part, lambda raw: raw)
        return [model.apply(weights, s, x, train=False, key=KEY)[0] for s in (anew, state)]

    for momentum in (0.5, 0.99):
        model = from_equinox(Normed, mode="batch", momentum=momentum)
        run = dataclasses.replace(small_run(), model=model)
        found[momentum] = jax.jit(functools.partial(outputs, run, model))()
    np.testing.assert_allclose(found[0.5][0], found[0.99][0], rtol=1e-3, atol=1e-4)
    assert np.abs(found[0.5][1] - found[0.99][1]).max() > 0.1


def test_ema_statistics_are_those_of_the_library_alone():
    model = from_equinox(Normed, mode="ema", momentum=0.5)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 8, 8, 1)), jnp.float32)
    weights, state = model.init(KEY, x)
    with jax.numpy_dtype_promotion("standard"):
        module, own = eqx.nn.make_with_state(Normed)("ema", 0.5, key=KEY)
        for n in range(2):
            outputs, state = jax.jit(model.apply, static_argnames="train")(
                weights, state, x + n, train=True, key=KEY
            )
            expected, own = jax.vmap(module, (0, None), (0, None), axis_name="batch")(x + n, own)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    for found, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(own), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_what_the_library_cannot_do_is_said_in_words():
    model = from_equinox(Normed, mode="ema")
    x = jnp.zeros((2, 8, 8, 1))
    weights, state = model.init(KEY, x)
    with pytest.raises(InputError, match="the BatchNorm 'norm' has the mode 'ema', which does not train in"):
        model.apply(tree.cast(weights, "bfloat16"), state, x, train=True, key=KEY)


class Growing(eqx.Module):
    out: eqx.nn.Linear
    seen: eqx.nn.StateIndex

    def __init__(self, *, key):
        self.out, self.seen = eqx.nn.Linear(64, 10, key=key), eqx.nn.StateIndex(jnp.zeros(2))

    def __call__(self, x, state):
        return self.out(x.reshape(-1)), state.set(self.seen, jnp.zeros(3))


def test_a_state_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"state of shapes \(2,\) is set to one of shapes \(3,\)"):
        from_equinox(Growing).init(KEY, jnp.zeros((1, 8, 8, 1)))


class OtherAxis(eqx.Module):
    norm: eqx.nn.BatchNorm
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.norm, self.out = eqx.nn.BatchNorm(3, "b", mode="batch"), eqx.nn.Linear(3, 2, key=key)

    def __call__(self, x, state):
        x, state = self.norm(x, state)
        return self.out(x), state


class OtherMean(eqx.Module):
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.out = eqx.nn.Linear(3, 2, key=key)

    def __call__(self, x):
        return self.out(x - jax.lax.pmean(x, "devices"))


@pytest.mark.parametrize(("network", "axis"), [(OtherAxis, "b"), (OtherMean, "devices")])
def test_the_axis_of_the_examples_is_called_batch(network, axis):
    with pytest.raises(InputError, match=f"called '{axis}', but .* called 'batch': give axis_name=\"batch\""):
        layout_of(from_equinox(network), (3,), "float32")


class StateOfOne(eqx.Module):
    out: eqx.nn.Linear
    mean: eqx.nn.StateIndex
    inference: bool
    over: bool = eqx.field(static=True)

    def __init__(self, over, *, key):
        self.out, self.mean = eqx.nn.Linear(3, 2, key=key), eqx.nn.StateIndex(jnp.zeros(3))
        self.inference, self.over = False, over

    def __call__(self, x, state):
        if not self.inference:
            mean = jax.lax.pmean(x, "batch") if self.over else x
            state = state.set(self.mean, 0.5 * state.get(self.mean) + 0.5 * mean)
        return self.out(x - state.get(self.mean)), state


def test_a_state_is_one_for_the_batch():
    with pytest.raises(
        InputError, match=r"state to a value of one example.*jax.lax.pmean\(value, \"batch\"\)"
    ):
        layout_of(from_equinox(StateOfOne, over=False), (3,), "float32")
    assert layout_of(from_equinox(StateOfOne, over=True), (3,), "float32").size == 8
