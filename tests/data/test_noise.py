import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.traced import traced_seeds
from weightspace.data.noise import noisy_labels
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
