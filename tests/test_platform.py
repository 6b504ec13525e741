"""The settings of a session change no number of a run: they are overridden, or refused."""

import jax
import numpy as np
import pytest

import weightspace as ws
from weightspace import platform
from weightspace.errors import InputError
from weightspace.training.block import block_for

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


def small(out):
    """A run whose program is compiled anew: weights, order and dropout are drawn in it."""
    block_for.cache_clear()

    def init(key, x):
        # A key of the user's own goes by JAX's default generator.
        return {
            "a": {"kernel": jax.random.normal(key, (3, 2)) + jax.random.normal(jax.random.key(7), (3, 2))}
        }

    model = ws.from_function(init, lambda weights, x: x @ weights["a"]["kernel"])
    task = ws.Task(ws.Data(ws.from_arrays(X, (X[:, 0] > 0).astype(int))), ws.CrossEntropy())
    run = ws.Run(model, task, ws.Full(), ws.Recipe(ws.Sgd(0.1), "2it", batch=20), ws.Seeds(0))
    return run.digest, ws.sweep([run], out).test_loss[0]


@pytest.fixture
def setting():
    """Sets one of JAX's settings, and puts it back."""
    before = {}

    def change(name, value):
        before.setdefault(name, getattr(jax.config, name))
        jax.config.update(name, value)

    yield change
    for name, value in before.items():
        jax.config.update(name, value)


def test_settings_of_random_numbers_change_no_run(setting, tmp_path):
    usual = small(tmp_path / "usual")
    for name, value in (("jax_threefry_partitionable", False), ("jax_default_prng_impl", "rbg")):
        setting(name, value)
    assert small(tmp_path / "other") == usual


@pytest.mark.parametrize(
    ("name", "value"), [("jax_threefry_partitionable", False), ("jax_default_prng_impl", "unsafe_rbg")]
)
def test_draws_are_those_of_every_session(setting, name, value):
    def drawn():
        with platform.arithmetic("float32", "highest"):
            return np.asarray(jax.random.normal(jax.random.key(3), (5,)))

    usual = drawn()
    setting(name, value)
    assert np.array_equal(drawn(), usual)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_random_seed_offset", 3),
        ("jax_high_dynamic_range_gumbel", True),
        ("jax_explicit_x64_dtypes", "allow"),
    ],
)
def test_settings_that_would_change_numbers_are_refused(setting, tmp_path, name, value):
    platform.check_settings()
    setting(name, value)
    with pytest.raises(InputError, match=rf"{name} is .* leave {name.upper()} unset"):
        ws.sweep([], tmp_path)
