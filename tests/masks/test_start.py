"""Starts of sparse networks: variance 2 / k_i of each unit, zeros elsewhere."""

import jax
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.masks.start import sparse_start

KEY = jax.random.key(0)


def test_variance_goes_by_the_inputs_of_each_unit():
    mask = np.zeros((4000, 5), bool)
    for unit, ones in enumerate((4000, 2000, 500, 0, 1000)):
        mask[:ones, unit] = True
    for rule, more in (("kaiming", 0), ("xavier", 4)):
        w = sparse_start(mask, 1, rule, KEY)
        assert w.dtype == np.float32
        assert (w[~mask] == 0).all()
        for unit, ones in enumerate(mask.sum(0)):
            if ones:
                kept = w[mask[:, unit], unit]
                expected = 2 / (ones + more)
                # A truncated normal number's square has the variance 0.31 of its mean's square, roughly.
                assert abs(kept.var() / expected - 1) < 5 * np.sqrt(1.4 / ones)
                assert np.abs(kept).max() <= 2 * np.sqrt(expected) / 0.8796


def test_convolutions_and_whole_dead_layers():
    mask = np.random.default_rng(0).random((3, 3, 40, 6)) < 0.5
    w = sparse_start(mask, 3, "kaiming", KEY)
    ones = mask.sum(axis=(0, 1, 2))
    variance = (w**2).sum(axis=(0, 1, 2)) / ones
    np.testing.assert_allclose(variance * ones / 2, 1, atol=5 * np.sqrt(1.4 / ones.min()))
    other = sparse_start(np.moveaxis(mask, 3, 0), 0, "kaiming", KEY)
    assert other.shape == (6, 3, 3, 40)
    assert not sparse_start(np.zeros((4, 3), bool), 1, "xavier", KEY).any()
    with pytest.raises(InputError, match="did you mean 'kaiming'"):
        sparse_start(mask, 3, "kaimng", KEY)
