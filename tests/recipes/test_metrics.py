"""Metrics of whole sets are those of NumPy, in any batches, and are columns beside the others."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from weightspace.data import make_data
from weightspace.data.base import Data
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.errors import InputError
from weightspace.recipes.losses import CrossEntropy, SquaredError
from weightspace.recipes.metrics import Brier, ByClass, CalibrationError, Confusion
from weightspace.run import Row
from weightspace.sweeps.ask import sweep

N, K = 70, 4
RNG = np.random.default_rng(0)
OUTPUTS = (3 * RNG.normal(size=(N, K))).astype(np.float32)
Y = RNG.integers(0, K - 1, N)  # the last class never occurs


def probabilities():
    wide = np.exp(OUTPUTS.astype(np.float64))
    return wide / wide.sum(1, keepdims=True)


def calibration_error(bins):
    """Guo et al. (2017): bins (l, r] of the largest probability, |accuracy - confidence| weighted by size."""
    p, right = probabilities().max(1), OUTPUTS.argmax(1) == Y
    found = 0.0
    for low, high in zip(np.linspace(0, 1, bins + 1)[:-1], np.linspace(0, 1, bins + 1)[1:], strict=True):
        inside = (p > low) & (p <= high)
        if inside.any():
            found += inside.mean() * abs(right[inside].mean() - p[inside].mean())
    return {"ece": found}


def by_class():
    right = OUTPUTS.argmax(1) == Y
    return {f"accuracy_class_{k}": right[k == Y].mean() if (k == Y).any() else np.nan for k in range(K)}


def confusion():
    taken = OUTPUTS.argmax(1)
    return {f"confusion_{i}_{j}": np.mean((i == Y) & (taken == j)) for i in range(K) for j in range(K)}


BATTERY = {
    "ece": (CalibrationError(), lambda: calibration_error(15)),
    "ece of three bins": (CalibrationError(3), lambda: calibration_error(3)),
    "brier": (Brier(), lambda: {"brier": ((probabilities() - np.eye(K)[Y]) ** 2).sum(1).mean()}),
    "by class": (ByClass(), by_class),
    "confusion": (Confusion(), confusion),
}


@pytest.fixture(params=BATTERY)
def kind(request):
    return BATTERY[request.param]


def summed(metric, outputs, batch):
    """As evaluation has it: sums of batches, the last filled up with examples that do not count."""
    total, y = None, np.concatenate([Y, Y[:batch]])
    outputs = np.concatenate([outputs, outputs[:batch]])
    for start in range(0, N, batch):
        share = (np.arange(start, start + batch) < N).astype(np.float32)
        here = slice(start, start + batch)
        sums = metric.sums(jnp.asarray(outputs[here]), jnp.asarray(y[here], jnp.int32), jnp.asarray(share))
        total = sums if total is None else total + sums
    return metric.values(total, jnp.float32(N))


@pytest.mark.parametrize("batch", [N, 16, 1])
def test_it_is_that_of_the_whole_set_in_any_batches(kind, batch):
    metric, reference = kind
    found, expected = summed(metric, OUTPUTS, batch), reference()
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-5, atol=1e-6, err_msg=name)
        assert name.startswith(metric.name)


def test_an_example_without_outputs_makes_what_it_touches_undefined(kind):
    metric, _ = kind
    outputs = OUTPUTS.copy()
    outputs[5] = np.nan
    found = summed(metric, outputs, N)
    touched = [name for name, value in found.items() if np.isnan(value)]
    assert touched
    assert all(np.isnan(found[name]) for name in found if str(Y[5]) in name and "class" in name)


def test_they_are_columns_beside_the_others(tmp_path):
    data = make_data("digits:classes=0,1,2")
    task = Task(data, CrossEntropy(), ("accuracy", CalibrationError(), ByClass(), Confusion()))
    run = dataclasses.replace(small_run(0, length="3it", data=data), task=task)
    (line,) = sweep([Row({}, run)], tmp_path).to_dict("records")
    assert 0 < line["test_ece"] < 1
    counts = np.bincount(data.arrays().test.y, minlength=3) / len(data.arrays().test.y)
    own = [line[f"test_accuracy_class_{k}"] for k in range(3)]
    assert np.dot(own, counts) == pytest.approx(line["test_accuracy"], rel=1e-5)
    table = np.array([[line[f"test_confusion_{i}_{j}"] for j in range(3)] for i in range(3)])
    np.testing.assert_allclose(table.sum(1), counts, rtol=1e-5)
    assert np.trace(table) == pytest.approx(line["test_accuracy"], rel=1e-5)


def test_data_without_classes_are_refused():
    data = Data(from_arrays(OUTPUTS, OUTPUTS[:, 0]))
    with pytest.raises(InputError, match="the metric 'ece' needs classes with an output each"):
        Task(data, SquaredError(), (CalibrationError(),)).check((1,))
    with pytest.raises(InputError, match=r"outputs of shape \[7\]"):
        Brier().check(make_data("digits"), (7,))
    with pytest.raises(InputError, match="bins"):
        CalibrationError(0)


def test_names_occur_once():
    with pytest.raises(InputError, match="each name may occur once"):
        Task(make_data("digits"), CrossEntropy(), (CalibrationError(), CalibrationError(3)))


def test_an_example_that_overflows_counts_in_no_metric_as_right_or_wrong():
    """Its loss is not finite either: accuracy is NaN then, and so are metrics of whole sets."""
    outputs = OUTPUTS.copy()
    outputs[5] = [np.inf, np.inf, 0, 0]
    task = Task(make_data("digits"), CrossEntropy(), ("accuracy", ByClass(), Confusion()))
    sums = task.sums(jnp.asarray(outputs), jnp.asarray(Y, jnp.int32), jnp.ones(N))
    found = task.values(sums, jnp.float32(N))
    assert np.isnan(found["accuracy"])
    assert np.isnan(found[f"accuracy_class_{Y[5]}"])
    assert np.isnan(found[f"confusion_{Y[5]}_0"])
