"""Runs without an experiment have answers: metrics in time, accuracies against labels that are numbers."""

import numpy as np
import pandas as pd
import pytest

from weightspace.experiments.answer import panels_of, tables_of
from weightspace.experiments.plain import MOST_ARMS, plain_answers
from weightspace.tables.base import Given
from weightspace.tables.vocabulary import VOCABULARY


def given(**labels):
    count = len(next(iter(labels.values())))
    runs = [f"r{i}" for i in range(count)]
    rows = pd.DataFrame({"run": runs, "status": "ok", "seed": 0, **labels})
    rows["test_accuracy"] = np.linspace(0.1, 0.9, count)
    history = pd.DataFrame({
        "run": np.repeat(runs, 2), "step": [0, 10] * count, "test_accuracy": 0.5, "test_loss": 1.5,
        "my_norm": 2.0,
    })  # fmt: skip
    return Given(rows, history)


def drawn(made, labels):
    return {panel.name: panel for panel in panels_of(plain_answers(made, labels), made, VOCABULARY)}


def test_each_metric_in_time_and_accuracy_against_each_number():
    made = given(width=[1, 2, 1, 2], note=["a", "a", "b", "b"], flag=[True, True, False, False])
    panels = drawn(made, ["width", "note", "flag"])
    assert set(panels) == {"time-accuracy", "time-loss", "time-my_norm", "against-width"}
    numbers = panels["against-width"].data.query("statistic == 'mean'")
    assert numbers[["width", "note", "value"]].values.tolist() == [
        [1, "a", pytest.approx(0.1)], [2, "a", pytest.approx(0.1 + 0.8 / 3)],
        [1, "b", pytest.approx(0.1 + 1.6 / 3)], [2, "b", pytest.approx(0.9)],
    ]  # fmt: skip
    assert tables_of(plain_answers(made, ["width"]), made) == {}


def test_a_model_that_follows_a_label_is_no_arm_of_its_own():
    made = given(width=[1, 2], model=["fc:widths=1", "fc:widths=2"])
    assert set(drawn(made, ["width", "model"])["against-width"].data) & {"model"} == set()


def test_many_settings_are_thinned_in_time_alone():
    panels = drawn(given(width=list(range(1, 31))), ["width"])
    assert panels["time-loss"].data["width"].nunique() == MOST_ARMS
    assert "evenly apart" in panels["time-loss"].caption
    assert panels["against-width"].data["width"].nunique() == 30


@pytest.mark.parametrize("labels", [{"value": [1, 2]}, {"n": [1, 2]}, {"metric": ["a", "b"]}])
def test_labels_that_curves_have_columns_for_are_left_to_the_table(labels):
    assert plain_answers(given(**labels), list(labels)) == ()


def test_labels_of_several_types_and_without_values_are_drawn():
    panels = drawn(given(mixed=pd.Series([1, "a", None, 2.5], dtype=object)), ["mixed"])
    assert all(panel.svg.startswith(b"<?xml") for panel in panels.values())
    assert panels["time-accuracy"].data["mixed"].notna().any()


@pytest.mark.parametrize("values", [[4.0, np.nan, 4.0, np.nan], ["a", None, "a", None]])
def test_a_label_that_some_lack_tells_them_apart(values):
    made = given(width=[1, 1, 2, 2], burn_in=values)
    panels = drawn(made, ["width", "burn_in"])
    assert set(panels) == {"time-accuracy", "time-loss", "time-my_norm", "against-width"}
    means = panels["against-width"].data.query("statistic == 'mean'")
    assert means["n"].tolist() == [1, 1, 1, 1]
    assert sorted(means["value"]) == pytest.approx(np.linspace(0.1, 0.9, 4).tolist())
