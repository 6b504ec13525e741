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
