"""Blocked singular value decomposition against LAPACK's of the whole matrix in float64."""

import numpy as np
import pytest

from weightspace.measure import factor

SHAPES = [pytest.param((96, 2_000)), pytest.param((512, 20_000), marks=pytest.mark.slow)]


def matrix(count, size, least=1e-6, seed=0):
    """Float32, with singular values from 1 to `least`."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(count, count)))[0]
    right = np.linalg.qr(rng.normal(size=(size, count)))[0]
    return ((left * np.geomspace(1, least, count)) @ right.T).astype(np.float32)


def decomposed(x):
    def rows(part):
        return x[:, part].astype(np.float64)

    values, vectors = factor.singular(rows, *x.shape)
    return rows, values, vectors


def directions(x, d):
    rows, values, vectors = decomposed(x)
    return factor.combined(rows, vectors[:, :d] / values[:d], x.shape[1])


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def long(request):
    return matrix(*request.param)


def test_all_directions_of_a_long_ill_conditioned_matrix(long):
    """‖UᵀU - I‖ < 1e-5 at d = n, down to σ = 1e-6, and X is U Uᵀ X to float32's last digits."""
    rows, values, vectors = decomposed(long)
    count, size = long.shape
    found = factor.combined(rows, vectors / values, size).astype(np.float64)
    assert np.linalg.norm(found @ found.T - np.eye(count), 2) < 1e-5
    np.testing.assert_allclose(values, np.geomspace(1, 1e-6, count), rtol=2e-3)
    assert np.linalg.norm(found @ long.T.astype(np.float64) - (values[:, None] * vectors.T)) < 1e-6
    assert factor.rank_of(values) == count


def test_leading_subspaces_are_those_of_float64(long):
    """Sines of the principal angles, each by the gap below its subspace."""
    truth = np.linalg.svd(long.astype(np.float64), full_matrices=False)
    values = truth.S
    for d in (8, 32, 64, len(long) - 10):
        found = directions(long, d).astype(np.float64)
        outside = found - (found @ truth.Vh[:d].T) @ truth.Vh[:d]
        gap = (values[d - 1] - values[d]) / values[0]
        assert np.linalg.norm(outside, 2) < 1e-6 + 1e-13 / gap


def test_a_float32_gram_matrix_would_not_do(long):
    """What the module's first lines say of it."""
    power = np.linalg.eigvalsh(long @ long.T)
    assert (power < 0).sum() > len(long) / 10


@pytest.mark.parametrize(
    ("count", "size", "bytes_"), [(40, 700, 1), (40, 30, 1), (7, 7, 1), (1, 50, 1), (30, 900, 2**27)]
)
def test_any_shape_in_blocks_of_any_width(monkeypatch, count, size, bytes_):
    monkeypatch.setattr(factor, "BLOCK_BYTES", bytes_)
    x = np.random.default_rng(1).normal(size=(count, size)).astype(np.float32)
    rows, values, vectors = decomposed(x)
    np.testing.assert_allclose(values, np.linalg.svd(x.astype(np.float64), compute_uv=False), rtol=1e-10)
    found = factor.combined(rows, vectors / values, size, np.float64)
    np.testing.assert_allclose(found @ found.T, np.eye(min(count, size)), atol=1e-10)


def test_the_rank_counts_what_float32_can_tell():
    x = matrix(20, 300)
    double = np.concatenate([x, x[:5] * np.float32(2)])
    assert factor.rank_of(decomposed(double)[1]) == 20
    assert factor.rank_of(np.zeros(3)) == 0
