import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.masks.shuffle import shuffled

KEYS = jax.random.split(jax.random.key(1, impl="threefry2x32"), 3000)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_chosen_entries_are_permuted_and_others_rest(share):
    rng = np.random.default_rng(0)
    values, among = rng.standard_normal((20, 30)).astype(np.float32), rng.random((20, 30)) < share
    found = np.asarray(shuffled(jnp.asarray(values), jnp.asarray(among), KEYS[0]))
    np.testing.assert_array_equal(found[~among], values[~among])
    np.testing.assert_array_equal(np.sort(found[among]), np.sort(values[among]))
    assert share == 0 or np.mean(found[among] == values[among]) < 0.05


def test_every_order_is_equally_likely():
    """3! orders of three entries, 500 expected of each: standard deviation 20."""
    values, among = jnp.asarray([7, 0, 1, 7, 2]), jnp.asarray([False, True, True, False, True])
    found = np.asarray(jax.vmap(lambda k: shuffled(values, among, k))(KEYS))
    assert np.all(found[:, [0, 3]] == 7)
    _, counts = np.unique(found[:, [1, 2, 4]], axis=0, return_counts=True)
    assert len(counts) == 6
    np.testing.assert_allclose(counts, 500, atol=100)


def test_the_mask_may_be_traced_and_batched():
    values = jnp.arange(12.0).reshape(3, 4)
    among = jnp.asarray(np.random.default_rng(0).random((5, 3, 4)) < 0.6)
    many = jax.jit(jax.vmap(lambda m, k: shuffled(values, m, k)))(among, KEYS[:5])
    for row in range(5):
        np.testing.assert_array_equal(many[row], shuffled(values, among[row], KEYS[row]))
