import numpy as np
import pytest

from tests.derived.builders import trained, weights_of
from weightspace.derived.lipschitz import at_points
from weightspace.derived.polygons import area
from weightspace.derived.slice_regions import SliceRegions
from weightspace.derived.slices import centres
from weightspace.errors import InputError
from weightspace.models.zoo import make

GRID = 50
MODEL = make("mlp:widths=12", (6,), 1)


def node(data=None, **changes):
    chain, plane, _, x = trained()
    options = {"frame": plane.axes, "grid": GRID} | changes
    return SliceRegions(MODEL, weights_of(chain), x if data is None else data, **options)


def test_points_lie_where_the_map_shows_their_regions():
    _, plane, _, _ = trained()
    z = centres(GRID)
    chosen = np.random.default_rng(0).permutation(len(z))[:80]
    made = node(plane.inputs(z[chosen])).compute()
    column, row = ((made["points"] + 1) / 2 * GRID).astype(int).T
    np.testing.assert_array_equal(made["ids"][row, column], made["point_ids"])
    # The target is not symmetric: transposed, the map is another.
    assert (made["ids"][column, row] != made["point_ids"]).mean() > 0.5


def test_outputs_follow_the_target():
    made = node().compute()
    z = centres(GRID).reshape(GRID, GRID, 2)
    target = np.cos(np.pi * z[..., 0]) + z[..., 1]
    assert made["outputs"].shape == (GRID, GRID, 1)
    fit = np.corrcoef(made["outputs"][..., 0].ravel(), target.ravel())[0, 1]
    turned = np.corrcoef(made["outputs"][..., 0].T.ravel(), target.ravel())[0, 1]
    assert fit > 0.9 > 0.6 > turned


def test_columns_count_the_map():
    chain, plane, z, x = trained()
    made = node().compute()
    ids, held = made["ids"], made["training_regions"]
    assert made["regions"] == len(np.unique(ids))
    assert held == len(np.unique(made["point_ids"])) == made["point_ids"].max() + 1
    assert made["shared_regions"] == len(np.intersect1d(ids, made["point_ids"])) <= held
    assert 0 < made["empty_area"] == (~np.isin(ids, made["point_ids"])).mean() < 1
    np.testing.assert_allclose(made["points"], z, atol=1e-6)
    assert made["off_plane"] < 1e-5
    at_data = at_points(chain, x)
    assert made["lipschitz_mean_data"] == pytest.approx(at_data.mean(), rel=1e-4)
    assert made["lipschitz_max_data"] == pytest.approx(at_data.max(), rel=1e-4)
    expected = at_points(chain, plane.inputs(centres(GRID))).reshape(GRID, GRID)
    assert (np.isclose(made["lipschitz"], expected, rtol=1e-4)).mean() > 0.999
    assert made["lipschitz_max_slice"] == made["lipschitz"].max()
    assert (made["in_plane"] <= made["lipschitz"] * (1 + 1e-12)).all()
    assert made["in_plane_mean_slice"] == pytest.approx(made["in_plane"].mean())
    assert (ids.dtype, made["point_ids"].dtype) == (np.int32, np.int32)


def test_in_plane_slopes_are_those_of_the_surface():
    made = node(grid=400).compute()
    surface, step = made["outputs"][..., 0], 2 / 400
    axes = trained()[1].axes
    # The axes are orthogonal and of one length: coordinates are scaled by it.
    length = np.linalg.norm(axes[0])
    inner = made["ids"][1:-1, 1:-1]
    neighbours = [
        made["ids"][1:-1, 2:],
        made["ids"][1:-1, :-2],
        made["ids"][2:, 1:-1],
        made["ids"][:-2, 1:-1],
    ]
    same = np.all([inner == other for other in neighbours], axis=0)
    along = (surface[1:-1, 2:] - surface[1:-1, :-2]) / (2 * step * length)
    across = (surface[2:, 1:-1] - surface[:-2, 1:-1]) / (2 * step * length)
    assert same.mean() > 0.5
    np.testing.assert_allclose(np.hypot(along, across)[same], made["in_plane"][1:-1, 1:-1][same], atol=1e-8)


def test_no_region_is_empty_where_data_is_everywhere():
    made = node(trained()[1].inputs(centres(GRID))).compute()
    assert made["empty_area"] == 0
    assert made["regions"] == made["shared_regions"] == made["training_regions"]


def test_points_off_the_plane_say_so():
    _, plane, _, x = trained()
    away = np.cross(*np.eye(3)[:2]) @ np.eye(3, 6)
    away -= away @ plane.directions.T @ plane.directions
    made = node(x + away).compute()
    assert made["off_plane"] == pytest.approx(np.linalg.norm(away), rel=1e-6)
    shifted = node(x + away, origin=away).compute()
    assert shifted["off_plane"] < 1e-5
    np.testing.assert_allclose(made["points"], shifted["points"], atol=1e-6)


def test_exact_polygons_agree_with_a_fine_grid():
    made = node(exact=True, grid=300).compute()
    cells = np.split(made["vertices"], np.cumsum(made["corners"])[:-1])
    assert len(cells) == made["exact_regions"] >= made["regions"]
    np.testing.assert_allclose([area(cell) for cell in cells], made["polygon_areas"])
    assert made["polygon_areas"].sum() == pytest.approx(4)
    assert made["exact_empty_area"] == pytest.approx(made["empty_area"], abs=0.01)
    # The points lie on the plane, so that each of their regions is a polygon.
    assert (~made["polygon_empty"]).sum() == made["training_regions"]
    empty = made["polygon_areas"][made["polygon_empty"]].sum()
    assert made["exact_empty_area"] == pytest.approx(empty / 4)
    assert made["exact_lipschitz_mean"] == pytest.approx(made["lipschitz_mean_slice"], rel=0.01)
    assert made["exact_lipschitz_max"] >= made["lipschitz_max_slice"] * (1 - 1e-12)
    assert "exact_regions" not in node().compute()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="grid is 1"):
        node(grid=1)
    with pytest.raises(InputError, match="parallel or zero"):
        node(frame=np.zeros((2, 6))).compute()
