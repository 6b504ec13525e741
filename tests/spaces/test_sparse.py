"""Sparse bases, what bases refuse, and their names; what every basis must do is in `test_bases`."""

import numpy as np
import pytest

from tests.spaces.test_bases import D, columns_of_entries, made
from weightspace.errors import InputError
from weightspace.spaces.bases import make_basis
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.regenerated import Regenerated
from weightspace.spaces.bases.sparse import Sparse


@pytest.mark.parametrize(("size", "density", "entries"), [(403, None, 20), (403, 0.1, 40), (50, 0.001, 1)])
def test_sparse_columns_have_one_entry_a_stretch(size, density, entries):
    basis = Sparse(200, density=density)
    assert basis.entries(size) == entries
    rows, signs = made(basis, size=size)
    assert rows.shape == signs.shape == (200, entries)
    bounds = [i * size // entries for i in range(entries + 1)]
    for i in range(entries):
        stretch = set(range(bounds[i], bounds[i + 1]))
        seen = set(np.asarray(rows[:, i]).tolist())
        # Each of some w places is left out by 200 draws with probability (1 - 1/w)^200.
        assert seen <= stretch
        assert len(seen) >= 0.9 * len(stretch)
    assert set(np.unique(signs).tolist()) == {-1, 1}
    assert abs(np.asarray(signs, float).mean()) < 4 / np.sqrt(signs.size)


def test_sparse_columns_are_as_orthogonal_as_gaussian_ones():
    """E⟨b_i, b_j⟩² = 1/D, and the singular values lie in about 1 ± √(d/D)."""
    dense = columns_of_entries(made(Sparse(100)), D)
    products = (dense.T @ dense)[np.triu_indices(100, 1)]
    assert np.mean(products**2) == pytest.approx(1 / D, rel=0.15)
    values, edge = np.linalg.svd(dense, compute_uv=False), np.sqrt(100 / D)
    assert 1 - edge - 0.08 < values.min() < values.max() < 1 + edge + 0.08


def test_a_place_beyond_what_32_bits_multiply():
    """k · D exceeds 2³¹: the stretches still cover all weights."""
    size = 30_000_000
    rows, _ = made(Sparse(2), size=size)
    assert rows.shape[1] * size > 2**31
    assert np.all(np.diff(np.asarray(rows), axis=1) > 0)
    assert int(rows.max()) > 0.999 * size
    assert int(rows.min()) >= 0


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5, float("nan")])
def test_a_density_is_a_share(density):
    with pytest.raises(InputError, match=r"density is .* must lie in"):
        Sparse(4, density=density)


def test_more_weights_than_32_bit_places_are_refused():
    with pytest.raises(InputError, match=r"32-bit.*use Regenerated\(4\)"):
        Sparse(4).check(2**31)


@pytest.mark.parametrize("basis", [Sparse(6), Regenerated(6)], ids=lambda b: b.name)
def test_dependent_columns_are_said(basis):
    with pytest.warns(UserWarning, match=f"a {basis.name} basis of d = 6 columns in D = 11"):
        basis.check(11)
    with pytest.raises(InputError, match="d = 6 exceeds the model's D = 5"):
        basis.check(5)


@pytest.mark.parametrize(
    ("name", "basis"),
    [
        ("gaussian", Gaussian(3)),
        ("orthonormal", Gaussian(3, orthonormal=True)),
        ("sparse", Sparse(3)),
        ("sparse:density=0.25", Sparse(3, density=0.25)),
        ("regenerated", Regenerated(3)),
    ],
)
def test_bases_by_name(name, basis):
    assert make_basis(name, 3) == basis


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gausian", "did you mean 'gaussian'"),
        ("sparse:densty=0.1", "did you mean 'density'"),
        ("sparse:dim=4", "has no option 'dim'"),
        ("sparse:density=high", "must be a number"),
        ("regenerated:density=0.1", "basis 'regenerated' has no options"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(InputError, match=message):
        make_basis(name, 3)


@pytest.mark.parametrize(("size", "nnz", "dim"), [(403, 20, 45), (403, 7, 57), (64, 8, 8), (50, 1, 50)])
def test_disjoint_columns_share_no_weight_within_a_round(size, nnz, dim):
    rows, _ = made(Sparse(dim, nnz=nnz, disjoint=True), size=size)
    rows, each = np.asarray(rows), size // nnz
    assert rows.shape == (dim, nnz)
    for first in range(0, dim, each):
        places = rows[first : first + each].ravel()
        assert len(set(places.tolist())) == places.size
    # Each column still has one entry in each stretch.
    bounds = [i * size // nnz for i in range(nnz + 1)]
    assert all(np.all((bounds[i] <= rows[:, i]) & (rows[:, i] < bounds[i + 1])) for i in range(nnz))


def test_disjoint_columns_are_orthonormal_and_rounds_are_not_the_same():
    dense = columns_of_entries(made(Sparse(40, nnz=20, disjoint=True)), D)
    for part in (dense[:, :20], dense[:, 20:]):
        np.testing.assert_allclose(part.T @ part, np.eye(20), atol=1e-7)
    cross = dense[:, :20].T @ dense[:, 20:]
    assert np.mean(cross**2) == pytest.approx(1 / D, rel=0.3)


def test_the_expected_overlap_of_disjoint_columns():
    found = []
    for seed in range(5):
        dense = columns_of_entries(made(Sparse(50, nnz=20, disjoint=True), seed), D)
        found.append(np.mean((dense.T @ dense)[np.triu_indices(50, 1)] ** 2))
    assert np.mean(found) == pytest.approx(Sparse(50, nnz=20, disjoint=True).cosine(D) ** 2, rel=0.1)
    assert Sparse(20, nnz=20, disjoint=True).cosine(D) == 0


def test_all_places_are_dealt_alike():
    """A place of a longer stretch is left out of a round as often as any other of it."""
    seen = np.zeros(403)
    for seed in range(60):
        seen[np.asarray(made(Sparse(20, nnz=20, disjoint=True), seed).rows).ravel()] += 1
    assert seen.min() >= 50
    longer = seen[seen < 60]
    assert len(longer) > 0.8 * 3 * 21


def test_weights_of_a_column_are_said_once():
    with pytest.raises(InputError, match=r"density = 0.5 and nnz = 3 both say"):
        Sparse(4, density=0.5, nnz=3)
    with pytest.raises(InputError, match="nnz = 9 exceeds the D = 8 weights"):
        Sparse(2, nnz=9).check(8)
    with pytest.raises(InputError, match="nnz is 0"):
        make_basis("sparse:nnz=0", 2)
    assert Sparse(4, nnz=3).entries(1000) == 3


def test_fields_that_are_new_change_no_digest():
    assert set(Sparse(3).canonical) == {"kind", "version", "dim", "density"}
