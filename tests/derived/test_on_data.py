"""The nodes as parts of a sweep: weights, data and planes come from runs."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.builders import small_run
from tests.derived.builders import trained, weights_of
from weightspace.data import make_data
from weightspace.data.cosine import CosineProduct
from weightspace.data.task import Task
from weightspace.derived.chain import chain_of, outputs
from weightspace.derived.empty_regions import EmptyRegions
from weightspace.derived.line_regions import LineRegions
from weightspace.derived.lipschitz import LipschitzBounds
from weightspace.derived.slice_regions import SliceRegions
from weightspace.errors import InputError
from weightspace.models.zoo import make
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import SquaredError
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Row
from weightspace.store.base import Store
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep

NODES = (SliceRegions, EmptyRegions, LipschitzBounds)
MODEL = make("mlp:widths=12", (6,), 1)


@pytest.mark.parametrize("kind", NODES)
def test_examples_need_the_run_s_seeds(kind):
    with pytest.raises(InputError, match=r"needs the seeds of the run.*give seeds=run.seeds"):
        kind(MODEL, None, CosineProduct(dims=6))


@pytest.mark.parametrize("kind", NODES)
def test_identity_is_in_the_arrays(kind):
    chain, plane, _, x = trained()
    weights = weights_of(chain)
    one = kind(MODEL, weights, x, plane.axes)
    assert one == kind(MODEL, weights, x.copy(), plane.axes.copy())
    assert one != kind(MODEL, weights, x + 1, plane.axes)
    assert one != kind(MODEL, weights, x, -plane.axes)
    assert one != dataclasses.replace(one, grid=30)


def test_the_plane_and_the_points_are_those_of_the_data():
    data, seeds = CosineProduct(0.5, 30, dims=6), Seeds(4)
    node = SliceRegions(MODEL, None, data, seeds=seeds)
    assert node.points().shape == (30, 6)
    z = np.asarray(data.points(seeds))[:30]
    np.testing.assert_allclose(node.needed_plane().coordinates(node.points()), z, atol=1e-5)
    other = dataclasses.replace(node, seeds=Seeds(5))
    assert not np.allclose(other.points(), node.points())


def test_a_run_s_own_rows_are_taken():
    data = make_data("digits", validation=1000, subset=50)
    node = LipschitzBounds(make("fc", data.shape, data.outputs), None, data, seeds=Seeds(1))
    rows = np.asarray(data.partition(Seeds(1)).train)
    x = data.decode(data.arrays(), data.arrays().train.x[rows], "float32")
    np.testing.assert_array_equal(node.points(), np.asarray(x, np.float64).reshape(50, -1))
    assert node.plane() is None


def test_what_does_not_fit_is_refused():
    chain, plane, _, x = trained()
    weights = weights_of(chain)
    with pytest.raises(InputError, match=r"these data know none; give frame=, two vectors of shape \(6,\)"):
        SliceRegions(MODEL, weights, x).compute()
    with pytest.raises(InputError, match=r"frame is of shape \(2, 5\)"):
        SliceRegions(MODEL, weights, x, plane.axes[:, 1:]).compute()
    with pytest.raises(InputError, match="the origin has 3 numbers"):
        SliceRegions(MODEL, weights, x, plane.axes, np.ones(3)).compute()
    with pytest.raises(InputError, match="training points are"):
        LipschitzBounds(MODEL, weights, x[:0]).compute()


def test_a_sweep_trains_and_then_measures(tmp_path):
    data, seeds = CosineProduct(0.25, 40, dims=4), Seeds(2)
    model = make("mlp:widths=8", (4,), 1)
    recipe = Recipe(Sgd(0.003), "20ep", batch=1)
    run = small_run(recipe=recipe, data=data)
    run = dataclasses.replace(run, model=model, task=Task(data, SquaredError()), seeds=seeds)
    common = (model, run.final(), data)
    path = np.eye(3, 4, dtype=np.float32)
    nodes = {
        "slice": SliceRegions(*common, seeds=seeds, grid=30, exact=True),
        "empty": EmptyRegions(*common, seeds=seeds, grid=30),
        "bounds": LipschitzBounds(*common, seeds=seeds, grid=30, rounds=3),
        "line": LineRegions(model, run.final(), path),
    }
    table = sweep([Row({"what": name}, node) for name, node in nodes.items()], tmp_path).set_index("what")
    assert set(table["status"]) == {"ok"}
    assert table["training_regions"]["slice"] == table["training_regions"]["empty"]
    assert table["lipschitz_max_data"]["bounds"] == table["lipschitz_max_data"]["slice"]
    assert table["lipschitz_found"]["bounds"] <= table["lipschitz_upper"]["bounds"]
    assert table["exact_regions"]["slice"] >= table["regions"]["slice"]
    store = Store(tmp_path)
    stored = {name: store.output(nodes["slice"].digest, name) for name in ("ids", "outputs", "points")}
    chain = chain_of(model, jax.device_get(store.output(run.digest, run.final().key)), (4,))
    plane = nodes["slice"].needed_plane()
    x = plane.inputs(np.array([[-1 + 1 / 30, 1 - 1 / 30]]))
    # The last row is the largest z₂.
    np.testing.assert_allclose(stored["outputs"][-1, 0], outputs(chain, x)[0], rtol=1e-9)
    assert stored["ids"].shape == (30, 30)
    assert np.abs(stored["points"]).max() <= 1 + 1e-5
