import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from weightspace.errors import InputError
from weightspace.models.pooling import POOLS, average_pool, global_average_pool, max_pool

SIZES = (1, 2, 3, 5)


def images(height=11, width=10):
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, height, width, 3)), jnp.float32)


def by_windows(x, size, start, combine):
    return lax.reduce_window(x, start, combine, (1, size, size, 1), (1, size, size, 1), "VALID")


@pytest.mark.parametrize("size", SIZES)
def test_average_is_that_of_xla(size):
    expected = by_windows(images(), size, 0.0, lax.add) / size**2
    np.testing.assert_allclose(average_pool(images(), size), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_maximum_is_that_of_xla(size):
    assert jnp.array_equal(max_pool(images(), size), by_windows(images(), size, -jnp.inf, lax.max))


@pytest.mark.parametrize("size", SIZES)
def test_gradient_of_the_average_is_spread_evenly_and_rows_cut_off_have_none(size):
    gradient = jax.grad(lambda x: jnp.sum(average_pool(x, size)))(images())
    rows, columns = 11 // size * size, 10 // size * size
    np.testing.assert_allclose(gradient[:, :rows, :columns], 1 / size**2, rtol=1e-6)
    assert not gradient[:, rows:].any()
    assert not gradient[:, :, columns:].any()


@pytest.mark.parametrize("size", SIZES)
def test_gradient_of_the_maximum_goes_to_one_entry_of_each_window(size):
    x = images()
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x, size)))(x)
    assert set(np.unique(gradient)) <= {0.0, 1.0}
    assert gradient.sum() == max_pool(x, size).size
    assert jnp.sum(gradient * x) == pytest.approx(float(jnp.sum(max_pool(x, size))), rel=1e-5)


def test_of_equal_entries_the_first_has_the_gradient():
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x, 3)))(jnp.zeros((1, 3, 3, 1)))
    assert gradient.reshape(-1).tolist() == [1.0] + [0.0] * 8


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_what_is_not_a_number_stays_so(pool, place):
    x = jnp.ones((1, 2, 2, 1)).at[0, place[0], place[1], 0].set(jnp.nan)
    assert jnp.isnan(pool(x, 2)).all()


def test_global_average_takes_the_whole_image():
    np.testing.assert_allclose(global_average_pool(images()), np.mean(images(), axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("pool", [*POOLS.values(), lambda x, _: global_average_pool(x)])
def test_the_type_is_kept(pool, dtype):
    assert pool(images().astype(dtype), 2).dtype == dtype


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_an_image_smaller_than_the_window_is_refused(pool):
    with pytest.raises(InputError, match="1 × 4 are smaller than a pooling window of 2 × 2"):
        pool(images(1, 4), 2)
