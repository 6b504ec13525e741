import numpy as np
import pytest

from tests.derived.builders import random_chain, random_slice
from weightspace.derived import polygons as module
from weightspace.derived.chain import AffineLayer
from weightspace.derived.line_regions import line_pieces
from weightspace.derived.polygons import area, polygons
from weightspace.derived.slices import Slice, centres, sample
from weightspace.errors import InputError

CHAINS = {
    "one layer": random_chain((4, 15, 1), 0),
    "identity first": random_chain((6, 12, 1), 1, identity_first=True),
    "deep": random_chain((5, 8, 8, 8, 2), 2),
}


def window(chain):
    return random_slice(chain[0].inputs)


def inside(cell, z, slack=1e-9):
    edges = np.roll(cell, -1, axis=0) - cell
    towards = z[:, None] - cell
    return (edges[:, 0] * towards[..., 1] - edges[:, 1] * towards[..., 0] >= -slack).all(axis=1)


@pytest.mark.parametrize("name", CHAINS)
def test_polygons_tile_the_window(name):
    chain = CHAINS[name]
    found = polygons(chain, window(chain))
    assert found.areas.sum() == pytest.approx(4, rel=1e-12)
    assert (found.areas > 0).all()
    for cell, size in zip(found.vertices, found.areas, strict=True):
        before, after = cell - np.roll(cell, 1, axis=0), np.roll(cell, -1, axis=0) - cell
        turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        assert (turns >= -1e-9).all()
        assert size == area(cell)
        assert np.abs(cell).max() <= 1 + 1e-12


@pytest.mark.parametrize("name", CHAINS)
def test_a_region_is_one_polygon_and_holds_the_cells_of_its_pattern(name):
    chain = CHAINS[name]
    plane, grid = window(chain), 60
    found = polygons(chain, plane)
    numbers = {row.tobytes(): number for number, row in enumerate(found.patterns)}
    assert len(numbers) == len(found.vertices)
    on_grid = sample(chain, plane, grid, plane.inputs(np.zeros((1, 2))))
    z, shares = centres(grid), np.zeros(len(found.areas))
    for region in np.unique(on_grid.ids):
        number = numbers[on_grid.patterns[region].tobytes()]
        cells = on_grid.ids.ravel() == region
        assert inside(found.vertices[number], z[cells]).all()
        assert not inside(found.vertices[number], z[~cells], -1e-9).any()
        shares[number] = cells.mean()
    assert len(np.unique(on_grid.ids)) <= len(found.areas)
    np.testing.assert_allclose(shares, found.areas / 4, atol=8 / grid)


def test_a_fine_grid_meets_every_region_of_a_simple_network():
    chain, plane = random_chain((2, 4, 1), 5), Slice(np.zeros(2), 3 * np.eye(2))
    found = polygons(chain, plane)
    assert len(found.areas) > 4
    assert len(np.unique(sample(chain, plane, 400, np.zeros((1, 2))).ids)) == len(found.areas)


@pytest.mark.parametrize("units", [1, 2, 5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_lines_in_general_position_make_as_many_regions_as_they_can(units, seed):
    chain = random_chain((2, units, 1), seed)
    most = 1 + units + units * (units - 1) // 2
    counts = [len(polygons(chain, Slice(np.zeros(2), scale * np.eye(2))).areas) for scale in (0.3, 3.0, 1e4)]
    assert counts == sorted(counts)
    assert counts[-1] == most


def test_parallel_and_common_lines_make_fewer():
    slopes = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    chain = (AffineLayer(slopes, np.array([0.5, 1.0, -0.5, 0.0])), AffineLayer(np.ones((1, 4)), np.zeros(1)))
    found = polygons(chain, Slice(np.zeros(2), np.eye(2)))
    # Two units share the line z₁ = -1/2; with z₁ = 1/2 and z₂ = 0 there are three times two regions.
    assert sorted(found.areas.round(12)) == [0.5, 0.5, 0.5, 0.5, 1.0, 1.0]


def test_lines_through_one_point_meet_there():
    angles = np.arange(6) * np.pi / 6
    slopes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    chain = (AffineLayer(slopes, np.zeros(6)), AffineLayer(np.ones((1, 6)), np.zeros(1)))
    assert len(polygons(chain, Slice(np.zeros(2), np.eye(2))).areas) == 12


@pytest.mark.parametrize("name", CHAINS)
def test_a_line_across_the_window_meets_the_same_regions(name):
    chain = CHAINS[name]
    plane = window(chain)
    found = polygons(chain, plane)
    z = np.array([[-1.0, -0.37], [1.0, 0.71]])
    pieces = line_pieces(chain, plane.inputs(z))
    numbers = {row.tobytes(): number for number, row in enumerate(found.patterns)}
    ends = z[0] + pieces.breaks[:, None] * (z[1] - z[0])
    for row, start, stop in zip(pieces.patterns, ends[:-1], ends[1:], strict=True):
        assert inside(found.vertices[numbers[row.tobytes()]], np.stack([start, stop]), 1e-8).all()


def test_a_window_with_too_many_regions_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST", 20)
    with pytest.raises(InputError, match="more than 20 linear regions; look at a grid instead"):
        polygons(CHAINS["deep"], window(CHAINS["deep"]))
