"""The product of cosines: its geometry, its randomness, and that a grid of it is one program."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.traced import traced_seeds
from tests.training.harness import block_of
from weightspace.data.cosine import CosineProduct
from weightspace.data.task import Task
from weightspace.errors import DataError, InputError
from weightspace.models.zoo import make
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy, SquaredError
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Row, Run, Watch
from weightspace.spaces.full import Full
from weightspace.store.base import Store
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.estimate import estimate

DATA = CosineProduct(0.5, examples=60, dims=7, scale=3.0)


def drawn(data=DATA, seed=0):
    return jax.device_get(data.drawn(Seeds(seed)))


def test_the_plane_is_orthogonal_and_as_long_as_the_scale():
    for seed in range(3):
        rows = np.asarray(DATA.plane(Seeds(seed)))
        assert rows.shape == (2, 7)
        np.testing.assert_allclose(rows @ rows.T, 9 * np.eye(2), atol=1e-5)


def test_planes_have_no_preferred_direction():
    """Means over many seeds of each coordinate vanish, and all coordinates are alike."""
    rows = np.stack([np.asarray(DATA.plane(Seeds(seed))) for seed in range(200)]) / 3
    assert np.abs(rows.mean(axis=0)).max() < 5 / np.sqrt(7 * 200)
    np.testing.assert_allclose((rows**2).mean(axis=(0, 1)), 1 / 7, rtol=0.35)


def test_inputs_are_the_points_on_the_plane():
    made, z = drawn(), np.asarray(DATA.points(Seeds(0)))
    assert z.shape == (60 + 18, 2)
    x = np.concatenate([made.train.x, made.test.x])
    rows = np.asarray(DATA.plane(Seeds(0)), np.float64)
    np.testing.assert_allclose(x, z @ rows, atol=1e-5)
    assert np.linalg.matrix_rank(x, tol=1e-3) == 2
    assert np.abs(z).max() <= 1
    assert np.abs(z).max() > 0.9
    assert np.abs(z.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / len(z))
    # Lengths are those in the plane, three times as long.
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 3 * np.linalg.norm(z, axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("f", "z", "expected"),
    [
        (0.5, (0.0, 0.0), 1.0),
        (0.5, (1.0, 0.0), -1.0),
        (0.5, (1.0, -1.0), 1.0),
        (0.5, (0.5, 0.3), 0.0),
        (1.0, (0.5, 0.0), -1.0),
        (0.25, (1.0, 0.2), 0.0),
        (1.0, (0.125, 0.125), 0.5),
    ],
)
def test_values_of_the_target(f, z, expected):
    value = CosineProduct(f).target(jnp.asarray([z], jnp.float32))
    assert float(value[0]) == pytest.approx(expected, abs=1e-6)


def test_targets_are_those_of_the_points():
    made, z = drawn(), DATA.points(Seeds(0))
    np.testing.assert_allclose(np.concatenate([made.train.y, made.test.y]), DATA.target(z), atol=1e-6)
    assert made.train.y.shape == (60,)


def test_the_steepness_of_the_target_is_what_the_docstring_says():
    f = 0.75
    data = CosineProduct(f, examples=20_000, test=1)
    z = data.points(Seeds(0))
    slopes = jax.jit(jax.vmap(jax.grad(lambda z: data.target(z[None])[0])))(z)
    norms = np.linalg.norm(slopes, axis=1)
    assert norms.max() <= 2 * np.pi * f * (1 + 1e-5)
    assert np.sqrt(np.mean(norms**2)) == pytest.approx(2 * np.pi * f / np.sqrt(2), rel=0.02)


def test_seeds_draw_their_own_examples_and_frequencies_share_them():
    first, again, other = drawn(), drawn(), drawn(seed=1)
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.isclose(first.train.x, other.train.x).any(axis=1).any()
    assert not np.allclose(DATA.plane(Seeds(0)), DATA.plane(Seeds(1)))
    faster = drawn(dataclasses.replace(DATA, frequency=1.0))
    assert np.array_equal(first.train.x, faster.train.x)
    assert np.array_equal(first.test.x, faster.test.x)
    assert not np.allclose(first.train.y, faster.train.y)
    # Of all streams only that of the split tells.
    assert np.array_equal(DATA.drawn(Seeds(8, split=0)).train.x, first.train.x)


def test_traced_seeds_and_double_precision_draw_the_same():
    made = jax.jit(jax.vmap(lambda seed: DATA.drawn(traced_seeds(seed)).train.x))(
        jnp.arange(2, dtype=jnp.uint32)
    )
    for seed in range(2):
        np.testing.assert_allclose(made[seed], drawn(seed=seed).train.x, atol=1e-5)
    with jax.enable_x64(True):
        wide = DATA.drawn(Seeds(0))
        assert wide.train.x.dtype == jnp.float32
        np.testing.assert_allclose(wide.train.x, drawn().train.x, atol=1e-5)


@pytest.mark.parametrize(("examples", "test", "expected"), [(100, None, 30), (7, None, 2), (10, 4, 4)])
def test_three_tenths_are_for_testing(examples, test, expected):
    data = CosineProduct(examples=examples, test=test)
    assert data.test_size == expected
    made = data.drawn(Seeds(0))
    assert (len(made.train.x), len(made.test.x)) == (examples, expected)
    blank = data.arrays()
    assert blank.train.x.shape == made.train.x.shape
    assert blank.test.y.shape == made.test.y.shape


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frequency": 0.0}, "frequency is 0"),
        ({"frequency": -1.0}, "frequency is -1"),
        ({"examples": 0}, "examples is 0"),
        ({"test": 0}, "test examples is 0"),
        ({"dims": 1}, "dims is 1"),
        ({"scale": 0.0}, "scale is 0"),
    ],
)
def test_fields_that_make_no_sense(fields, message):
    with pytest.raises(InputError, match=message):
        CosineProduct(**fields)


def test_too_few_examples_leave_none_for_testing():
    with pytest.raises(InputError, match=r"three tenths of 3 examples leave none.*give test="):
        CosineProduct(examples=3).check()
    CosineProduct(examples=3, test=1).check()


def test_it_is_a_regression():
    with pytest.raises((DataError, InputError), match="real targets"):
        CrossEntropy().check(DATA, (1,))
    SquaredError(0.5).check(DATA, (1,))
    assert SquaredError(0.5).width(DATA) == 1


def run_of(f, seed, examples=20, length="2ep"):
    data = CosineProduct(f, examples=examples, dims=4)
    recipe = Recipe(Sgd(0.01), length, batch=1)
    return Run(make("mlp:widths=5", (4,), 1), Task(data, SquaredError(0.5)), Full(), recipe, Seeds(seed))


@dataclasses.dataclass
class Grid:
    name: str = "test.grid"

    def ask(self):
        watch = Watch("1ep", (Evaluation(("train", "test")),))
        yield [
            Row({"frequency": f, "seed": seed}, run_of(f, seed), watch)
            for f in (0.25, 0.5, 1.0)
            for seed in (0, 1)
        ]

    def fields(self):
        return {}


def test_frequencies_and_seeds_are_one_program():
    cost = estimate(Grid())
    assert (cost.runs, cost.cohorts, cost.programs) == (6, 1, 1)
    first = block_of([run_of(0.25, 0)], (), 1, 1)[0]
    assert block_of([run_of(1.0, 5)], (), 1, 1)[0] is first
    assert block_of([run_of(0.25, 0, length="9ep")], (), 1, 1)[0] is first
    assert block_of([run_of(0.25, 0, examples=21)], (), 1, 1)[0] is not first


def test_a_sweep_of_them_is_one_file_and_learns_each_its_own(tmp_path):
    table = sweep(Grid(), tmp_path)
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 1
    assert set(table["status"]) == {"ok"}
    assert table["train_loss"].nunique() == 6
    alone = sweep(
        [Row({"seed": 1}, run_of(0.5, 1), Watch("1ep", (Evaluation(("train", "test")),)))], tmp_path / "b"
    )
    row = table[(table["frequency"] == 0.5) & (table["seed"] == 1)].iloc[0]
    assert row["run"] == alone["run"][0]
    assert row["test_loss"] == pytest.approx(alone["test_loss"][0], rel=1e-4)
    assert Store(tmp_path).record(row["run"]).status == "ok"
