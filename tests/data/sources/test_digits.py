import numpy as np

from weightspace.data import Digits
from weightspace.spec import canonical_json


def test_counts_and_forms():
    loaded = Digits().loaded
    assert loaded.train.x.shape == (1_437, 8, 8, 1)
    assert loaded.test.x.shape == (360, 8, 8, 1)
    assert loaded.train.x.dtype == np.uint8
    assert (loaded.train.x.min(), loaded.train.x.max(), loaded.full_scale) == (0, 16, 16.0)
    assert loaded.classes == 10


def test_split_is_stratified_and_complete():
    from sklearn.datasets import load_digits

    loaded = Digits().loaded
    together = np.concatenate([loaded.train.y, loaded.test.y])
    flat, target = load_digits(return_X_y=True)
    counts = np.bincount(target)
    assert np.array_equal(np.bincount(together), counts)
    assert np.abs(np.bincount(loaded.test.y) - counts / 5).max() < 1
    rows = {
        (*image.ravel().tolist(), label)
        for part in (loaded.train, loaded.test)
        for image, label in zip(*part, strict=True)
    }
    assert rows == {(*image.astype(int).tolist(), label) for image, label in zip(flat, target, strict=True)}


def test_statistics():
    # Known of the set: mean grey 4.884, deviation 6.017 of 16.
    loaded = Digits().loaded
    everything = np.concatenate([loaded.train.x, loaded.test.x])
    assert abs(everything.mean() - 4.884) < 1e-3
    assert abs(everything.std() - 6.017) < 1e-3


def test_the_content_is_pinned():
    """If this fails, all results on digits change: that must be meant."""
    assert Digits().loaded.digest == "28bd7127f5cba344e9b6b9be32e76381"
    assert canonical_json(Digits()) == '{"content":"28bd7127f5cba344e9b6b9be32e76381","kind":"data.Source"}'
