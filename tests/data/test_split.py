import jax
import numpy as np
import pytest

from tests.traced import traced_seeds
from weightspace.data.split import held_out, partition
from weightspace.streams import Stream, key

SIZE = 1_000


def rows(seed, validation, subset):
    return partition(key(traced_seeds(seed), Stream.SPLIT), SIZE, validation, subset)


@pytest.mark.parametrize(
    ("validation", "subset", "expected"),
    [
        (0, None, (None, None)),
        (100, None, (900, 100)),
        (0, 50, (50, None)),
        (100, 300, (300, 100)),
        (1, 999, (999, 1)),
    ],
)
def test_sizes_are_exact_and_parts_disjoint(validation, subset, expected):
    train, held = rows(0, validation, subset)
    assert (None if train is None else len(train), None if held is None else len(held)) == expected
    if train is not None:
        drawn = np.concatenate([train, [] if held is None else held]).astype(int)
        assert len(set(drawn.tolist())) == len(drawn)
        assert drawn.min() >= 0
        assert drawn.max() < SIZE
        assert train.dtype == np.int32


def test_without_a_subset_every_row_is_used():
    train, held = rows(3, 137, None)
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(SIZE))


def test_smaller_subsets_lie_in_larger_ones_and_validation_stays():
    small, held = rows(1, 100, 50)
    large, same = rows(1, 100, 400)
    assert set(small.tolist()) < set(large.tolist())
    assert np.array_equal(held, same)


def test_seeds_differ_and_vmap_jit_and_64_bits_agree():
    alone = [rows(seed, 100, 200) for seed in range(4)]
    assert len({tuple(train.tolist()) for train, _ in alone}) == 4
    together = jax.jit(jax.vmap(lambda seed: rows(seed, 100, 200)))(np.arange(4, dtype=np.uint32))
    for seed in range(4):
        assert np.array_equal(together[0][seed], alone[seed][0])
        assert np.array_equal(together[1][seed], alone[seed][1])
    with jax.enable_x64(True):
        assert np.array_equal(rows(2, 100, 200)[0], alone[2][0])


def test_rows_are_spread_over_the_whole_set():
    train, _ = rows(0, 0, 500)
    # The mean of 500 of 1,000 numbers drawn without replacement has standard deviation 9.1.
    assert abs(np.mean(train) - 499.5) < 5 * 9.1


def test_held_out_is_stratified_and_fixed():
    labels = np.repeat(np.arange(4), [10, 25, 40, 28]).astype(np.int32)
    train, test = held_out(labels)
    assert len(test) == 21
    assert sorted([*train, *test]) == list(range(103))
    for number, count in enumerate([10, 25, 40, 28]):
        assert abs(np.sum(labels[test] == number) - count / 5) < 1
    assert np.array_equal(test, held_out(labels)[1])
    assert held_out(np.zeros(20, np.float32))[1].tolist() == [0, 1, 15, 19]
