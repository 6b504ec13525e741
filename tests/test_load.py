"""Networks come back as they were left: the recorded loss from the user's own module, of any library."""

import dataclasses

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import weightspace as ws
from tests.builders import small_run
from weightspace.cli import main
from weightspace.errors import InputError, NoResultWarning, StoreError
from weightspace.models.zoo import make
from weightspace.store.base import Store
from weightspace.sweeps.keep import Kept, unasked
from weightspace.sweeps.plan import plan
from weightspace.sweeps.question import Rows

DATA = ws.make_data("digits", validation=200)
TEST = DATA.source.loaded.test


class OfNnx(nnx.Module):
    def __init__(self, rngs):
        self.a, self.bn = nnx.Linear(64, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.drop, self.o = nnx.Dropout(0.2, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        return self.o(self.drop(nnx.relu(self.bn(self.a(x.reshape(len(x), -1))))))


class OfLinen(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x.reshape(len(x), -1)))
        return nn.Dense(10)(nn.relu(x))


class OfEquinox(eqx.Module):
    a: eqx.nn.Linear
    bn: eqx.nn.BatchNorm
    o: eqx.nn.Linear

    def __init__(self, key):
        one, two = jax.random.split(key)
        self.a, self.o = eqx.nn.Linear(64, 8, key=one), eqx.nn.Linear(8, 10, key=two)
        self.bn = eqx.nn.BatchNorm(8, "batch", mode="batch")

    def __call__(self, x, state):
        x, state = self.bn(self.a(x.ravel()), state)
        return self.o(jax.nn.relu(x)), state


def made(key):
    return eqx.nn.make_with_state(OfEquinox)(key)


def drawn(key, x):
    return {"layers": [jax.random.normal(key, (x[0].size, 10)) * 0.1, jnp.zeros(10)]}


def apply(weights, x):
    kernel, bias = weights["layers"]
    return x.reshape(len(x), -1) @ kernel + bias[None]


def by_nnx(module, x):
    assert isinstance(module, OfNnx)
    return module(x)


def by_linen(module, x):
    network, variables = module
    assert isinstance(network, OfLinen)
    return network.clone().apply(variables, x, train=False)


def by_equinox(module, x):
    network, state = module
    assert isinstance(network, OfEquinox)
    return jax.vmap(lambda one: network(one, state)[0], axis_name="batch")(x)


LIBRARIES = {
    "nnx": (ws.from_nnx(OfNnx), by_nnx),
    "linen": (ws.from_linen(OfLinen), by_linen),
    "equinox": (ws.from_equinox(made), by_equinox),
    "function": (ws.from_function(drawn, apply), apply),
    "zoo": (make("mlp2", tuple(DATA.shape), 10), lambda module, x: module(x)),
}


def loss(outputs):
    labels = jnp.asarray(TEST.y)
    return float(optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean())


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_module_comes_back_and_gives_the_recorded_loss(tmp_path, library):
    model, call = LIBRARIES[library]
    run = dataclasses.replace(small_run(0, data=DATA, length="12it"), model=model)
    table = ws.sweep([run], tmp_path)
    recorded = table["test_loss"][0]
    found = ws.load(tmp_path, run)
    assert loss(call(found.module, found.decoded(TEST.x))) == pytest.approx(recorded, abs=1e-5)
    assert loss(found(TEST.x)) == pytest.approx(recorded, abs=1e-5)
    assert found.measure()["test_loss"] == pytest.approx(recorded, abs=1e-5)
    again = ws.load(tmp_path, table["run"][0][:10], None if library == "zoo" else model)
    assert np.array_equal(again(TEST.x), found(TEST.x))
    with pytest.raises(InputError, match="load the run itself"):
        again.measure()
    with pytest.raises(InputError, match=r"\(3, 5\).*takes \(n, 8, 8, 1\)"):
        found(np.zeros((3, 5)))
    if library != "zoo":
        with pytest.raises(InputError, match=r"never run: give the run itself"):
            ws.load(tmp_path, run.digest)


def test_another_network_than_the_one_trained_is_refused(tmp_path):
    run = small_run(0, length="2it")
    ws.sweep([run], tmp_path)
    with pytest.raises(InputError, match=r"is not the one that was trained.*code"):
        ws.load(tmp_path, run.digest, ws.from_nnx(OfNnx))
    with pytest.raises(InputError, match=r"model=ws.from_nnx\(Net\)"):
        ws.load(tmp_path, run.digest, OfNnx)
    with pytest.raises(StoreError, match="no result of this run"):
        ws.load(tmp_path, small_run(7, length="2it"))
    with pytest.raises(InputError, match="give the run, or its digest"):
        ws.load(tmp_path, 3)


def test_points_of_a_line_have_statistics_of_their_own(tmp_path):
    run = dataclasses.replace(
        small_run(0, data=DATA, length="12it", space=ws.Line()), model=ws.from_nnx(OfNnx)
    )
    points = ws.Points.of(run, ("0", "0.25", "1"))
    table = ws.sweep([ws.Row({"node": "run"}, run), ws.Row({"node": "points"}, points)], tmp_path)
    assert set(table["status"]) == {"ok"}
    accuracy = Store(tmp_path).output(points.digest, "accuracy")
    for name, expected in zip(points.names, accuracy, strict=True):
        found = ws.load(tmp_path, run, at=name)
        assert found.measure()["test_accuracy"] == pytest.approx(float(expected), abs=1e-6)
        assert float((found(TEST.x).argmax(1) == TEST.y).mean()) == pytest.approx(float(expected), abs=1e-6)
    with pytest.raises(InputError, match=r"0\.25"):
        ws.load(tmp_path, run, at="1.5")


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_the_arithmetic_is_that_of_the_run(tmp_path, dtype):
    model = make("fc:widths=8", tuple(DATA.shape), 10)
    run = dataclasses.replace(
        small_run(0, data=DATA, length="6it"), model=model, precision=ws.Precision(dtype)
    )
    recorded = ws.sweep([run], tmp_path)["test_loss"][0]
    found = ws.load(tmp_path, run.digest)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.weights)} == {jnp.dtype(run.precision.storage)}
    assert found(TEST.x).dtype == run.precision.storage
    # Whole sets and batches of them round apart in bfloat16.
    off = 1e-4 if dtype == "bfloat16" else 1e-9
    logits = np.asarray(found(TEST.x), np.float64)
    picked = logits[np.arange(len(TEST.y)), TEST.y]
    assert (np.log(np.exp(logits).sum(1)) - picked).mean() == pytest.approx(recorded, abs=off)
    assert ws.load(tmp_path, run).measure()["test_loss"] == pytest.approx(recorded, abs=1e-5)


def test_a_network_that_diverged_says_so(tmp_path):
    run = small_run(0, data=DATA, length="6it", lr=1e30)
    with pytest.warns(NoResultWarning):
        ws.sweep([run], tmp_path)
    with pytest.warns(NoResultWarning, match="diverged; its weights are those where it came to rest"):
        assert ws.load(tmp_path, run).status == "diverged"


def test_points_of_what_has_none_are_refused(tmp_path):
    run = small_run(0, data=DATA, length="2it")
    ws.sweep([run], tmp_path)
    with pytest.raises(InputError, match="no named points"):
        ws.load(tmp_path, run, at="0.5")


KEPT = {
    None: {"snapshot(end).weights"},
    "final": {"snapshot(end).weights"},
    "best": {"best.weights"},
    "none": set(),
}


@pytest.mark.parametrize("keep", KEPT)
def test_a_row_says_what_is_kept(tmp_path, keep):
    run = small_run(0, data=DATA, length="3it")
    ws.sweep([ws.Row({}, run, keep=keep)], tmp_path)
    outputs = Store(tmp_path).record(run.digest).outputs
    assert {name for name in outputs if name.endswith("weights")} == KEPT[keep]


def test_what_is_stored_is_trained_again_only_where_keeping_is_asked_for(tmp_path):
    run = small_run(0, length="3it")
    first = ws.sweep([run], tmp_path, keep="none")
    with pytest.raises(StoreError, match="--keep final"):
        ws.load(tmp_path, run)
    assert not plan(Rows([run]), Store(tmp_path)).wanted
    assert plan(Rows([run]), Store(tmp_path), keep="final").wanted
    second = ws.sweep([run], tmp_path, keep="final")
    assert first["test_loss"][0] == second["test_loss"][0]
    assert ws.load(tmp_path, run).measure()["test_loss"] == pytest.approx(first["test_loss"][0], abs=1e-6)


def test_networks_are_kept_unasked_where_all_together_are_small(monkeypatch):
    runs = [small_run(seed, data=DATA) for seed in range(3)]
    size = 4 * sum(x.size for x in jax.tree.leaves(jax.eval_shape(
        runs[0].model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *runs[0].task.data.shape), "float32")
    )[0]))  # fmt: skip
    rows = [ws.Row({"seed": seed}, run) for seed, run in enumerate(runs)]
    found = unasked(runs, rows)
    assert found.bytes == 3 * size
    assert found.digests == {run.digest for run in runs}
    assert unasked(runs, [ws.Row({}, runs[1], keep="none")]).digests == {runs[0].digest, runs[2].digest}
    monkeypatch.setattr("weightspace.sweeps.keep.SMALL", 3 * size - 1)
    assert unasked(runs, rows) == Kept(frozenset(), 3 * size)
    assert unasked(runs[:2], rows[:2]).digests == {run.digest for run in runs[:2]}


@pytest.mark.parametrize("given", ["finale", "all", ""])
def test_unknown_policies_are_refused(tmp_path, given):
    with pytest.raises(InputError, match="final"):
        ws.sweep([small_run(0)], tmp_path, keep=given)
    with pytest.raises(InputError, match="final"):
        ws.Row({}, small_run(0), keep=given)


def test_the_command_line_keeps_says_what_it_costs_and_exports(tmp_path, capsys):
    run = [
        "run",
        "freedom.random",
        "--preset",
        "smoke",
        "--dims",
        "2",
        "--seeds",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert main([*run, "--dry-run"]) == 0
    assert "of 2 runs are kept" in capsys.readouterr().out
    assert main([*run, "--dry-run", "--keep", "none"]) == 0
    assert "of 0 runs are kept" in capsys.readouterr().out
    assert main([*run, "--dry-run", "--keep", "final"]) == 0
    assert "of 2 runs are kept" in capsys.readouterr().out
    assert main([*run, "--keep", "last"]) == 2
    assert "final" in capsys.readouterr().err
    assert main(run) == 0
    capsys.readouterr()
    rows = ws.results(tmp_path)
    for digest, recorded in zip(rows["run"], rows["test_loss"], strict=True):
        assert main(["export", str(tmp_path), digest]) == 0
        assert np.isfinite(recorded)
        assert ws.load(tmp_path, digest).weights
