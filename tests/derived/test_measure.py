"""Metrics on the host are those that training itself records."""

import jax
import numpy as np
import pytest

from tests.builders import small_run
from weightspace.data import make_data
from weightspace.derived.measure import Measure
from weightspace.errors import InputError
from weightspace.probes import Evaluation, Snapshot
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.sweeps import sweep


def test_final_weights_measure_as_at_the_end_of_training(tmp_path):
    run = small_run(3, data=make_data("digits", normalise="unit", validation=100, noise=0.5, subset=300))
    splits = ("train", "validation", "test")
    watch = Watch("20it", (Evaluation(splits), Snapshot("end")))
    (line,) = sweep([Row({"seed": 3}, run, watch)], tmp_path).to_dict("records")
    weights = Store(tmp_path).output(run.digest, "snapshot(end).weights")
    measure = Measure(run.model, run.task, run.seeds)
    for split in splits:
        for name, value in measure(weights, split).items():
            assert value == pytest.approx(line[f"{split}_{name}"], rel=1e-5)


def test_a_limit_takes_examples_spread_over_the_split():
    run = small_run(0)
    measure = Measure(run.model, run.task, run.seeds)
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), np.zeros((1, 8, 8, 1), np.float32))[0]
    whole, part = measure(weights, "train"), measure(weights, "train", 400)
    assert whole != part
    assert part["loss"] == pytest.approx(whole["loss"], rel=0.1)
    assert measure(weights, "train", 10**6) == whole
    assert measure(weights, "train", 1)["accuracy"] in (0.0, 1.0)


def test_an_unknown_split():
    run = small_run(0)
    with pytest.raises(InputError, match="did you mean 'validation'"):
        Measure(run.model, run.task, run.seeds)({}, "validaton")
