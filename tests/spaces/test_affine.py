import jax.numpy as jnp
import numpy as np
import pytest

from tests.spaces.test_battery import LAYOUT, SIZE, begin, sample
from weightspace import tree
from weightspace.errors import InputError
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import BasisWarning, Gaussian
from weightspace.spaces.compose import Compose
from weightspace.streams import Keys, Seeds


def rows(dim, seed=0, *, orthonormal=False):
    return np.asarray(Gaussian(dim, orthonormal=orthonormal).make(Keys(Seeds(seed)), 400, LAYOUT, np.float32))


def test_columns_have_unit_norm():
    np.testing.assert_allclose(np.linalg.norm(rows(20), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("small", [1, 8, 19])
def test_a_small_basis_is_the_beginning_of_a_large_one(small):
    np.testing.assert_array_equal(rows(small), rows(20)[:small])


def test_orthonormal_columns_span_the_same_nested_spaces():
    plain, ortho = rows(20), rows(20, orthonormal=True)
    np.testing.assert_allclose(ortho @ ortho.T, np.eye(20), atol=1e-5)
    np.testing.assert_allclose(ortho[:5], rows(5, orthonormal=True), atol=1e-5)
    np.testing.assert_allclose(plain[:5] @ ortho[:5].T @ ortho[:5], plain[:5], atol=1e-5)
    assert np.all(np.sum(plain * ortho, axis=1) > 0)


def test_singular_values_lie_in_the_predicted_interval():
    values = np.linalg.svd(rows(100), compute_uv=False)
    edge = np.sqrt(100 / 400)
    assert 1 - edge - 0.05 < values.min() < values.max() < 1 + edge + 0.05


def test_zero_coordinates_are_the_offset():
    space = Affine(Gaussian(4))
    fixed, theta = begin(space, 7)
    assert tree.equal(space.weights(fixed, theta, ()), sample(Keys(Seeds(7))))


def test_weights_move_along_the_columns():
    space = Affine(Gaussian(4))
    fixed, _ = begin(space)
    theta = jnp.asarray([0.5, -1.0, 2.0, 0.25])
    moved = tree.ravel(space.weights(fixed, theta, ()))[0] - tree.ravel(fixed[0])[0]
    np.testing.assert_allclose(moved, np.asarray(fixed[1]).T @ np.asarray(theta), atol=1e-6)


def test_a_given_offset_takes_the_place_of_the_initialisation():
    given = {
        "a": {"kernel": jnp.ones((3, 4)), "bias": jnp.zeros(4)},
        "b": {"kernel": jnp.ones((4, 2)), "bias": jnp.ones(2)},
    }
    space = Affine(Gaussian(4), offset=given)
    assert tree.equal(space.weights(*begin(space), ()), given)


def test_one_seed_shares_the_basis_across_dimensions_and_offsets():
    a, b = begin(Affine(Gaussian(3)), 2), begin(Affine(Gaussian(6), offset=sample(Keys(Seeds(9)))), 2)
    np.testing.assert_array_equal(a[0][1], b[0][1][:3])


def test_too_many_dimensions_are_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"d = 27 exceeds the model's D = 26"):
        Affine(Gaussian(SIZE + 1)).check(LAYOUT)
    with pytest.raises(InputError, match=r"d = 6 exceeds the model's D = 5"):
        Compose(Affine(Gaussian(5)), Affine(Gaussian(6))).check(LAYOUT)


@pytest.mark.parametrize("dim", [0, -3])
def test_dimensions_must_be_positive(dim):
    with pytest.raises(InputError, match="dimension d"):
        Gaussian(dim)


@pytest.mark.parametrize(("dim", "size"), [(6, 11), (610, 610), (9, 10)])
def test_a_gaussian_basis_of_more_than_half_the_weights_is_said_to_be_ill_conditioned(dim, size):
    said = (
        rf"d = {dim} columns in D = {size} weights is ill-conditioned .*Gaussian\({dim}, orthonormal=True\)"
    )
    with pytest.warns(BasisWarning, match=said):
        Gaussian(dim).check(size)
    Gaussian(dim, orthonormal=True).check(size)


def test_up_to_half_the_weights_nothing_is_said():
    Gaussian(5).check(10)
    with pytest.raises(InputError, match="exceeds"):
        Gaussian(11).check(10)


def test_the_condition_that_is_warned_of():
    """Of unit-norm Gaussian columns the singular values lie in about 1 ± √(d/D)."""
    columns = np.asarray(Gaussian(200).make(Keys(Seeds(0)), 400, LAYOUT, np.float32))
    found = np.linalg.svd(columns, compute_uv=False)
    assert found[0] / found[-1] == pytest.approx(5.6, rel=0.15)
    np.testing.assert_allclose([found[-1], found[0]], [1 - 0.5**0.5, 1 + 0.5**0.5], atol=0.06)
