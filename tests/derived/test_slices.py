import numpy as np
import pytest

from tests.derived.builders import random_chain, random_slice
from weightspace.derived.chain import outputs
from weightspace.derived.patterns import evaluate
from weightspace.derived.slices import Slice, centres, sample
from weightspace.errors import InputError


def test_coordinates_undo_inputs_and_drop_what_is_off_the_plane():
    rng = np.random.default_rng(0)
    plane = Slice(rng.normal(size=5), rng.normal(size=(2, 5)))
    z = rng.uniform(-1, 1, (30, 2))
    x = plane.inputs(z)
    np.testing.assert_allclose(plane.coordinates(x), z, atol=1e-12)
    off = rng.normal(size=(30, 5))
    off -= off @ plane.directions.T @ plane.directions
    np.testing.assert_allclose(plane.coordinates(x + off), z, atol=1e-12)
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(off @ plane.axes.T, 0, atol=1e-12)


def test_a_slice_needs_two_directions():
    with pytest.raises(InputError, match="parallel or zero"):
        Slice(np.zeros(3), np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]))


def test_cells_fill_the_window_with_the_first_coordinate_along_a_row():
    z = centres(4).reshape(4, 4, 2)
    assert z[0, :, 0].tolist() == z[:, 0, 1].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert (np.diff(z[:, :, 0], axis=0) == 0).all()
    assert (np.diff(z[:, :, 1], axis=1) == 0).all()
    with pytest.raises(InputError, match="grid is 1"):
        centres(1)


def test_a_sample_is_the_network_at_the_centres():
    chain, plane = random_chain((5, 9, 4, 3), 1), random_slice(5)
    x = np.random.default_rng(2).normal(size=(25, 5))
    found = sample(chain, plane, 40, x)
    cells = plane.inputs(centres(40))
    np.testing.assert_array_equal(found.outputs.reshape(-1, 3), outputs(chain, cells))
    np.testing.assert_array_equal(found.patterns[found.ids.ravel()], evaluate(chain, cells).patterns)
    np.testing.assert_array_equal(found.patterns[found.point_ids], evaluate(chain, x).patterns)
    keys = [row.tobytes() for row in found.patterns]
    assert len(set(keys)) == len(keys)
    data = {row.tobytes() for row in evaluate(chain, x).patterns}
    assert [key in data for key in keys] == [number < found.held for number in range(len(keys))]
    assert found.ids.dtype == np.int32


def test_rows_are_the_second_coordinate():
    # One unit for each side of z₁ = 0.2: the map must change along a row, never down a column.
    chain, plane = random_chain((2, 1, 1), 0), Slice(np.zeros(2), np.eye(2))
    first = type(chain[0])(np.array([[1.0, 0.0]]), np.array([-0.2]))
    found = sample((first, chain[1]), plane, 10, np.array([[0.9, -0.9]]))
    assert (found.ids == found.ids[0]).all()
    # z₁ = 0.3, 0.5, 0.7, 0.9 lie beyond, with the point.
    assert (found.ids[0] == found.point_ids[0]).tolist() == [False] * 6 + [True] * 4
