"""Fault 7: inputs keep their digits; constant columns do not blow up; what float32 merges is refused."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import weightspace as ws
from weightspace.data import Data, from_arrays
from weightspace.data.digits import decoded, decoding
from weightspace.errors import InputError

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(400, 1))
ZERO = np.zeros(400)


def on_device(data, part="train", dtype="float32"):
    """What a model is handed, in single precision unless asked otherwise."""
    arrays = jax.device_put(data.arrays())
    return np.asarray(data.decode(arrays, getattr(arrays, part).x, dtype))


def standardised(x, of=None):
    of = x if of is None else of
    return (x - of.mean(axis=0)) / of.std(axis=0)


WIDE = {
    "seconds as floats": 1.7e9 + 50 * NORMAL,
    "seconds as integers": (1_700_000_000 + 50 * NORMAL).astype(np.int64),
    "nanoseconds as integers": 1_700_000_000_000_000_000 + (1e3 * NORMAL).astype(np.int64),
    "near the end of int64": np.iinfo(np.int64).max - (1e6 * (NORMAL + 5)).astype(np.int64),
    "large negative floats": -3e12 + NORMAL,
    "float32 far from zero": (4e6 + NORMAL * 20).astype(np.float32),
}


@pytest.mark.parametrize("name", WIDE)
def test_standard_keeps_every_digit(name):
    x = WIDE[name]
    data = Data(from_arrays(x, ZERO), normalise="standard")
    found = on_device(data)
    train = data.source.loaded.train.x
    exact = standardised((train.astype(object) - int(x[0, 0])).astype(np.float64))
    assert found.dtype == np.float32
    assert len(np.unique(found)) == len(np.unique(train))
    assert np.abs(found - exact).max() < 1e-6
    assert abs(found.mean(dtype=np.float64)) < 1e-6
    assert found.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["seconds as floats", "nanoseconds as integers"])
def test_the_mean_image_is_taken_off_before_rounding(name):
    x = WIDE[name]
    data = Data(from_arrays(x, ZERO, x[:7], ZERO[:7]), normalise="mean_image")
    exact = (x - x[0, 0]).astype(np.float64)
    for part, values in (("train", exact), ("test", exact[:7])):
        found = on_device(data, part)
        assert np.abs(found - (values - exact.mean())).max() < 1e-3


def test_centred_by_the_full_scale():
    x = 2e9 * RNG.uniform(0.4999999, 0.5000001, size=(50, 3))
    data = Data(from_arrays(x, np.zeros(50), full_scale=2e9), normalise="half")
    assert np.allclose(on_device(data), (data.source.loaded.train.x - 1e9) / 1e9, rtol=1e-6, atol=0)


def test_columns_of_different_offsets():
    x = np.column_stack([1.7e18 + 1e6 * NORMAL[:, 0], NORMAL[:, 0], 1e-9 * NORMAL[:, 0]])
    found = on_device(Data(from_arrays(x, ZERO), normalise="standard"))
    assert np.abs(found[:, 1] - found[:, 2]).max() < 1e-5
    # 1.7e18 in float64 itself is rounded to 256.
    assert np.abs(found[:, 0] - found[:, 1]).max() < 1e-3


def test_the_test_part_has_the_training_part_s_statistics():
    x = WIDE["seconds as integers"]
    data = Data(from_arrays(x[:300], ZERO[:300], x[300:], ZERO[300:]), normalise="standard")
    assert np.abs(on_device(data, "test") - standardised(x[300:] - 1.7e9, x[:300] - 1.7e9)).max() < 1e-6


def test_double_precision_gets_more_than_single():
    data = Data(from_arrays(WIDE["seconds as floats"], ZERO), normalise="standard")
    with jax.enable_x64(True):
        found = on_device(data, dtype="float64")
    x = data.source.loaded.train.x
    assert found.dtype == np.float64
    assert np.abs(found - standardised(x - 1.7e9)).max() < 1e-12


@pytest.mark.parametrize(
    "column",
    [
        np.full(400, 0.1),
        np.full(400, 1e9),
        1e9 + 1e-7 * NORMAL[:, 0],
        0.3 * (1 + 1e-15 * NORMAL[:, 0]),
        1e20 * (1 + 1e-16 * NORMAL[:, 0]),
        np.full(400, 7, np.int64),
        np.full(400, 0.1, np.float32),
        (1e6 * (1 + 5e-8 * NORMAL[:, 0])).astype(np.float32),
    ],
    ids=["tenth", "large", "large-noise", "ulps", "huge-ulps", "whole", "single", "single-noise"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_columns_are_zero(column, dtype):
    data = Data(from_arrays(column[:, None], ZERO), normalise="standard")
    with jax.enable_x64(dtype == "float64"):
        assert np.abs(on_device(data, dtype=dtype)).max() < 1e-6


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e160])
def test_columns_of_any_size_have_deviation_one(size):
    data = Data(from_arrays(size * NORMAL, ZERO), normalise="standard")
    assert np.abs(on_device(data) - standardised(data.source.loaded.train.x / size)).max() < 1e-5
    single = (np.clip(size, 1e-37, 1e37) * NORMAL).astype(np.float32)
    found = on_device(Data(from_arrays(single, ZERO), normalise="standard"))
    assert found.std(dtype=np.float64) == pytest.approx(1, abs=1e-4)


def test_what_float64_does_not_hold_is_refused():
    with pytest.raises(InputError, match="span more than float64 holds"):
        Data(from_arrays(np.sign(NORMAL) * 1.7e308, ZERO), normalise="standard").arrays()


def test_images_and_near_floats_stay_on_the_device_as_they_were():
    """Their numbers and digests are those of before: nothing is decoded on the host."""
    image = RNG.integers(0, 255, (60, 4, 4, 1), dtype=np.uint8)
    near = (3 + RNG.normal(size=(60, 4))).astype(np.float32)
    for x in (image, near):
        data = Data(from_arrays(x, np.arange(60) % 3), normalise="standard")
        assert "digits" not in data.canonical
        assert data.arrays().train.x.dtype == x.dtype
        shift = data.source.loaded.train.x.mean(axis=0, dtype=np.float64, keepdims=True)
        assert np.array_equal(data.arrays().shift, shift.mean(axis=tuple(range(x.ndim - 1)), keepdims=True))
    plain = Data(from_arrays(WIDE["seconds as floats"], ZERO), normalise="none")
    assert "digits" not in plain.canonical


def test_other_numbers_have_another_digest():
    far = Data(from_arrays(WIDE["seconds as floats"], ZERO), normalise="standard")
    assert far.canonical["digits"] == "float64"
    assert Data(from_arrays(WIDE["float32 far from zero"], ZERO)).canonical["digits"] == "float64"


def test_rules_on_the_host_are_those_of_the_device():
    x = (3 + RNG.normal(size=(60, 5, 2))).astype(np.float32)
    for rule in ("unit", "centred", "half", "mean_image", "standard"):
        plain = decoding(rule, x, 4.0)
        assert not plain.wide
        wide = decoded(rule, x.astype(np.float64), x[:3].astype(np.float64), 4.0)
        assert np.allclose(wide[0], (x - plain.shift) * plain.scale, atol=1e-12)
        assert np.allclose(wide[1], wide[0][:3])


class Line(nnx.Module):
    def __init__(self, rngs):
        self.o = nnx.Linear(1, 1, rngs=rngs)

    def __call__(self, x):
        return self.o(x)


def learn(data, precision="float32"):
    recipe = ws.Recipe(ws.Sgd(0.3), "20it", batch=80)
    return ws.Run(
        ws.from_nnx(Line),
        ws.Task(data, ws.SquaredError()),
        ws.Full(),
        recipe,
        ws.Seeds(0),
        precision=precision,
    )


def test_a_run_learns_from_time_stamps(tmp_path):
    x = WIDE["nanoseconds as integers"]
    y = standardised((x - x[0, 0]).astype(np.float64))[:, 0] * 2
    data = Data(from_arrays(x, y, x[:80], y[:80]), normalise="standard")
    table = ws.sweep([learn(data, ws.Precision())], tmp_path)
    assert table.test_loss[0] < 1e-6


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (NORMAL, 1.7e9 + 50 * NORMAL[:, 0], "targets of .* float32 merges .* take their mean off"),
        (NORMAL, np.column_stack([ZERO + 1, 1e12 + NORMAL[:, 0]]), "column 1 of the targets"),
        (1.7e9 + 50 * NORMAL, ZERO, "inputs of .* reach 1.7e\\+09, .* use normalise='standard'"),
    ],
)
def test_values_that_float32_merges_are_refused_but_not_in_float64(x, y, message):
    data = Data(from_arrays(x, y), normalise="none")
    with pytest.raises(InputError, match=message):
        data.check_digits("float32")
    data.check_digits("float64")


def test_a_sweep_refuses_them_before_tracing(tmp_path):
    data = Data(from_arrays(NORMAL, 1.7e9 + 50 * NORMAL[:, 0]), normalise="none")
    with pytest.raises(InputError, match="precision float64"):
        ws.sweep([learn(data, ws.Precision())], tmp_path)


def test_values_that_float32_tells_apart_pass():
    for y in (
        ZERO + 5,
        NORMAL[:, 0],
        1e8 * NORMAL[:, 0],
        np.arange(400.0) + 2**20,
        1e9 + 1e-7 * NORMAL[:, 0],
    ):
        Data(from_arrays(NORMAL, y), normalise="none").check_digits("float32")


def test_half_and_long_double_keep_their_digits():
    assert from_arrays(NORMAL.astype(np.float16), ZERO).loaded.train.x.dtype == np.float32
    long = from_arrays(WIDE["seconds as floats"].astype(np.longdouble), ZERO)
    assert long == from_arrays(WIDE["seconds as floats"], ZERO)
    small = jnp.asarray(NORMAL, jnp.bfloat16)
    assert from_arrays(small, ZERO).loaded.train.x.dtype == np.float32


def test_the_page_s_example():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    found = {}
    exec(page.split("```python\n")[1].split("```")[0], found)
    found["task"].check((2,))
    assert abs(on_device(found["task"].data).std() - 1) < 1e-3


@pytest.mark.parametrize("rule", ["standard", "mean_image"])
@pytest.mark.parametrize("dtype", ["float64", "int64", "float32"])
def test_the_decoding_takes_inputs_as_they_were_given(rule, dtype):
    x = (1e6 + 50 * np.random.default_rng(0).normal(size=(40, 3))).astype(dtype)
    y = np.arange(40) % 2
    data = ws.Data(ws.from_arrays(x, y, x, y), normalise=rule)
    arrays, (shift, scale) = data.arrays(), data.decoding()
    seen = (np.asarray(arrays.train.x, np.float64) - arrays.shift) * arrays.scale
    assert np.allclose((x.astype(np.float64) - shift) * scale, seen, atol=1e-8 * np.abs(seen).max())
