"""Metrics without a value of runs that are sound: NaN with a reason, in the row, the warning and the page."""

import math

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import weightspace as ws
from weightspace.data.task import defined
from weightspace.errors import NoResultWarning
from weightspace.experiments.answered import answered
from weightspace.probes import Reached
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.store.reasons import reasons

pytestmark = pytest.mark.usefixtures("cache_apart")
X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
FAR = np.where(np.arange(64)[:, None] == 5, np.float32(1e30), X)


class Cube(nn.Module):
    """Sound on what it is trained on; a test input of 1e30 it cannot hold."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x**3)


class Line(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x)


def logarithm(o, y):
    """A metric that has no value for some examples."""
    return jnp.log(o[:, 0])


def task(test=X, metrics=(), validation=0):
    data = ws.Data(ws.from_arrays(X, Y, test, Y), normalise="none", validation=validation)
    return ws.Task(data, ws.CrossEntropy(), metrics)


def run(network, what, seed=0):
    recipe = ws.Recipe(ws.Sgd(0.01), "4it", batch=16)
    return ws.Run(ws.from_linen(network), what, ws.Full(), recipe, ws.Seeds(seed))


def test_outputs_that_overflow_on_the_test_part(tmp_path):
    rows = [run(Cube, task(FAR)), run(Cube, task())]
    said = "1 of 2 runs have metrics without a value: 1 ok .test_accuracy, test_loss are NaN at the end"
    with pytest.warns(NoResultWarning, match=said):
        table = ws.sweep(rows, tmp_path)
    assert table["status"].tolist() == ["ok", "ok"]
    assert np.isnan(table.loc[0, ["test_accuracy", "test_loss"]].astype(float)).all()
    assert np.isfinite(table.loc[0, ["train_accuracy", "train_loss"]].astype(float)).all()
    assert "outputs, or what is computed of them, are no numbers for some examples" in table["error"][0]
    assert pd.isna(table["error"][1])
    assert [(state, count) for state, _, count in reasons(results(tmp_path))] == [("ok", 1)]
    (part,) = answered(Store(tmp_path))
    ((text, runs),) = part.without_value.items()
    assert (text, runs) == (table["error"][0], [table["run"][0]])
    # Where it is asked again nothing is trained, and the reason is said again.
    with pytest.warns(NoResultWarning, match=said):
        ws.sweep(rows, tmp_path)


def test_a_metric_that_has_no_value_for_some(tmp_path):
    with pytest.warns(NoResultWarning, match="1 ok .test_logarithm, train_logarithm are NaN at the end"):
        table = ws.sweep([run(Line, task(metrics=("accuracy", logarithm)))], tmp_path)
    assert np.isnan(table["test_logarithm"][0])
    assert np.isfinite(table["test_loss"][0])
    # Completed by another metric, the reason of the old one stays.
    with pytest.warns(NoResultWarning, match="test_logarithm"):
        again = ws.sweep([run(Line, task(metrics=("accuracy",)))], tmp_path, lanes=1)
    assert again["run"][0] == table["run"][0]


def test_what_says_itself_that_there_is_nothing_needs_no_reason(tmp_path):
    """A level that is never reached: its step is -1."""
    watch = ws.Watch("end", (ws.Evaluation(("test",)), Reached(level=1.0, last=("test",))))
    table = ws.sweep([ws.Row({}, run(Line, task(validation=8)), watch)], tmp_path)
    assert table["reached_100_step"][0] == -1
    assert np.isnan(table["reached_100_test_loss"][0])
    assert pd.isna(table["error"][0])


def test_which_values_have_none():
    """NaN among outputs; infinity of which the loss is no number; not a mask of -inf with a sound loss."""
    inf, nan = math.inf, math.nan
    outputs = jnp.asarray([[0.0, 1], [nan, 1], [inf, -inf], [-inf, 1], [inf, 1], [1e30, 1]])
    loss = jnp.asarray([0.5, 0.5, nan, 0.5, inf, inf])
    found = defined(outputs, {"loss": loss, "accuracy": jnp.ones(6)})
    assert np.array_equal(found["loss"], [0.5, nan, nan, 0.5, inf, inf], equal_nan=True)
    assert np.array_equal(found["accuracy"], [1, nan, nan, 1, nan, 1], equal_nan=True)
    alone = defined(outputs, {"margin": jnp.ones(6)})["margin"]
    assert np.isnan(np.asarray(alone)).tolist() == [False, True, False, False, False, False]
