import numpy as np
import pytest

from weightspace.data.statistics import NORMALISATIONS, shift_and_scale
from weightspace.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (300, 4, 5, 3), dtype=np.uint8)
IMAGES[..., 2] //= 4


def decoded(rule, x=IMAGES, scale=255.0):
    shift, factor = shift_and_scale(rule, x, scale)
    assert shift.ndim == factor.ndim == x.ndim
    assert shift.dtype == factor.dtype == np.float64
    return (x - shift) * factor


def test_ranges():
    assert np.array_equal(decoded("none"), IMAGES)
    for rule, low, high in (("unit", 0, 1), ("centred", -0.5, 0.5), ("half", -1, 1)):
        values = decoded(rule)
        assert np.isclose(values.min(), low)
        assert np.isclose(values.max(), high)


def test_mean_image_leaves_no_mean_at_any_pixel_and_keeps_the_scale():
    values = decoded("mean_image")
    assert np.abs(values.mean(axis=0)).max() < 1e-12
    assert np.allclose(values[3] - values[7], (IMAGES[3].astype(float) - IMAGES[7]) / 255)


@pytest.mark.parametrize("x", [IMAGES, IMAGES.astype(np.float32), RNG.normal(5, 2, (150, 6))])
def test_standard_gives_each_channel_mean_0_and_deviation_1(x):
    values = decoded("standard", x)
    others = tuple(range(x.ndim - 1))
    assert np.abs(values.mean(axis=others)).max() < 1e-10
    assert np.abs(values.std(axis=others) - 1).max() < 1e-10


def test_a_constant_channel_is_zero():
    x = np.full((10, 2, 2, 1), 7, np.uint8)
    assert np.array_equal(decoded("standard", x), np.zeros_like(x, float))


def test_statistics_are_double_precision():
    # In float32 the mean of 10⁵ values near 10⁴ would be off by far more.
    x = np.full((100_000, 1), 10_000, np.float32)
    x[::2] += 1
    shift, scale = shift_and_scale("standard", x, None)
    assert shift[0, 0] == 10_000.5
    assert scale[0, 0] == 2


def test_unknown_rule_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'mean_image'"):
        shift_and_scale("mean-image", IMAGES, 255)
    assert len(set(NORMALISATIONS)) == 6
