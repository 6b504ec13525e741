import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.data.order import spread_order
from weightspace.streams import Seeds
from weightspace.training.order import batch_at, epoch_order


def batches(size, batch, remainder):
    order = epoch_order(Seeds(0), jnp.int32(0), size, None)
    count = size // batch + (1 if size % batch and remainder != "drop" else 0)
    return [batch_at(order, jnp.int32(i), batch, remainder) for i in range(count)]


def test_an_epoch_is_a_permutation_and_epochs_differ():
    first, second = (np.asarray(epoch_order(Seeds(3), jnp.int32(e), 50, None)) for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert list(first) != list(second)
    np.testing.assert_array_equal(first, epoch_order(Seeds(3, init=9), jnp.int32(0), 50, None))


def test_a_run_s_own_examples_are_permuted():
    chosen = jnp.asarray([7, 3, 11], jnp.int32)
    assert sorted(np.asarray(epoch_order(Seeds(0), jnp.int32(0), 3, chosen))) == [3, 7, 11]


def test_short_batches_see_each_example_once():
    seen, weights = zip(*batches(10, 4, "short"), strict=True)
    real = np.concatenate(seen)[np.concatenate(weights) > 0]
    assert sorted(real) == list(range(10))
    np.testing.assert_array_equal(weights[-1], [1, 1, 0, 0])


def test_dropped_batches_are_full():
    found = batches(10, 4, "drop")
    assert len(found) == 2
    assert all(np.all(w == 1) for _, w in found)


def test_wrapped_batches_begin_again():
    found = batches(10, 4, "wrap")
    assert all(np.all(w == 1) for _, w in found)
    np.testing.assert_array_equal(found[-1][0][2:], found[0][0][:2])


@pytest.mark.parametrize("size", [1, 2, 7, 360, 1437, 60000])
def test_spread_order_is_a_permutation_evenly_spread(size):
    order = spread_order(size)
    assert sorted(order) == list(range(size))
    if size > 1000:
        head = np.sort(order[: size // 10])
        assert np.diff(head).max() < 10 * 4
