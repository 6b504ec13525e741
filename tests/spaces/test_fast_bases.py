"""Fastfood and SRHT: what is special to them; what every basis must do is in `test_bases`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import hadamard as sylvester

from tests.spaces.test_bases import gradient_memory, made
from weightspace.errors import InputError
from weightspace.spaces.bases import make_basis
from weightspace.spaces.bases.base import BasisWarning
from weightspace.spaces.bases.fastfood import Fastfood
from weightspace.spaces.bases.hadamard import draw_permutation, padded, permuted, transform
from weightspace.spaces.bases.sparse import Sparse
from weightspace.spaces.bases.srht import Srht

FAST = {"fastfood": Fastfood, "srht": Srht}


@jax.jit
def columns(basis, arrays, blank):
    """B, by its product with unit vectors."""
    combine = lambda unit: basis.combine(arrays, unit, blank.size)  # noqa: E731
    return jax.vmap(combine)(jnp.eye(basis.dim, dtype=blank.dtype)).T


def dense(basis, size, seed=0):
    return np.asarray(columns(basis, made(basis, seed, size), jnp.zeros(size)), np.float64)


def overlaps(matrix):
    return (matrix.T @ matrix)[np.triu_indices(matrix.shape[1], 1)]


@pytest.mark.parametrize("bits", [0, 1, 5, 7, 10])
def test_the_transform_is_sylvester_s_matrix_and_its_own_gradient(bits):
    n = 2**bits
    x, v = np.random.default_rng(bits).normal(size=(2, n)).astype(np.float32)
    matrix, close = sylvester(n).astype(np.float64), {"atol": 3e-6 * n**0.5 * 4}
    for factor in (2, 6):
        found, pull = jax.vjp(jax.jit(lambda u, f=factor: transform(u, f)), jnp.asarray(x))
        np.testing.assert_allclose(found, matrix @ x, **close)
        np.testing.assert_allclose(pull(jnp.asarray(v))[0], matrix @ v, **close)
    np.testing.assert_allclose(transform(transform(jnp.asarray(x))) / n, x, atol=1e-5)


@pytest.mark.parametrize("bits", [0, 1, 2, 3, 9, 12])
def test_a_permutation_meets_every_place_once(bits):
    n = 2**bits
    for seed in range(4):
        numbers = draw_permutation(jax.random.key(seed))
        places = np.asarray(permuted(numbers, n, n))
        assert sorted(places.tolist()) == list(range(n))
        np.testing.assert_array_equal(permuted(numbers, n - n // 3, n), places[: n - n // 3])


def test_permutations_are_spread_evenly():
    """Each number goes to each place, and neighbours to any two."""
    many = jax.vmap(lambda seed: permuted(draw_permutation(jax.random.key(seed)), 16, 16))
    places = np.asarray(jax.jit(many)(jnp.arange(4000)))
    for number in (0, 7, 15):
        assert stats.chisquare(np.bincount(places[:, number], minlength=16)).pvalue > 1e-4
    steps = np.bincount((places[:, 5] ^ places[:, 4]) - 1, minlength=15)
    assert stats.chisquare(steps).pvalue > 1e-4


def squared_cosine(name, size):
    n = padded(size)
    gaussian = 1 / size
    return {"fastfood": (3 - size / n) / size, "srht": (n - size) / ((n - 1) * size)}.get(name, gaussian)


@pytest.mark.parametrize("size", [1024, 600])
@pytest.mark.parametrize("name", ["gaussian", "sparse", "fastfood", "srht"])
def test_columns_are_as_orthogonal_as_theory_says(name, size):
    """The rms cosine: √(2/D) of Fastfood where D is a power of two, against 1/√D."""
    found = [dense(make_basis(name, 64), size, seed) for seed in range(6)]
    expected = np.sqrt(squared_cosine(name, size))
    rms = np.sqrt(np.mean([overlaps(matrix) ** 2 for matrix in found]))
    assert rms == pytest.approx(expected, rel=0.04, abs=1e-7)
    assert make_basis(name, 64).cosine(size) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert abs(np.mean([overlaps(matrix) for matrix in found])) < 0.05 / np.sqrt(size)
    values = np.stack([np.linalg.svd(matrix, compute_uv=False) for matrix in found])
    np.testing.assert_allclose([values.min(), values.max()], make_basis(name, 64).edges(size), atol=0.09)


def test_fastfood_is_root_two_less_orthogonal_than_gaussian():
    rms = [
        np.sqrt(np.mean([overlaps(dense(make_basis(name, 64), 1024, seed)) ** 2 for seed in range(6)]))
        for name in ("fastfood", "gaussian")
    ]
    assert rms[0] / rms[1] == pytest.approx(np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 255, 256, 257])
@pytest.mark.parametrize("basis", FAST.values(), ids=FAST)
def test_columns_have_unit_norm_for_every_number_of_weights(basis, size):
    matrix = dense(basis(min(size, 40)), size)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=0), 1, rtol=1e-6)


def test_all_rows_of_the_transform_are_exactly_orthonormal_columns():
    matrix = dense(Srht(512), 512)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(512), atol=1e-6)
    assert set(np.abs(matrix * np.sqrt(512)).round(5).ravel()) == {1.0}


def test_just_above_a_power_of_two_no_two_columns_coincide():
    """Of the first D of n rows, columns that differ in the highest bit are equal but for one row."""
    size, n = 257, 512
    first = sylvester(n)[:size] / np.sqrt(size)
    assert np.abs(overlaps(first)).max() > 0.99
    assert np.abs(overlaps(dense(Srht(size), size))).max() < 0.4
    assert np.abs(overlaps(dense(Fastfood(size), size))).max() < 0.6


@pytest.mark.parametrize("basis", FAST.values(), ids=FAST)
def test_as_many_columns_as_weights_reach_them_all(basis):
    assert np.linalg.matrix_rank(dense(basis(100), 100)) == 100


def test_entries_of_fastfood_are_normal_and_of_the_same_size_everywhere():
    size = 600
    entries = np.concatenate([dense(Fastfood(8), size, seed) for seed in range(12)], axis=1) * np.sqrt(size)
    # One number a row: those of one run are weighted by the same g.
    assert stats.kstest(entries.ravel()[::7], "norm").pvalue > 1e-4
    thirds = [np.mean(part**2) for part in np.split(entries, 3)]
    np.testing.assert_allclose(thirds, 1, atol=0.08)


@pytest.mark.parametrize("basis", FAST.values(), ids=FAST)
def test_products_hold_a_few_vectors_whatever_d(basis):
    """Of n = 131,072 numbers: no array of d D, at d = 50,000."""
    temporaries, stored = gradient_memory(basis(50_000), 100_000)
    assert temporaries < 16 * 4 * 131_072
    assert stored < 6 * 100_000
    lanes, _ = gradient_memory(basis(512), 20_000, lanes=4)
    assert lanes < 4 * 20 * 4 * 32_768


@pytest.mark.parametrize("basis", FAST.values(), ids=FAST)
def test_too_many_columns_or_weights_are_refused(basis):
    with pytest.raises(InputError, match="d = 6 exceeds the model's D = 5"):
        basis(6).check(5)
    with pytest.raises(InputError, match=r"32-bit.*use Regenerated\(4\)"):
        basis(4).check(2**31)


@pytest.mark.parametrize(
    ("basis", "size", "said"),
    [
        (Srht(200), 257, True),
        (Srht(256), 256, False),
        (Srht(100), 257, False),
        (Fastfood(65), 256, True),
        (Fastfood(64), 256, False),
        (Sparse(250, nnz=2, disjoint=True), 500, False),
        (Sparse(400, nnz=2, disjoint=True), 500, False),
        (Sparse(400, nnz=50, disjoint=True), 500, True),
    ],
)
def test_dependent_columns_are_said_where_theory_has_them(basis, size, said, recwarn):
    basis.check(size)
    assert [one.category for one in recwarn] == [BasisWarning] * said
