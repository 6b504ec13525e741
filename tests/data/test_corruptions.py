"""Corruptions: fifteen ways at five severities, by their formulas; published folders."""

import numpy as np
import pytest
from scipy import ndimage

import weightspace as ws
from weightspace.data import make_data
from weightspace.data.content import Split
from weightspace.data.corruptions import SEVERITIES, WAYS, corrupted
from weightspace.data.corruptions.copies import Corruption, files_of
from weightspace.derived.compared import worse
from weightspace.errors import DataError, InputError

RNG = np.random.default_rng(0)


def smooth(count, side, channels):
    found = ndimage.gaussian_filter(RNG.normal(size=(count, side, side, channels)), (0, 1.5, 1.5, 0))
    low, high = found.min(), found.max()
    return np.rint(40 + (found - low) / (high - low) * 175).astype(np.uint8)


IMAGES = smooth(16, 32, 3)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("images", [IMAGES, smooth(8, 28, 1)], ids=["colour", "grey"])
def test_each_is_8_bits_the_same_for_a_seed_and_worse_with_severity(name, images):
    found = [corrupted(images, name, severity) for severity in SEVERITIES]
    errors = [np.mean((each.astype(float) - images) ** 2) for each in found]
    assert all(each.dtype == np.uint8 and each.shape == images.shape for each in found)
    assert errors[0] > 0
    assert np.all(np.diff(errors) > 0)
    assert np.array_equal(found[2], corrupted(images, name, 3))


def test_there_are_fifteen_of_four_families():
    families = [way.family for way in WAYS.values()]
    assert {name: families.count(name) for name in families} == {
        "noise": 3, "blur": 4, "weather": 4, "digital": 4,
    }  # fmt: skip


def test_seeds_draw_and_formulas_do_not():
    drawn = {
        name for name in WAYS if not np.array_equal(corrupted(IMAGES, name, 3), corrupted(IMAGES, name, 3, 1))
    }
    plain = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert drawn == set(WAYS) - plain


def test_contrast_by_its_formula():
    x = IMAGES / 255
    mean = x.mean(axis=(1, 2), keepdims=True)
    expected = np.rint(((x - mean) * 0.4 + mean).clip(0, 1) * 255)
    assert np.abs(corrupted(IMAGES, "contrast", 3) - expected).max() <= 1


def test_brightness_adds_to_the_largest_channel_and_keeps_hue():
    image = np.asarray([[[[100, 50, 0], [0, 0, 0], [255, 255, 255]]]], np.uint8)
    found = corrupted(image, "brightness", 5)[0, 0]
    value = 100 + 0.3 * 255
    expected = [[value, value / 2, 0], [0.3 * 255] * 3, [255] * 3]
    assert np.abs(found - np.asarray(expected)).max() <= 0.51


def test_noise_has_its_deviation_and_shares():
    grey = np.full((40, 32, 32, 1), 128, np.uint8)
    assert np.std(corrupted(grey, "gaussian_noise", 3) / 255) == pytest.approx(0.08, rel=0.02)
    found = corrupted(grey, "impulse_noise", 5)
    assert np.mean(found == 0) == pytest.approx(0.035, rel=0.1)
    assert np.mean(found == 255) == pytest.approx(0.035, rel=0.1)
    x = 128 / 255
    assert np.var(corrupted(grey, "shot_noise", 4) / 255) == pytest.approx(x / 75, rel=0.03)


def test_pixels_become_means_of_squares():
    image = RNG.integers(0, 255, (1, 32, 32, 1)).astype(np.uint8)
    means = image.reshape(1, 16, 2, 16, 2, 1).mean(axis=(2, 4))
    expected = np.rint(means.repeat(2, axis=1).repeat(2, axis=2))
    assert np.abs(corrupted(image, "pixelate", 4) - expected).max() <= 1


def folder(tmp_path, count=10, labels=None, images=None):
    y = np.tile(np.arange(count) % 3, 5)
    x = RNG.integers(0, 255, (5 * count, 4, 4, 3)).astype(np.uint8)
    np.save(tmp_path / "fog.npy", x if images is None else images)
    np.save(tmp_path / "labels.npy", y if labels is None else labels)
    return x, y


TEST = Split(np.zeros((10, 4, 4, 3), np.uint8), (np.arange(10) % 3).astype(np.int32))


def test_a_published_folder_has_severities_stacked(tmp_path):
    x, y = folder(tmp_path)
    for severity in SEVERITIES:
        found = Corruption.published(tmp_path, "fog", severity).of(TEST)
        part = slice((severity - 1) * 10, severity * 10)
        assert np.array_equal(found.x, x[part])
        assert np.array_equal(found.y, y[part])
        assert found.y.dtype == np.int32
    assert files_of(tmp_path) == ("fog",)


def test_its_identity_is_its_content(tmp_path):
    folder(tmp_path)
    first = Corruption.published(tmp_path, "fog", 1)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("fog.npy", "labels.npy"):
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    assert Corruption.published(moved, "fog", 1) == first
    assert Corruption.published(tmp_path, "fog", 2) != first
    folder(tmp_path)
    assert Corruption.published(tmp_path, "fog", 1) != first
    with pytest.raises(DataError, match="has changed since it was named"):
        first.of(TEST)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"labels": np.zeros(49, int)}, "has 50 images and labels.npy 49 labels; both must be of one length"),
        ({"images": np.zeros((48, 4, 4, 3), np.uint8), "labels": np.zeros(48, int)}, "has 48 images"),
        ({"images": np.zeros((50, 4, 4, 3))}, "holds float64 of shape"),
        ({"images": np.zeros((50, 5, 4, 3), np.uint8)}, r"must hold uint8 of shape \(5 n, 4, 4, 3\)"),
        ({"labels": np.full(50, 3)}, "has the label 3, which the set has not"),
        ({"labels": np.zeros(50)}, "must hold whole numbers"),
    ],
)
def test_other_folders_are_refused(tmp_path, given, text):
    folder(tmp_path, **given)
    with pytest.raises(DataError, match=text):
        Corruption.published(tmp_path, "fog", 1).of(TEST)


def test_files_that_are_missing_or_no_arrays(tmp_path):
    folder(tmp_path)
    with pytest.raises(DataError, match=r"has no file frog\.npy; did you mean fog\.npy"):
        Corruption.published(tmp_path, "frog", 1)
    with pytest.raises(DataError, match="there is no folder"):
        Corruption.published(tmp_path / "other", "fog", 1)
    (tmp_path / "fog.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="cannot be read as an array"):
        Corruption.published(tmp_path, "fog", 1).of(TEST)


def test_a_set_by_name_trains_on_the_same_and_is_tested_on_worse():
    clean, worse = make_data("digits"), make_data("digits:corruption=contrast,severity=4")
    assert worse.name == "digits:corruption=contrast,severity=4"
    assert np.array_equal(worse.source.loaded.train.x, clean.source.loaded.train.x)
    expected = corrupted(np.asarray(clean.source.loaded.test.x), "contrast", 4, white=16)
    assert np.array_equal(worse.source.loaded.test.x, expected)
    assert worse.digest != clean.digest
    both = make_data("digits:classes=3,6,corruption=fog")
    assert both.classes == 2
    assert make_data(both.name) == both


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("digits:corruption=fogg", "unknown corruption 'fogg'; did you mean 'fog'"),
        ("digits:severity=2", "names no corruption"),
        ("digits:corruption=fog,severity=6", r"severity is 6, but must lie in \[1, 5\]"),
        ("digits:train_each=2,corruption=fog", "chooses no classes"),
    ],
)
def test_names_that_make_no_sense(name, text):
    with pytest.raises(InputError, match=text):
        make_data(name)


def test_what_are_no_images_is_refused():
    with pytest.raises(DataError, match=r"images .* of uint8, not of float32"):
        corrupted(np.zeros((2, 4, 4, 1), np.float32), "fog", 1)  # pyright: ignore[reportArgumentType]
    assert ws.Corruption("fog", 1) != ws.Corruption("fog", 1, seed=1)


def test_images_of_another_full_scale_are_as_bright_as_it_says():
    """White is 16 in digits: the same images in bytes give the same grey values, and none is brighter."""
    digits = make_data("digits").source.loaded
    assert digits.full_scale == 16
    wide = (np.asarray(digits.test.x[:40]) * 15).astype(np.uint8)
    for name in WAYS:
        found = np.asarray(make_data(f"digits:corruption={name},severity=3").source.loaded.test.x[:40])
        expected = corrupted(wide, name, 3, white=240) / 15
        # Noise of a batch is drawn for as many images as it has.
        if name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate"):
            assert np.abs(found - expected).max() <= 0.51 + 0.5 / 15
        assert found.max() <= 16
        asked = worse(make_data("digits"), Corruption(name, 3))
        assert asked is not None
        assert np.array_equal(asked.test.x[:40], found)
        assert np.mean(np.abs(found - np.asarray(digits.test.x[:40], float))) < 5
