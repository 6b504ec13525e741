"""Points of a region and networks side by side: against networks measured one by one."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.builders import small_run
from weightspace import tree
from weightspace.data import make_data
from weightspace.derived.compared import Compared, geometry
from weightspace.derived.region import Points, grid
from weightspace.derived.region_sharpness import SharpnessAt
from weightspace.edits.exchange import RigL
from weightspace.errors import InputError
from weightspace.measure.collect import collect
from weightspace.measure.host import measure, stacked
from weightspace.measure.network import Network, Subject
from weightspace.models.adapters import from_nnx
from weightspace.probes import Evaluation
from weightspace.recipes.metrics import Brier
from weightspace.run import Row, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.curves import Bezier
from weightspace.spaces.full import Full
from weightspace.spaces.simplex import Line, Simplex
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

NAMES = grid(5)


class Normed(nnx.Module):
    """A dense network with batch normalisation before its output."""

    def __init__(self, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(64, 6, rngs=rngs)
        self.norm = nnx.BatchNorm(6, momentum=0.9, rngs=rngs)
        self.output = nnx.Linear(6, 10, rngs=rngs)

    def __call__(self, x):
        return self.output(jax.nn.relu(self.norm(self.hidden(x.reshape(x.shape[0], -1)))))


@functools.cache
def normed(subset=None):
    """A run, some of its networks, and the state of new ones."""
    data = make_data("digits", normalise="unit", subset=subset)
    run = dataclasses.replace(small_run(0, data=data, space=Line()), model=from_nnx(Normed))
    draw = jax.jit(lambda k: run.model.init(k, jnp.zeros((1, 8, 8, 1))))
    nets = [draw(jax.random.key(i, impl="threefry2x32")) for i in range(3)]
    return run, [Network(*net) for net in nets]


def region(run, networks, **options):
    theta = jax.tree.map(lambda *a: jnp.stack(a), *(n.weights for n in networks[:2]))
    return Points(run.model, run.task, run.space, theta, run.seeds, NAMES, networks[0].state, **options)


def between(a, b, alpha):
    return jax.tree.map(lambda u, v: (1 - alpha) * u + alpha * v, a.weights, b.weights)


@pytest.mark.parametrize("statistics", ["recalibrated", "pooled"])
def test_points_are_what_networks_measured_one_by_one_are(statistics):
    """Five points in one reading, with the uncalibrated number beside."""
    run, networks = normed()
    found = region(run, networks, statistics=statistics).compute()
    task = dataclasses.replace(run.task, metrics=("accuracy", Brier()))
    subject = Subject(run.model, task, run.seeds)
    for i, alpha in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
        one = stacked([Network(between(*networks[:2], alpha), networks[0].state)])
        for prefix, kind in (("", statistics), ("uncalibrated_", "running")):
            alone = measure(subject, one, {"test": None}, kind)
            for ours, theirs in (("accuracy", "accuracy"), ("nll", "loss"), ("brier", "brier")):
                expected = alone[f"test_{theirs}"][0]
                np.testing.assert_allclose(found.arrays[prefix + ours][i], expected, rtol=2e-5, atol=1e-5)
    assert np.abs(found.arrays["nll"] - found.arrays["uncalibrated_nll"]).max() > 1e-3
    assert found.columns["mean_accuracy"] == pytest.approx(found.arrays["accuracy"].mean())
    ends = found.arrays["nll"][[0, -1]].mean()
    assert found.columns["barrier_ends_nll"] == pytest.approx(found.arrays["nll"].max() - ends)


def test_pooled_statistics_are_those_of_one_large_batch():
    """Of a dense network, where the mean of batch variances falls short by 1/B and pooling does not."""
    run, networks = normed()
    weights = networks[0].weights
    subject = Subject(run.model, run.task, run.seeds)
    x = np.asarray(run.task.data.arrays().train.x, np.float32).reshape(-1, 64)
    arrays = run.task.data.arrays()
    decoded = np.asarray(run.task.data.decode(arrays, jnp.asarray(arrays.train.x), jnp.dtype("float32")))
    hidden = decoded.reshape(len(x), 64) @ np.asarray(weights["hidden"]["kernel"]) + np.asarray(
        weights["hidden"]["bias"]
    )
    mean, var = hidden.astype(np.float64).mean(0), hidden.astype(np.float64).var(0)
    gaps = {}
    for kind in ("recalibrated", "pooled"):
        seen = collect(subject, stacked([networks[0]]), "test", (kind,), features="norm")
        test = np.asarray(run.task.data.decode(arrays, jnp.asarray(arrays.test.x), jnp.dtype("float32")))
        h = test.reshape(len(test), 64) @ np.asarray(weights["hidden"]["kernel"])
        h = np.maximum((h + np.asarray(weights["hidden"]["bias"]) - mean) / np.sqrt(var + 1e-5), 0)
        expected = h @ np.asarray(weights["output"]["kernel"]) + np.asarray(weights["output"]["bias"])
        gaps[kind] = np.abs(seen.outputs[kind][0] - expected).max()
    assert gaps["pooled"] < 2e-4
    assert gaps["recalibrated"] > 3 * gaps["pooled"]


def test_where_the_batch_is_all_the_data_both_kinds_are_one():
    run, networks = normed(subset=300)
    subject = Subject(run.model, run.task, run.seeds)
    seen = collect(subject, stacked(networks[:1]), "test", ("recalibrated", "pooled"))
    np.testing.assert_array_equal(seen.outputs["recalibrated"], seen.outputs["pooled"])


def test_features_are_compared_by_their_cosine():
    run, networks = normed()
    subject = Subject(run.model, run.task, run.seeds)
    seen = collect(subject, stacked(networks), "test", ("running",), features="hidden")
    arrays = run.task.data.arrays()
    x = np.asarray(run.task.data.decode(arrays, jnp.asarray(arrays.test.x), jnp.dtype("float32")))
    layers = [n.weights["hidden"] for n in networks]
    h = [x.reshape(len(x), 64) @ np.asarray(w["kernel"]) + np.asarray(w["bias"]) for w in layers]
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in h]
    cosine = np.array([[(a * b).sum(1).mean() for b in unit] for a in unit])
    squared = np.array([[((a * b).sum(1) ** 2).mean() for b in unit] for a in unit])
    np.testing.assert_allclose(seen.cosine, cosine, atol=1e-5)
    np.testing.assert_allclose(seen.squared, squared, atol=1e-5)
    with pytest.raises(InputError, match="unknown module 'hiden'; did you mean 'hidden'"):
        collect(subject, stacked(networks), "test", ("running",), features="hiden")


def test_batches_leave_nothing_out_and_count_nothing_twice(monkeypatch):
    run, networks = normed()
    subject = Subject(run.model, run.task, run.seeds)
    whole = collect(subject, stacked(networks[:1]), "train", ("running",))
    size = run.task.data.size
    assert size % 500  # the last batch is a short one
    assert whole.outputs["running"].shape == (1, size, 10)
    part = collect(subject, stacked(networks[:1]), "train", ("running",), limit=7)
    np.testing.assert_allclose(part.outputs["running"], whole.outputs["running"][:, :7], atol=1e-5)
    np.testing.assert_array_equal(np.bincount(whole.y), np.bincount(run.task.data.arrays().train.y))


def test_networks_side_by_side_and_geometry():
    run, networks = normed()
    found = Compared(run.model, run.task, tuple(networks), run.seeds, "recalibrated").compute()
    points = region(run, networks).compute()
    for i, j in ((0, 0), (1, 4)):  # the ends of the line are the first two networks
        assert found.arrays["nll"][i] == pytest.approx(points.arrays["nll"][j], rel=1e-5)
    pair = found.arrays["ensemble_accuracy"][0, 1]
    assert pair == pytest.approx(points.arrays["ensemble_accuracy"][0, 4], abs=1e-6)
    flat = [np.asarray(tree.ravel(n.weights)[0], np.float64) for n in networks]
    weights = geometry(stacked(networks).weights)
    np.testing.assert_allclose(weights["distance"][0, 2], np.linalg.norm(flat[0] - flat[2]), rtol=1e-6)
    cosine = flat[1] @ flat[2] / np.linalg.norm(flat[1]) / np.linalg.norm(flat[2])
    np.testing.assert_allclose(weights["cosine_squared"][1, 2], cosine**2, rtol=1e-5)
    length = np.linalg.norm(flat[0] - flat[1])
    assert points.columns["path_length"] == pytest.approx(length, rel=1e-5)
    part = Network({"hidden": networks[0].weights["hidden"]}, None)
    other = Compared(run.model, run.task, (part,), run.seeds)
    with pytest.raises(InputError, match="belongs to another architecture: it has no leaf"):
        other.compute()


def test_a_line_from_training_to_its_points(tmp_path):
    """Training, evaluation at points, and `Points` of the stored coordinates agree."""
    run = small_run(1, model="fc:widths=12", space=Line(), length="30it", lr=0.05)
    watch = Watch("end", (Evaluation(("test",), names=("0", "0.25", "midpoint")),))
    points = Points.of(run, ("0", "0.25", "0.5", "1"))
    table = sweep([Row({"what": "run"}, run, watch), Row({"what": "points"}, points)], tmp_path)
    assert set(table["status"]) == {"ok"}
    line = table.set_index("what").loc["run"]
    accuracy = Store(tmp_path).output(points.digest, "accuracy")
    for i, name in enumerate(("0", "0.25", "midpoint")):
        assert accuracy[i] == pytest.approx(line[f"{name}_test_accuracy"], abs=1e-6)
    assert table.set_index("what").loc["points", "barrier_ends_error"] >= 0


def test_points_of_a_line_inside_a_random_subspace(tmp_path):
    """The fixed arrays are those of the run, drawn anew from its seeds: what it recorded is found again."""
    space = Compose(Affine(Gaussian(3), spread=0.5), Line())
    run = small_run(2, model="fc:widths=4", space=space, length="20it", lr=0.05)
    watch = Watch("end", (Evaluation(("test",), names=("0", "1")),))
    points = Points.of(run, ("0", "1"))
    table = sweep([Row({"what": "run"}, run, watch), Row({"what": "points"}, points)], tmp_path)
    line = table.set_index("what").loc["run"]
    for name, accuracy in zip(("0", "1"), Store(tmp_path).output(points.digest, "accuracy"), strict=True):
        assert accuracy == pytest.approx(line[f"{name}_test_accuracy"], abs=1e-6)
    assert Store(tmp_path).output(points.digest, "nll")[0] != Store(tmp_path).output(points.digest, "nll")[1]


def test_points_under_masks_that_changed_on_the_way_are_refused():
    run = dataclasses.replace(small_run(0, space=Line(), length="20it"), edits=(RigL(every="5it"),))
    with pytest.raises(InputError, match="under the masks that a run begins with, but edits change"):
        Points.of(run)


def test_sharpness_of_weights_without_their_statistics_is_refused():
    run, networks = normed()
    theta = jax.tree.map(lambda *a: jnp.stack(a), *(n.weights for n in networks[:2]))
    node = SharpnessAt(run.model, run.task, run.space, theta, run.seeds, ("0", "1"), statistics="running")
    with pytest.raises(InputError, match="come without normalisation statistics"):
        node.compute()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"space": Full()}, "'full' has no named points; Simplex, Bezier and Chain have"),
        ({"names": ()}, r"names of points are \(\), but must be some, each once"),
        ({"names": ("0", "0")}, "each once"),
        ({"statistics": "batch"}, "unknown statistics 'batch'"),
        ({"way": "sum"}, "unknown way of an ensemble 'sum'"),
        ({"bins": 0}, "bins is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, text):
    run = small_run(space=Bezier(3))
    given = {"space": run.space, "names": ("0", "1")} | change
    with pytest.raises(InputError, match=text):
        Points(run.model, run.task, coordinates=(), seeds=run.seeds, **given)


def test_a_point_outside_is_refused():
    run, networks = normed()
    with pytest.raises(InputError, match=r"no point '1\.2'"):
        dataclasses.replace(region(run, networks), names=("0", "1.2")).compute()
    assert Simplex(3).points


def test_sharpness_along_a_line_is_the_largest_eigenvalue_of_the_whole_hessian():
    data = make_data("digits", subset=120)
    run = small_run(0, model="fc:widths=1", data=data, space=Line())
    draw = jax.jit(lambda k: run.model.init(k, jnp.zeros((1, 8, 8, 1)))[0])
    ends = [draw(jax.random.key(i, impl="threefry2x32")) for i in (0, 1)]
    theta = jax.tree.map(lambda *a: jnp.stack(a), *ends)
    given = SharpnessAt(run.model, run.task, run.space, theta, run.seeds, ("0", "0.5"), iterations=40)
    found = given.compute().arrays
    arrays = run.task.data.arrays()
    rows = run.task.data.partition(run.seeds).train
    x = run.task.data.decode(arrays, jnp.asarray(arrays.train.x)[rows], jnp.dtype("float32"))
    y = jnp.asarray(arrays.train.y)[rows]
    flat, back = tree.ravel(ends[0])

    @jax.jit
    def hessian(v):
        k = jax.random.key(0, impl="threefry2x32")
        return jax.hessian(
            lambda v: jnp.mean(run.task.loss(run.model.apply(back(v), {}, x, train=False, key=k)[0], y))
        )(v)

    for i, point in enumerate((flat, (flat + tree.ravel(ends[1])[0]) / 2)):
        exact = np.linalg.eigvalsh(np.asarray(hessian(point), np.float64))[-1]
        assert found["sharpness"][i] == pytest.approx(exact, rel=2e-3)
