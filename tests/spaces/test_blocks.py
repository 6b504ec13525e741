"""Bases of blocks; what every basis must do is in `test_bases`."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.spaces.test_bases import layout_for, made
from tests.spaces.test_battery import LAYOUT, begin
from weightspace import tree
from weightspace.errors import InputError
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases import make_basis
from weightspace.spaces.bases.base import BasisWarning
from weightspace.spaces.bases.blocks import Blocks, shares
from weightspace.spaces.bases.fastfood import Fastfood
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.sparse import Sparse
from weightspace.spaces.bases.srht import Srht
from weightspace.spaces.compose import Compose
from weightspace.streams import Keys, Seeds

SIZES = (432, 16, 2304, 16, 9216, 32, 4608, 64, 640, 10)


def counts(sizes, dim):
    return [len(own) for own in shares(sizes, dim)]


@pytest.mark.parametrize("dim", [1, 4, 10, 11, 57, 640, 5000, sum(SIZES)])
def test_columns_are_in_proportion_to_sizes(dim):
    dealt = shares(SIZES, dim)
    assert sorted(j for own in dealt for j in own) == list(range(dim))
    found = np.array(counts(SIZES, dim))
    assert np.all(found <= SIZES)
    assert np.all(found >= (dim >= len(SIZES)))
    if dim >= 640:
        quotas = dim * np.array(SIZES) / sum(SIZES)
        # Up to what the first column of each small block takes from the others.
        assert np.all(np.abs(found - quotas) < 1.5)


def test_with_few_columns_the_largest_blocks_have_them():
    assert counts(SIZES, 3) == [0, 0, 1, 0, 1, 0, 1, 0, 0, 0]


def test_a_column_stays_where_it_is_as_d_grows():
    most = shares(SIZES, 700)
    for dim in range(1, 700, 23):
        assert shares(SIZES, dim) == tuple(tuple(j for j in own if j < dim) for own in most)


def test_by_largest_remainders_a_block_would_lose_a_column():
    """Sizes 6, 6, 2: of 10 columns the last has two, of 11 one. Here numbers of columns only grow."""

    sizes = np.array([6, 6, 2])

    def remainders(dim):
        quota = dim * sizes / sizes.sum()
        found = quota.astype(int)
        found[np.argsort(found - quota)[: dim - found.sum()]] += 1
        return found.tolist()

    assert remainders(10)[2] > remainders(11)[2]
    assert all(np.all(np.subtract(counts((6, 6, 2), d + 1), counts((6, 6, 2), d)) >= 0) for d in range(1, 14))


@pytest.mark.parametrize("inner", [Gaussian(1), Srht(1), Fastfood(1), Sparse(1, nnz=2)], ids=lambda b: b.name)
def test_a_coordinate_moves_one_leaf_only(inner):
    """JAX sorts leaves by name, `layer_10` before `layer_2`; the layout has them in forward order."""
    size, basis = 403, Blocks(30, inner)
    arrays = made(basis, 0, size)
    combine = jax.jit(lambda unit: basis.combine(arrays, unit, size))
    ends = np.cumsum([0, 7, 91, 13, 260, 32])
    owners = [3, 1, 4, 2, 0]  # by size: each of the first columns
    for coordinate, owner in enumerate(owners):
        unit = jnp.zeros(30).at[coordinate].set(1)
        moved = np.asarray(combine(unit))
        outside = np.r_[moved[: ends[owner]], moved[ends[owner + 1] :]]
        assert np.all(outside == 0)
        assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-6)


def test_a_layer_is_a_kernel_with_its_bias():
    basis = Blocks(6, Gaussian(1), by="layer")
    arrays = made(basis, 0, LAYOUT.size)
    assert arrays.places == (((0, 4), (4, 16)), ((16, 18), (18, 26)))
    moved = np.asarray(basis.combine(arrays, jnp.zeros(6).at[0].set(1), 26))
    assert np.all(moved[:16] != 0)
    assert np.all(moved[16:] == 0)


@pytest.mark.parametrize("by", ["leaf", "layer"])
def test_coordinates_of_another_space_are_one_block(by):
    space = Compose(Affine(Gaussian(12)), Affine(Blocks(4, Srht(1), by=by)))
    space.check(LAYOUT)
    fixed, theta = begin(space)
    inner = fixed[1][1]
    assert inner.places == (((0, 12),),)
    moved = space.weights(fixed, theta + 1, ((), ()))
    assert tree.size(moved) == 26


def test_blocks_of_equal_size_have_their_own_columns():
    arrays = made(Blocks(8), 0, LAYOUT.size).arrays
    assert not np.array_equal(arrays[1][0][:2], arrays[3][0][:2])


def test_the_inner_basis_is_known_whatever_its_own_dimension():
    assert Blocks(5, Gaussian(3)) == Blocks(5, Gaussian(9)) == make_basis("blocks", 5)
    assert make_basis("layers:sparse:nnz=3,disjoint=true", 5) == Blocks(
        5, Sparse(1, nnz=3, disjoint=True), by="layer"
    )
    assert make_basis("blocks:srht", 5).name == "blocks(srht)"
    assert Blocks(5).digest != Blocks(5, by="layer").digest


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blocks:gausian", "did you mean 'gaussian'"),
        ("blocs:gaussian", "did you mean 'blocks'"),
        ("layers:sparse:densty=1", "did you mean 'density'"),
        ("blocks:srht:nnz=1", "basis 'srht' has no options"),
    ],
)
def test_names_that_are_none(name, said):
    with pytest.raises(InputError, match=said):
        make_basis(name, 3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="did you mean 'layer'"):
        Blocks(3, by="layers")
    with pytest.raises(InputError, match="d = 27 exceeds the model's D = 26"):
        Affine(Blocks(27)).check(LAYOUT)
    with pytest.raises(InputError, match="nnz = 3 exceeds the D = 2 weights"):
        Affine(Blocks(8, Sparse(1, nnz=3))).check(LAYOUT)
    with pytest.raises(InputError, match="given D = 20 weights, but their layout has 26"):
        Blocks(3).make(Keys(Seeds(0)), 20, LAYOUT, jnp.float32)


def test_ill_conditioned_blocks_are_said_once():
    with pytest.warns(BasisWarning, match=r"in 5 of 5 blocks.* or --basis blocks:orthonormal") as said:
        Affine(Blocks(250)).check(layout_for(403))
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A bias of seven weights has one column, which depends on nothing.
        Affine(Blocks(20)).check(layout_for(403))
        Affine(Blocks(403, Gaussian(1, orthonormal=True))).check(layout_for(403))
