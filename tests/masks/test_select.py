"""Selecting the k best inside compiled code: exactly as many as asked for, the right ones, ties by key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from weightspace.masks.select import _scattered, best

KEY = jax.random.key(0, impl="threefry2x32")
FEW = [-1.5, -1.0, -0.0, 0.0, 1e-45, 0.5, 1.0, 2.0, np.inf, -np.inf]


JITTED = jax.jit(best)


def chosen(scores, among, count, key=KEY):
    return np.asarray(JITTED(jnp.asarray(scores), jnp.asarray(among), jnp.int32(count), key))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_chosen_are_the_best_and_exactly_as_many(data):
    size = 7
    scores = data.draw(hnp.arrays(np.float32, size, elements=st.sampled_from(FEW[:4] + FEW[5:])))
    among = data.draw(hnp.arrays(bool, size))
    count = data.draw(st.integers(-1, size + 1))
    found = chosen(scores, among, count)
    assert found.sum() == np.clip(count, 0, among.sum())
    assert not (found & ~among).any()
    left = scores[among & ~found]
    assert not left.size or not found.any() or scores[found].min() >= left.max()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float64])
def test_against_a_sort(dtype):
    with jax.enable_x64(dtype == jnp.float64):
        scores = jax.random.normal(KEY, (997,), dtype)
        order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
        for count in (0, 1, 500, 997):
            found = chosen(scores, np.ones(997, bool), count)
            worst = np.sort(-np.asarray(scores, np.float64))[count - 1] if count else -np.inf
            assert found.sum() == count
            assert (-np.asarray(scores, np.float64)[found] <= worst).all()
            if dtype != jnp.bfloat16:
                np.testing.assert_array_equal(np.flatnonzero(found), np.sort(order[:count]))


def test_zeros_of_both_signs_are_equal_and_each_is_chosen_as_often():
    scores = np.where(np.arange(40) % 2, 0.0, -0.0).astype(np.float32)
    keys = jax.vmap(lambda i: jax.random.fold_in(KEY, i))(jnp.arange(200))
    among = jnp.ones(40, bool)
    draws = np.asarray(jax.vmap(lambda key: best(jnp.asarray(scores), among, jnp.int32(10), key))(keys))
    assert (draws.sum(1) == 10).all()
    # 200 draws of 1 in 4: 50 +- 6.1 each; five standard deviations.
    assert np.abs(draws.sum(0) - 50).max() < 31
    assert abs(draws[:, ::2].sum() - 1000) < 5 * np.sqrt(2000 * 0.25)


def test_ties_follow_the_key_alone():
    scores, among = np.zeros(1000, np.float32), np.ones(1000, bool)
    first, again = chosen(scores, among, 300), chosen(scores, among, 300)
    other = chosen(scores, among, 300, jax.random.fold_in(KEY, 1))
    np.testing.assert_array_equal(first, again)
    assert 50 < (first & other).sum() < 130  # 90 expected of independent draws


def test_no_two_entries_share_a_place():
    assert len(np.unique(np.asarray(_scattered(KEY, 200_000)))) == 200_000


def test_counts_may_differ_from_run_to_run():
    scores = jax.random.normal(KEY, (3, 50))
    among = jnp.ones((3, 50), bool)
    keys = jax.random.split(KEY, 3)
    counts = jnp.asarray([0, 7, 50], jnp.int32)
    together = np.asarray(jax.jit(jax.vmap(best))(scores, among, counts, keys))
    np.testing.assert_array_equal(together.sum(1), [0, 7, 50])
    for i in range(3):
        np.testing.assert_array_equal(together[i], chosen(scores[i], among[i], counts[i], keys[i]))
