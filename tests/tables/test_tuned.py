"""The rate that did best on examples set aside, and none other's rows."""

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError
from weightspace.tables.base import Given
from weightspace.tables.tuned import Tuned


def rows(*lines):
    columns = ["method", "dim", "lr", "seed", "validation_accuracy", "test_accuracy", "status"]
    return pd.DataFrame(lines, columns=columns)


def tuned(frame, by="validation_accuracy", within=("method", "dim")):
    return Tuned("lr", by, within).of(Given(frame, frame.iloc[:0]))


LINES = [
    ("random", 4, 0.1, 0, 0.5, 0.9, "ok"), ("random", 4, 0.1, 1, 0.6, 0.9, "ok"),
    ("random", 4, 0.3, 0, 0.7, 0.2, "ok"), ("random", 4, 0.3, 1, 0.6, 0.2, "ok"),
    ("random", 8, 0.1, 0, 0.9, 0.3, "ok"), ("random", 8, 0.3, 0, 0.8, 0.99, "ok"),
]  # fmt: skip


def test_each_arm_and_dimension_has_the_rate_of_its_best_mean_and_tests_are_not_looked_at():
    found = tuned(rows(*LINES))
    assert list(found.index) == [2, 3, 4]
    pd.testing.assert_frame_equal(found, rows(*LINES).loc[[2, 3, 4]])


def test_a_loss_is_better_where_it_is_smaller():
    frame = rows(*LINES).rename(columns={"validation_accuracy": "validation_loss"})
    assert list(tuned(frame, "validation_loss").index) == [0, 1, 5]


@pytest.mark.parametrize("value", [np.nan, 0.99])
def test_a_rate_is_not_chosen_for_the_runs_that_it_did_not_lose(value):
    lines = [*LINES[:2], ("random", 4, 0.3, 0, 0.8, 0.5, "ok"), ("random", 4, 0.3, 1, value, 0.1, "diverged")]
    # The mean of .8 and the worst, .5, is .65 and not .8 or .9.
    assert list(tuned(rows(*lines)).index) == [2, 3]
    lines[2] = ("random", 4, 0.3, 0, 0.59, 0.5, "ok")
    assert list(tuned(rows(*lines)).index) == [0, 1]


def test_waiting_and_failed_runs_choose_nothing_but_stay_with_their_rate():
    lines = [
        *LINES[:4],
        ("random", 4, 0.3, 2, np.nan, np.nan, "failed"),
        ("random", 4, 0.1, 2, 1.0, 1.0, "waiting"),
    ]
    assert list(tuned(rows(*lines)).index) == [2, 3, 4]


def test_missing_labels_are_a_group():
    lines = [(None, 4, 0.1, 0, 0.3, 0.1, "ok"), (None, 4, 0.3, 0, 0.2, 0.1, "ok"), *LINES[:4]]
    assert list(tuned(rows(*lines)).index) == [0, 4, 5]


def test_rates_are_never_mixed_where_nothing_tells_between_them():
    lines = [(None, 4, 0.1, 0, np.nan, 0.1, "ok"), (None, 4, 0.3, 0, np.nan, 0.1, "ok"), *LINES[:4]]
    with pytest.raises(InputError, match="of several lr one is to be chosen by validation_accuracy"):
        tuned(rows(*lines))
    with pytest.raises(InputError, match="set examples aside"):
        tuned(rows(*LINES).drop(columns="validation_accuracy"))
    one = rows(*LINES[:2]).drop(columns="validation_accuracy")
    assert len(tuned(one)) == 2


def test_a_rate_that_lost_its_run_is_not_chosen_by_a_tie():
    lines = [("random", 4, 0.01, 0, np.nan, np.nan, "diverged"), ("random", 4, 0.05, 0, 0.9, 0.8, "ok")]
    assert list(tuned(rows(*lines)).index) == [1]


def test_equal_means_take_the_smaller_rate_and_tables_without_rates_are_as_they_were():
    lines = [("random", 4, rate, 0, 0.5, 0.5, "ok") for rate in (0.3, 0.1)]
    assert list(tuned(rows(*lines)).index) == [1]
    assert list(tuned(rows(*lines), within=()).index) == [1]
    assert len(tuned(rows(*LINES).drop(columns="lr"))) == len(LINES)
