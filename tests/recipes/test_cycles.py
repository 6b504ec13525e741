"""Plateaus and cycles: against the original's numbers, and where the networks of an average are taken."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.probes import Average
from weightspace.recipes.cycles import Cycles, Plateau


def curve(schedule, epochs, per_epoch=1):
    steps = jnp.arange(epochs * per_epoch)
    return np.asarray(
        jax.vmap(lambda t: schedule.multiplier(t, jnp.int32(epochs * per_epoch), per_epoch))(steps)
    )


def test_a_plateau_is_the_high_constant_rate_of_averages():
    """The rate .1 until half of the training, linear to .05 at nine tenths, then constant; 160 epochs."""
    found = curve(Plateau(per="epoch"), 160)
    t = np.arange(160) / 160
    line = 1 - 0.5 * (t - 0.5) / 0.4
    np.testing.assert_allclose(found, np.where(t <= 0.5, 1, np.where(t < 0.9, line, 0.5)), rtol=1e-5)


@pytest.mark.parametrize(
    ("models", "borders"),
    [
        (2, (120, 160)),
        (3, (120, 140, 160)),
        (4, (120, 133, 146, 160)),
        (5, (120, 130, 140, 150, 160)),
        (6, (120, 128, 136, 144, 152, 160)),
    ],
)
def test_borders_of_cycles_are_the_original_s_at_160_epochs_and_those_of_the_average(models, borders):
    schedule = Cycles(models - 1)
    assert schedule.borders(160) == borders
    found = Average("75%", "1ep", count=models).moments(160 * 7, 7)
    assert found == tuple(7 * border for border in borders)
    values = curve(schedule, 160)
    for begin, until in itertools.pairwise(borders):
        each = [0.25 * (1 + math.cos(math.pi * k / (until - begin))) for k in range(until - begin)]
        np.testing.assert_allclose(values[begin:until], each, rtol=1e-5, atol=1e-7)
    first = [0.5 * (1 + math.cos(math.pi * k / 120)) for k in range(120)]
    np.testing.assert_allclose(values[:120], first, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("epochs", [10, 20, 37, 300])
@pytest.mark.parametrize("begin", [0.0, 0.5, 0.7, 0.75])
@pytest.mark.parametrize("cycles", [1, 3])
def test_borders_scale_with_the_length_and_the_rate_jumps_there(epochs, begin, cycles):
    """Traced and plain numbers agree: a cycle begins at each border but the last, and nowhere else."""
    schedule = Cycles(cycles, begin=begin, top=0.5)
    values, borders = curve(schedule, epochs), schedule.borders(epochs)
    assert borders[-1] == epochs
    jumps = {*(np.flatnonzero(np.diff(values) > 0) + 1)}
    assert jumps <= {*borders[:-1]}
    # A cycle of one epoch has no fall, so that none rises after it.
    assert jumps >= {b for a, b in itertools.pairwise(borders[:-1]) if b - a > 1}
    np.testing.assert_allclose(values[list(borders[:-1])], 0.5, rtol=1e-6)


def test_cycles_by_step_and_by_epoch():
    by_step, by_epoch = Cycles(2, begin=0, top=1, per="step"), Cycles(2, begin=0, top=1)
    np.testing.assert_allclose(curve(by_step, 10), curve(by_epoch, 10))
    np.testing.assert_allclose(curve(by_epoch, 10, 4), np.repeat(curve(by_epoch, 10), 4))
    assert np.unique(curve(by_step, 10, 4)[:20]).size == 20


def test_a_warm_up_moves_no_border():
    plain, warm = (curve(Cycles(2, warmup=each), 40) for each in (None, 5.0))
    np.testing.assert_allclose(warm[:5], np.arange(1, 6) / 5)
    np.testing.assert_allclose(warm[5:30], 0.5 * (1 + np.cos(np.pi * np.arange(25) / 25)), atol=1e-6)
    np.testing.assert_array_equal(warm[30:], plain[30:])
    flat = curve(Plateau(warmup=5.0, per="epoch"), 40)
    np.testing.assert_array_equal(flat[5:], curve(Plateau(per="epoch"), 40)[5:])


def test_numbers_of_cycles_may_be_traced():
    @jax.jit
    def at(schedule, total):
        return schedule.multiplier(jnp.int32(31), total, 1)

    for cycles, total in ((1, 40), (2, 40), (3, 160)):
        schedule = Cycles(cycles)
        expected = schedule.multiplier(jnp.int32(31), jnp.int32(total), 1)
        np.testing.assert_allclose(at(schedule, jnp.int32(total)), expected, rtol=1e-6)
    assert at._cache_size() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cycles(0), "cycles is 0"),
        (lambda: Cycles(2, begin=1.0), "begin is 1"),
        (lambda: Cycles(2, top=0.1, floor=0.2), "floor is 0.2"),
        (lambda: Cycles(5).borders(10), "5 cycles do not fit between 7 and 10.* take at most 3"),
        (lambda: Plateau(begin=0.9, until=0.5), "begin is 0.9"),
        (lambda: Plateau(until=1.5), "until is 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
