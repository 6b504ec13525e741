"""An order by content: the same of every file that holds the same examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.data.order import content_order

RNG = np.random.default_rng(0)


def images(n):
    return RNG.integers(0, 256, (n, 5, 4, 1)).astype(np.uint8), RNG.integers(0, 10, n).astype(np.int32)


def whole_floats(n):
    """All differences are in the highest bits."""
    return np.arange(n, dtype=np.float32)[:, None] % 64, np.arange(n, dtype=np.float32)


def wide(n):
    return RNG.normal(size=(n, 3)), RNG.normal(size=(n, 2))


def flags(n):
    return RNG.integers(0, 2, (n, 40)).astype(bool), np.arange(n, dtype=np.int32)


@pytest.mark.parametrize("made", [images, whole_floats, wide, flags], ids=lambda f: f.__name__)
def test_it_does_not_depend_on_the_order_of_the_file(made):
    x, y = made(700)
    with jax.enable_x64(x.dtype == np.float64):
        order = np.asarray(jax.jit(content_order)(x, y))
        assert sorted(order) == list(range(700))
        for rows in (RNG.permutation(700), np.argsort(y.reshape(700, -1)[:, 0], kind="stable")):
            other = np.asarray(content_order(x[rows], y[rows]))
            np.testing.assert_array_equal(x[rows][other], x[order])
            np.testing.assert_array_equal(y[rows][other], y[order])


def test_every_beginning_is_a_fair_sample_of_a_sorted_file():
    x, y = np.arange(3000, dtype=np.float32)[:, None], np.arange(3000) // 300
    counts = np.bincount(y[np.asarray(content_order(x))[:1000]], minlength=10)
    assert counts.sum() == 1000
    assert (np.abs(counts - 100) < 4 * np.sqrt(100 * 0.9 * 2 / 3)).all()  # without replacement


def test_of_some_rows_only_and_in_lanes():
    x, y = images(100)
    rows = jnp.asarray(RNG.permutation(100)[:30].reshape(2, 15), jnp.int32)
    found = jax.vmap(lambda some: content_order(x, y, rows=some))(rows)
    whole = np.asarray(content_order(x, y)).tolist()
    for some, order in zip(np.asarray(rows), np.asarray(found), strict=True):
        assert sorted(order) == sorted(some)
        assert [whole.index(i) for i in order] == sorted(whole.index(i) for i in some)
