import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from weightspace.errors import InputError
from weightspace.recipes.schedules import Constant, Cosine, Exponential, Linear, Piecewise, Steps

TOTAL = 40
PER_EPOCH = 10


def curve(schedule):
    steps = jnp.arange(TOTAL)
    return jax.vmap(lambda t: schedule.multiplier(t, jnp.int32(TOTAL), PER_EPOCH))(steps)


REFERENCES = {
    "constant": (Constant(), optax.constant_schedule(1.0)),
    "cosine": (Cosine(floor=0.1), optax.cosine_decay_schedule(1.0, TOTAL, alpha=0.1)),
    "linear": (Linear(floor=0.2), optax.linear_schedule(1.0, 0.2, TOTAL)),
    "exponential": (
        Exponential(2.0),
        optax.exponential_decay(1.0, 2 * PER_EPOCH, 0.1, staircase=False),
    ),
    "piecewise": (
        Piecewise((5.0, 12.0, 20.0), (0.3, 0.1, 0.03)),
        optax.piecewise_constant_schedule(1.0, {5: 0.3, 12: 1 / 3, 20: 0.3}),
    ),
    "steps": (
        Steps((1.0, 3.0), factor=0.5),
        optax.piecewise_constant_schedule(1.0, {PER_EPOCH: 0.5, 3 * PER_EPOCH: 0.5}),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_schedules_are_optax_s(name):
    ours, theirs = REFERENCES[name]
    with jax.numpy_dtype_promotion("standard"):
        expected = np.asarray([theirs(t) for t in range(TOTAL)])
    if name == "exponential":  # ours changes once an epoch
        expected = np.repeat(expected[::PER_EPOCH], PER_EPOCH)
    np.testing.assert_allclose(curve(ours), expected, rtol=2e-6)


def test_warm_up_rises_to_one_and_shifts_the_rest():
    warm = np.asarray(curve(Cosine(warmup=8)))
    np.testing.assert_allclose(warm[:8], np.arange(1, 9) / 8)
    with jax.numpy_dtype_promotion("standard"):
        rest = [optax.cosine_decay_schedule(1.0, TOTAL - 8)(t) for t in range(TOTAL - 8)]
    np.testing.assert_allclose(warm[8:], np.asarray(rest), rtol=1e-6, atol=1e-7)


def test_lengths_and_numbers_may_be_traced():
    @jax.jit
    def at(schedule, t, total):
        return schedule.multiplier(t, total, PER_EPOCH)

    for floor, total in [(0.0, 20), (0.3, 77)]:
        got = at(Cosine(floor=floor, warmup=2.0), jnp.int32(9), jnp.int32(total))
        expected = Cosine(floor=floor, warmup=2.0).multiplier(jnp.int32(9), jnp.int32(total), PER_EPOCH)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert at._cache_size() == 1


@pytest.mark.parametrize(
    ("boundaries", "shares", "message"),
    [
        ((), (), "rising"),
        ((3.0, 1.0), (0.1, 0.2), "rising"),
        ((1.0, 3.0), (0.1,), "1 shares .* 2 boundaries"),
    ],
)
def test_boundaries_rise_and_have_a_share_each(boundaries, shares, message):
    with pytest.raises(InputError, match=message):
        Piecewise(boundaries, shares)
