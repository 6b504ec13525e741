"""The real sets: known counts and statistics, and how long a second load takes."""

import time

import numpy as np
import pytest

from weightspace.data import Data, Hub, make_data

pytestmark = pytest.mark.real_data


def test_mnist():
    data = make_data("mnist", normalise="standard")
    loaded = data.source.loaded
    assert loaded.train.x.shape == (60_000, 28, 28, 1)
    assert loaded.test.x.shape == (10_000, 28, 28, 1)
    assert (data.classes, loaded.full_scale) == (10, 255)
    assert np.bincount(loaded.train.y).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(loaded.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    arrays = data.arrays()
    assert abs(arrays.shift.item() / 255 - 0.1307) < 5e-5
    assert abs(1 / arrays.scale.item() / 255 - 0.3081) < 5e-5
    data.check()
    start = time.perf_counter()
    again = Hub("mnist")
    assert Data(again, normalise="standard").digest == data.digest
    assert time.perf_counter() - start < 2


def test_cifar10():
    data = make_data("cifar10", normalise="standard")
    loaded = data.source.loaded
    assert loaded.train.x.shape == (50_000, 32, 32, 3)
    assert np.bincount(loaded.train.y).tolist() == [5_000] * 10
    assert np.bincount(loaded.test.y).tolist() == [1_000] * 10
    arrays = data.arrays()
    assert np.abs(arrays.shift.ravel() / 255 - (0.4914, 0.4822, 0.4465)).max() < 0.01
    assert np.abs(1 / arrays.scale.ravel() / 255 - (0.247, 0.2435, 0.2616)).max() < 0.01
    data.check()
