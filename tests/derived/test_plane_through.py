"""Planes through three networks: where these lie, and what is measured there."""

import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace.derived.plane_through import PlaneThrough, RegionPoint
from weightspace.errors import InputError
from weightspace.tree import flat_dict


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    out = tmp_path_factory.mktemp("plane")
    run = small_run(model="fc:widths=4", space=ws.Simplex(3), length="12it")
    weights = tuple(RegionPoint.of(run, f"vertex{i}").output("weights") for i in range(3))
    plane = PlaneThrough(run.model, run.task, weights, run.seeds, points=3, margin=0.0)
    points = ws.Points.of(run, ("vertex0", "vertex1", "vertex2"))
    ws.sweep([ws.Row({"what": "plane"}, plane), ws.Row({"what": "points"}, points)], out)
    from weightspace.store.base import Store

    store = Store(out)
    names = ("x", "y", "accuracy", "nll", "corners")
    found = {name: np.asarray(store.output(plane.digest, name)) for name in names}
    told = ("accuracy", "nll", "distance", "kernel_distance", "kernel_cosine_squared")
    at = {name: np.asarray(store.output(points.digest, name)) for name in told}
    vertices = [store.output(weight.of.digest, "weights") for weight in weights]
    return found, at, vertices


def test_corners_are_as_far_apart_as_the_networks(stored):
    found, at, _ = stored
    apart = np.linalg.norm(found["corners"][:, None] - found["corners"][None], axis=-1)
    assert np.allclose(apart, at["distance"], rtol=1e-5)
    assert found["corners"][0].tolist() == [0, 0]
    assert found["corners"][2, 1] == 0


def test_a_network_on_the_grid_is_measured_as_it_is_alone(stored):
    found, at, _ = stored
    x, y = found["x"], found["y"]
    assert (x[0], y[0]) == (0, 0)
    assert found["nll"].shape == (3, 3)
    assert found["nll"][0, 0] == pytest.approx(at["nll"][0], rel=1e-5)
    assert found["accuracy"][0, 0] == pytest.approx(at["accuracy"][0])
    assert x[-1] == pytest.approx(found["corners"][2, 0])
    assert found["nll"][0, -1] == pytest.approx(at["nll"][2], rel=1e-5)


def test_distances_of_kernels_are_of_kernels_alone(stored):
    _, at, vertices = stored
    kernels = [
        np.concatenate([np.ravel(leaf) for path, leaf in flat_dict(each).items() if path.endswith("kernel")])
        for each in vertices
    ]
    a, b = (np.asarray(each, np.float64) for each in kernels[:2])
    assert at["kernel_distance"][0, 1] == pytest.approx(np.linalg.norm(a - b), rel=1e-6)
    assert at["kernel_cosine_squared"][0, 1] == pytest.approx((a @ b) ** 2 / ((a @ a) * (b @ b)), rel=1e-5)


def test_three_on_a_line_and_other_numbers_are_refused():
    run = small_run(model="fc:widths=2")
    weights = [
        {"hidden": {"0": {"kernel": np.full((64, 2), v), "bias": np.zeros(2)}}} for v in (0.0, 1.0, 2.0)
    ]
    with pytest.raises(InputError, match="lie on one line"):
        PlaneThrough(run.model, run.task, tuple(weights), run.seeds).compute()
    with pytest.raises(InputError, match="goes through three networks, but 2 are given"):
        PlaneThrough(run.model, run.task, tuple(weights[:2]), run.seeds)
    with pytest.raises(InputError, match=r"weights 1 cannot be averaged|has shape"):
        PlaneThrough(run.model, run.task, (*weights[:2], {"a": np.zeros(2)}), run.seeds).compute()
    normalised = small_run(model="mnist_fc:widths=2")
    with pytest.raises(InputError, match="have no running statistics"):
        PlaneThrough(
            normalised.model, normalised.task, tuple(weights), normalised.seeds, statistics="running"
        )
