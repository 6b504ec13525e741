import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weightspace as ws
from tests.traced import traced_seeds
from weightspace.data.noise import noisy_labels, stored_labels
from weightspace.errors import InputError
from weightspace.streams import Stream, key

N, CLASSES = 40_000, 10
TRUE = (np.arange(N) % CLASSES).astype(np.int32)


def noisy(rate, seed=0):
    return noisy_labels(key(traced_seeds(seed), Stream.NOISE), jnp.asarray(TRUE), CLASSES, rate)


def within(count, n, p):
    return abs(count - n * p) <= 5 * np.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_share_of_changed_labels(rate):
    changed = np.asarray(noisy(rate)) != TRUE
    assert within(changed.sum(), N, rate * (CLASSES - 1) / CLASSES)


def test_replacements_are_uniform_over_all_classes():
    drawn = np.bincount(noisy(1.0), minlength=CLASSES)
    assert drawn.sum() == N
    assert all(within(count, N, 1 / CLASSES) for count in drawn)


def test_no_noise_changes_nothing():
    assert np.array_equal(noisy(0.0), TRUE)
    assert noisy(0.5).dtype == np.int32


def test_noise_grows_by_adding():
    some, more = noisy(0.2), noisy(0.5)
    changed = some != TRUE
    assert np.array_equal(some[changed], more[changed])
    assert np.sum(more != TRUE) > np.sum(changed)


def test_same_seed_same_labels_under_vmap_jit_and_64_bits():
    seeds, rates = np.arange(3, dtype=np.uint32), np.array([0.1, 0.2, 0.3], np.float32)
    together = jax.jit(jax.vmap(lambda seed, rate: noisy(rate, seed)))(seeds, rates)
    for row in range(3):
        assert np.array_equal(together[row], noisy(float(rates[row]), row))
    assert not np.array_equal(noisy(0.2, 0), noisy(0.2, 1))
    with jax.enable_x64(True):
        assert np.array_equal(noisy(0.2, 1), together[1])


def test_stored_noise_replaces_a_whole_share_once():
    """So many labels as the share says, the same for all runs; a smaller share is part of a larger one."""
    some, more = (np.asarray(stored_labels(3, jnp.asarray(TRUE), CLASSES, share)) for share in (0.2, 0.5))
    other = np.asarray(stored_labels(4, jnp.asarray(TRUE), CLASSES, 0.2))
    whole = np.asarray(stored_labels(3, jnp.asarray(TRUE), CLASSES, 1.0))
    changed = some != TRUE
    assert np.array_equal(some[changed], more[changed])
    assert within(changed.sum(), int(0.2 * N), (CLASSES - 1) / CLASSES)
    assert not np.array_equal(some, other)
    # A label that is replaced becomes what it becomes at any share; of n labels exactly share · n are.
    marked = np.asarray(stored_labels(3, jnp.full(N, -1, jnp.int32), CLASSES, 0.2)) >= 0
    assert marked.sum() == 0.2 * N
    assert np.array_equal(some, np.where(marked, whole, TRUE))


def test_stored_noise_of_data_is_of_the_training_labels_alone():
    data = ws.make_data("digits", noise=0.5, noise_seed=1, validation=100)
    arrays, seeds = data.arrays(), [ws.Seeds(seed) for seed in (0, 7)]
    first, second = (np.asarray(data.labels(arrays, each)) for each in seeds)
    assert np.array_equal(first, second)
    assert np.array_equal(arrays.train.y, ws.make_data("digits").arrays().train.y)
    assert data.digest != ws.make_data("digits", noise=0.5, validation=100).digest
    with pytest.raises(InputError, match="noise_seed is 1, but there is no label noise"):
        ws.make_data("digits", noise_seed=1)
