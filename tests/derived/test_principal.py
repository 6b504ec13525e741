"""Principal directions of recorded steps against SVDs of whole matrices, and the bases made of them."""

import numpy as np
import pytest

from weightspace.derived.principal import VARIANTS, Leading, Principal
from weightspace.errors import InputError
from weightspace.spaces.bases.learned import Learned
from weightspace.tree import nbytes

COUNT, SIZE = 12, 150


def steps(seed=0, count=COUNT, size=SIZE):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(count, 1)) * 0.97 ** np.arange(size) + 0.1 * rng.normal(size=(count, size))
    ).astype(np.float32)


def found(recorded, variant="steps"):
    return Principal(tuple(recorded), variant).compute()


def leading(recorded, dim, variant="steps", *, scaled=False):
    made = found(recorded, variant)
    given = Leading(tuple(recorded), made["sigma"], made["coefficients"], dim, variant, scaled)
    return given.compute()["columns"]


def rows_by_hand(recorded, variant):
    way = np.cumsum(recorded.astype(np.float64), axis=0)
    return {
        "steps": recorded.astype(np.float64), "displacement": way, "iterates": way - way.mean(axis=0),
    }[variant]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_the_svd_of_its_rows(variant):
    given = steps()
    truth = np.linalg.svd(rows_by_hand(given, variant), full_matrices=False)
    made = found([given], variant)
    np.testing.assert_allclose(made["sigma"], truth.S, rtol=1e-9, atol=1e-9)
    rank = COUNT - (variant == "iterates")  # centring takes a direction
    assert made["trajectory_rank"] == rank
    columns = leading([given], rank, variant)
    np.testing.assert_allclose(np.abs(np.sum(columns * truth.Vh[:rank], axis=1)), 1, atol=1e-6)
    np.testing.assert_allclose(columns @ columns.T, np.eye(rank, dtype=np.float32), atol=1e-6)


def test_all_steps_together_hold_the_end_and_leading_ones_hold_less():
    given = steps()
    way = given.sum(axis=0)
    shares = [np.sum((leading([given], d) @ way) ** 2) / np.sum(way**2) for d in (1, 6, COUNT)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1, abs=1e-5)


def test_directions_point_where_the_way_goes_and_are_nested():
    given = steps()
    whole = leading([given], COUNT)
    assert np.all(whole @ given.sum(axis=0) >= -1e-5)
    np.testing.assert_allclose(leading([given], 5), whole[:5], atol=1e-7)


def test_scaled_columns_are_as_long_as_their_singular_values():
    made = found([steps()])
    lengths = np.linalg.norm(leading([steps()], 6, scaled=True), axis=1)
    np.testing.assert_allclose(lengths, made["sigma"][:6] / made["sigma"][0], rtol=1e-5)


def test_pooled_donors_are_their_rows_together():
    pair = [steps(0), steps(1)]
    truth = np.linalg.svd(np.concatenate(pair).astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(found(pair)["sigma"], truth, rtol=1e-9)


def test_energy_is_the_running_share_of_squares():
    made = found([steps()])
    power = made["sigma"] ** 2
    np.testing.assert_allclose(made["energy"], np.cumsum(power) / power.sum())
    assert made["trajectory_energy_10"] == pytest.approx(power[:10].sum() / power.sum())
    assert made["trajectory_energy_100"] == pytest.approx(1)


def test_shapes_are_told_without_computing():
    given = steps()
    (blank,) = Leading((given,), None, None, 7).blank().values()
    assert (blank.shape, blank.dtype) == ((7, SIZE), np.float32)
    assert nbytes(blank) == 4 * 7 * SIZE


def test_more_dimensions_than_the_rank_are_refused_with_rank_and_tolerance():
    given = np.repeat(steps(count=4), 2, axis=0)
    assert found([given])["trajectory_rank"] == 4
    with pytest.raises(
        InputError, match=r"d = 5 exceeds the rank 4 of 8 snapshots .*1\.2e-07 .*choose d ≤ 4"
    ):
        leading([given], 5)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ([np.zeros((3, 9), np.float32)], "does not move"),
        ([np.full((3, 9), np.nan, np.float32)], "not finite"),
        ([np.ones(9, np.float32)], "must have"),
        ([np.ones((3, 9), np.float32), np.ones((3, 8), np.float32)], "8 and 9 weights"),
    ],
)
def test_trajectories_that_make_no_basis(recorded, message):
    with pytest.raises(InputError, match=message):
        found(recorded)


@pytest.mark.parametrize(("variant", "guess"), [("displacment", "displacement"), ("iterate", "iterates")])
def test_unknown_variants(variant, guess):
    with pytest.raises(InputError, match=guess):
        Principal((steps(),), variant)


@pytest.mark.parametrize(
    ("shape", "dim", "message"),
    [
        ((3, 26), 4, r"d = 4 exceeds the 3 columns"),
        ((3, 25), 3, r"another architecture: its columns have 25 weights, the model D = 26"),
        ((26,), 3, r"must have \[d, D\]"),
    ],
)
def test_columns_that_do_not_fit(shape, dim, message):
    with pytest.raises(InputError, match=message):
        Learned(dim, np.ones(shape, np.float32)).check(26)


def test_columns_must_be_numbers():
    with pytest.raises(InputError, match="not finite"):
        Learned(1, np.full((1, 4), np.inf, np.float32))
    with pytest.raises(InputError, match="columns is None"):
        Learned(1, None)
