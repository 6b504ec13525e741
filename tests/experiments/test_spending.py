"""Runs spent where success sets in, on simulated trainings: no network is needed to ask where to look."""

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.freedom.spending import PER_OCTAVE, Spending, telling
from weightspace.sweeps.ask import sweep
from weightspace.tables.base import Given
from weightspace.tables.transition import Transitions

SMALL = {"model": "fc:widths=16", "epochs": 1.0, "reference": False}
SIZE = 64 * 16 + 16 + 160 + 10


def trained(rows, middle):
    """Seeds succeed from a dimension of their own on."""
    lines = []
    for row in rows:
        labels = dict(row.labels)
        own = middle * np.exp(0.12 * np.random.default_rng(int(labels["seed"])).normal())
        lines.append(labels | {"status": "ok", "test_accuracy": 0.95 if labels["dim"] >= own else 0.3})
    return pd.DataFrame(lines)


def asked(experiment, middle):
    asking, table = experiment.ask(), None
    rows = []
    batch = next(asking)
    while True:
        rows += batch
        table = trained(rows, middle)
        try:
            batch = asking.send(table)
        except StopIteration:
            return table


def d_half(table):
    levels = (("test_accuracy", (0.9,)),)
    return Transitions(("test_accuracy",), ("method",), levels).of(Given(table, table.iloc[:0])).iloc[0]


@pytest.mark.parametrize("middle", [70.0, 200.0])
def test_a_third_of_the_runs_finds_the_same_threshold(middle):
    around = tuple(round(middle * share) for share in np.linspace(0.7, 1.4, 11))
    full = asked(FreedomRandom(dims=around, seeds=("30",), **SMALL), middle)
    few = asked(FreedomRandom(dims=(8, 32, 128, 512), seeds=("3",), spend=90, **SMALL), middle)
    assert len(few) == 102
    assert len(few) <= len(full) / 3
    whole, part = d_half(full), d_half(few)
    assert part["d_half"] == pytest.approx(middle, rel=0.07)
    assert part["d_half_low"] < whole["d_half_high"]
    assert whole["d_half_low"] < part["d_half_high"]
    near = (few["dim"] > 0.6 * middle) & (few["dim"] < 1.7 * middle)
    assert near.sum() > 75


def test_dimensions_are_few_so_that_programs_are():
    few = asked(FreedomRandom(dims=(8, 512), seeds=("3",), spend=120, **SMALL), 90.0)
    assert few["dim"].nunique() <= 4 * PER_OCTAVE
    assert set(few["dim"]) <= {8, 512} | {round(2 ** (k / PER_OCTAVE)) for k in range(96)}


def test_no_run_is_asked_twice_and_all_that_is_asked_is_spent():
    table = asked(FreedomRandom(dims=(8, 32), seeds=("2",), lr=(0.01, 0.1), spend=25, **SMALL), 20.0)
    assert not table.duplicated(["dim", "seed", "lr"]).any()
    assert len(table) == 2 * (4 + 25)
    assert set(table.loc[table["seed"] > 1, "lr"]) == {0.01, 0.1}


def test_a_greater_sum_asks_for_all_that_a_smaller_one_does():
    small, large = (
        asked(FreedomRandom(dims=(8, 64), seeds=("4",), spend=spend, **SMALL), 30.0) for spend in (7, 20)
    )
    pairs = [set(zip(table["dim"], table["seed"], strict=True)) for table in (small, large)]
    assert pairs[0] < pairs[1]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [((0.1, 0.2), [64]), ((0.95, 0.99), [4]), ((0.95, 0.2), [16]), ((np.nan, 0.2), [64])],
)
def test_where_nothing_sets_in_one_looks_beyond(accuracies, expected):
    rows = pd.DataFrame({"dim": [8, 32], "seed": [0, 0], "test_accuracy": accuracies})
    assert telling(rows, 0.9, 10_000) == expected
    assert telling(rows, 0.9, 40) == [min(d, 40) for d in expected]


def test_the_streams_that_all_share_stay_shared(tmp_path):
    experiment = FreedomRandom(dims=(2, 8), seeds=("1",), spend=6, basis_seed=7, target=0.3, **SMALL)
    table = sweep(experiment, tmp_path)
    assert len(table) == 8
    assert set(table["status"]) == {"ok"}
    assert table["seed"].max() >= 1
    again = sweep(experiment, tmp_path)
    pd.testing.assert_frame_equal(table, again)


def test_what_cannot_be_spent_is_refused():
    for given, message in (({"spend": -1}, "spend"), ({"target": 0.0}, "target")):
        with pytest.raises(InputError, match=message):
            FreedomRandom(**SMALL | given)
    assert Spending().spend == 0
