"""Networks that differ are different runs, whatever makes the difference, and an edit trains anew."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import weightspace as ws
from weightspace.errors import InputError
from weightspace.experiments.answered import answered
from weightspace.recipes.custom import custom_loss
from weightspace.store.base import Store

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


class Net(nnx.Module):
    def __init__(self, width, rngs):
        self.a, self.o = nnx.Linear(4, width, rngs=rngs), nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, x):
        return self.o(nnx.relu(self.a(x)))


class Maker:
    def __init__(self, width):
        self.width = width

    def __call__(self, rngs):
        return Net(self.width, rngs)

    def build(self, rngs):
        return Net(self.width, rngs)


def closed(width):
    def build(rngs):
        return Net(width, rngs)

    return build


def local(width):
    class Inner(nnx.Module):
        def __init__(self, rngs):
            self.net = Net(width, rngs)

        def __call__(self, x):
            return self.net(x)

    return Inner


def inherited(width):
    class Base(nnx.Module):
        size = width

    class Inner(Base):
        def __init__(self, rngs):
            self.net = Net(self.size, rngs)

        def __call__(self, x):
            return self.net(x)

    return Inner


def run(model, task=None):
    task = task or ws.Task(ws.Data(ws.from_arrays(X, Y)), ws.CrossEntropy())
    return ws.Run(model, task, ws.Full(), ws.Recipe(ws.Sgd(0.1), "2it", batch=20), ws.Seeds(0))


@pytest.mark.parametrize(
    "factory",
    [lambda w: lambda rngs, w=w: Net(w, rngs), closed, local, inherited, Maker, lambda w: Maker(w).build],
    ids=["default argument", "closure", "local class", "base class", "instance", "bound method"],
)
def test_factories_that_differ_in_what_they_hold_are_different_runs(factory, tmp_path):
    rows = [ws.Row({"width": w}, run(ws.from_nnx(factory(w)))) for w in (1, 5)]
    table = ws.sweep(rows, tmp_path)
    assert table["run"].nunique() == 2
    alone = ws.sweep([run(ws.from_nnx(Net, width=5))], tmp_path / "alone")
    assert table["test_loss"][1] == alone["test_loss"][0] != table["test_loss"][0]
    assert run(ws.from_nnx(factory(5))).digest == rows[1].node.digest


def test_losses_and_metrics_are_told_apart_by_what_they_hold():
    def loss(scale):
        return custom_loss(lambda outputs, _: scale * jnp.sum(outputs, -1))

    a, b, c = (ws.Task(ws.Data(ws.from_arrays(X, Y)), loss(s)).digest for s in (1.0, 2.0, 1.0))
    assert a == c != b


SCALE = 1.0


def scaled(w, x):
    return SCALE * x @ w["kernel"]


def start(key, x):
    return {"kernel": jax.random.normal(key, (4, 2))}


def test_a_global_that_changes_after_the_model_was_made_is_refused(tmp_path, monkeypatch):
    model = ws.from_function(start, scaled)
    first = ws.sweep([run(model)], tmp_path)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    with pytest.raises(InputError, match=r"scaled has changed since it was handed over.*make the model"):
        ws.sweep([run(model)], tmp_path)
    second = ws.sweep([run(ws.from_function(start, scaled))], tmp_path)
    assert first["test_loss"][0] != second["test_loss"][0]


SCRIPT = """
import sys, numpy as np, weightspace as ws
from flax import nnx
class Block(nnx.Module):
    def __init__(self, rngs): self.lin = nnx.Linear(4, 4, rngs=rngs)
    def __call__(self, x): return 1.0 * nnx.relu(self.lin(x))
class Outer(nnx.Module):
    def __init__(self, rngs): self.block, self.out = Block(rngs), nnx.Linear(4, 2, rngs=rngs)
    def __call__(self, x): return self.out(self.block(x))
x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
task = ws.Task(ws.Data(ws.from_arrays(x, (x[:, 0] > 0).astype(int))), ws.CrossEntropy())
recipe = ws.Recipe(ws.Sgd(0.1), "2it", batch=20)
table = ws.sweep([ws.Run(ws.from_nnx(Outer), task, ws.Full(), recipe, ws.Seeds(0))], sys.argv[1])
print(table["run"][0], table["test_loss"][0])
"""


def test_an_edit_of_a_helper_trains_anew_and_a_remark_does_not(tmp_path):
    script, found = tmp_path / "script.py", []
    environment = os.environ | {"PYTHONPATH": str(Path(ws.__file__).parents[1])}
    for text in (
        SCRIPT,
        SCRIPT.replace("1.0 *", "0.0 *"),
        "# A remark.\n" + SCRIPT.replace("\nx =", "\n\nx ="),
    ):
        script.write_text(text)
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "out")],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        found.append(tuple(done.stdout.split()))
    assert found[0] == found[2]
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def counted(limit):
    def margin(outputs, y):
        return jnp.where(jnp.abs(outputs[:, 0]) > limit, 1.0, 0.0)

    return margin


def test_a_metric_that_was_edited_is_measured_anew_and_the_rest_is_kept(tmp_path):
    found = []
    for metrics in ((counted(0.1),), (counted(0.3),), (counted(0.1),), ("accuracy",), ()):
        task = ws.Task(ws.Data(ws.from_arrays(X, Y, X, Y)), ws.CrossEntropy(), metrics)
        model = ws.from_nnx(Net, width=3)
        found.append(ws.sweep([run(model, task)], tmp_path).iloc[-1])
    first, second, third, named, own = found
    assert first["run"] == second["run"] == own["run"]
    assert first["test_margin"] == third["test_margin"] != second["test_margin"]
    assert named["test_accuracy"] == own["test_accuracy"] > 0


def measured(metrics, seeds, watch=None, **labels):
    task = ws.Task(ws.Data(ws.from_arrays(X, Y, X, Y)), ws.CrossEntropy(), metrics)
    runs = [dataclasses.replace(run(ws.from_nnx(Net, width=3), task), seeds=ws.Seeds(s)) for s in seeds]
    return [ws.Row({"seed": each.seeds.base} | labels, each, watch) for each in runs]


@pytest.mark.parametrize("calls", ["one", "two"])
def test_metrics_of_one_name_over_other_seeds_are_told_apart(calls, tmp_path):
    rows = [measured((counted(limit),), seeds) for limit, seeds in ((0.1, (0, 1)), (0.5, (2, 3)))]
    for asked in (rows[0] + rows[1],) if calls == "one" else rows:
        table = ws.sweep(asked, tmp_path)
    assert ("metric.margin" in table) == (calls == "one")
    table = ws.results(tmp_path, "runs").sort_values("seed")
    one, two = table["metric.margin"][:2].unique(), table["metric.margin"][2:].unique()
    assert len(one) == len(two) == 1
    assert one != two
    (part,) = answered(Store(tmp_path), "runs")
    assert part.summary["n"].tolist() == [2, 2]
    means = sorted(table["test_margin"].iloc[part_].mean() for part_ in (slice(2), slice(2, 4)))
    assert sorted(part.summary["test_margin"]) == pytest.approx(means)


def accuracy(outputs, y):
    return jnp.where(outputs[:, 0] > 5.0, 1.0, 0.0)


def test_a_metric_that_takes_the_place_of_the_loss_s_own_is_told_apart(tmp_path):
    asked = measured((), (0, 1)) + measured((accuracy,), (2, 3))
    table = ws.sweep(asked, tmp_path)
    assert table["metric.accuracy"].tolist()[:2] == ["of the loss"] * 2
    assert table["metric.accuracy"].iloc[2] == table["metric.accuracy"].iloc[3] != "of the loss"
    same = ws.sweep(measured((), (0, 1)) + measured(("accuracy",), (4,)), tmp_path)
    assert "metric.accuracy" not in same


def test_rows_of_other_labels_and_of_other_probes_are_told_apart_too(tmp_path):
    asked = measured((counted(0.1),), (0,), a=1) + measured((counted(0.5),), (1,), a=2)
    assert ws.sweep(asked, tmp_path / "labels")["metric.margin"].nunique() == 2
    watches = [ws.Watch("end", (ws.Evaluation(("test",), statistics=s),)) for s in ("running", "batch")]
    asked = [row for s, watch in enumerate(watches) for row in measured((), (s,), watch)]
    table = ws.sweep(asked, tmp_path / "probes")
    assert table["probe.test"].nunique() == 2
    assert not [name for name in ws.sweep(asked[:1], tmp_path / "probes") if name.startswith("probe.")]


def test_columns_of_one_name_and_other_statistics_are_told_apart(tmp_path):
    class Normalised(nnx.Module):
        def __init__(self, rngs):
            self.a, self.n = nnx.Linear(4, 2, rngs=rngs), nnx.BatchNorm(2, rngs=rngs)

        def __call__(self, x):
            return self.n(self.a(x))

    one = run(ws.from_nnx(Normalised), ws.Task(ws.Data(ws.from_arrays(X, Y, X, Y)), ws.CrossEntropy()))
    running, batch = (
        ws.Watch("end", (ws.Evaluation(("test",), statistics=s),)) for s in ("running", "batch")
    )
    found = [
        ws.sweep([ws.Row({}, one, w)], tmp_path)["test_loss"].iloc[-1] for w in (running, batch, running)
    ]
    assert found[0] == found[2] != found[1]
    with pytest.raises(InputError, match="which both write columns that begin with 'test_'"):
        ws.sweep([ws.Row({"s": 1}, one, running), ws.Row({"s": 2}, one, batch)], tmp_path)


@pytest.mark.parametrize("order", [1, -1])
def test_a_run_that_others_start_from_is_measured_as_its_own_row_says(order, tmp_path):
    data = ws.Data(ws.from_arrays(X, Y, X, Y))
    plain, own = (ws.Task(data, ws.CrossEntropy(), metrics) for metrics in ((), (counted(0.1),)))
    model = ws.from_nnx(Net, width=3)
    start, child = run(model, own), run(model, plain)
    child = ws.Run(
        model, plain, ws.Affine(ws.Gaussian(4), run(model, plain).final()), child.recipe, ws.Seeds(0)
    )
    rows = [ws.Row({"what": "start"}, start), ws.Row({"what": "child"}, child)][::order]
    table = ws.sweep(rows, tmp_path).set_index("what")
    assert table.loc["start", "test_margin"] > 0
    assert table.loc["child", "test_accuracy"] > 0
    with pytest.raises(InputError, match="two lists of metrics"):
        ws.sweep([ws.Row({"what": 1}, start), ws.Row({"what": 2}, run(model, plain))], tmp_path)
