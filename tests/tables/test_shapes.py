"""Rows in other shapes, and ranges over runs."""

import numpy as np
import pandas as pd
import pytest

from weightspace.tables.base import Given, On, Rows, Where
from weightspace.tables.means import Means
from weightspace.tables.ranges import Averages, Layers, Peaks, Ranges
from weightspace.tables.shapes import Beside, Chosen, Melted, Named, Ordered, Renamed, Stacked, Unfolded

ROWS = pd.DataFrame({
    "run": list("abcd"), "status": ["ok", "ok", "ok", "waiting"], "seed": [0, 1, 0, 1],
    "way": ["q", "q", "p", "p"], "rate": [0.1, 0.1, 2.0, 2.0], "x_0": [1.0, 3.0, np.nan, 9.0],
    "y_0": [2.0, 4.0, 5.0, 9.0], "x_1": [5.0, np.nan, np.nan, 9.0], "only": [np.nan, np.nan, 7.0, np.nan],
})  # fmt: skip


def of(table, rows=ROWS):
    return Given(rows, pd.DataFrame({"run": [], "step": []})).of(table)


def test_numbered_columns_stand_below_each_other_where_the_first_has_a_value():
    found = of(Unfolded(("x", "y"), "k", ("way",), beside=("only", "missing")))
    assert list(found) == ["run", "status", "seed", "way", "only", "k", "x", "y"]
    assert found[["run", "k", "x"]].to_numpy().tolist() == [["a", 0, 1.0], ["b", 0, 3.0], ["a", 1, 5.0]]
    assert found["y"].tolist()[:2] == [2.0, 4.0]
    # There is no y_1.
    assert np.isnan(found["y"].iloc[2])
    assert of(Unfolded(("x",), "k", ("missing",))).empty


def test_labels_have_the_order_of_the_question_and_means_follow_it():
    rows = Ordered((("way", ("q", "p", "never")), ("missing", (1,))))
    assert list(of(rows)["way"].cat.categories) == ["q", "p"]
    assert of(On(rows, Means(("y_0",), ("way",))))["way"].tolist() == ["q", "p"]


def test_names_of_settings_say_what_differs_in_the_order_that_is_given():
    table = Named(("way", "rate"), orders=(("way", ("q", "p")),), names=(("p", "the p"),))
    found = of(table)["setting"]
    assert list(found.cat.categories) == ["q, rate 0.1", "the p, rate 2"]
    # What all have is not said, and neither is what a row lacks.
    some = of(table, ROWS.assign(rate=[0.1, 0.1, np.nan, np.nan]))["setting"]
    assert list(some.cat.categories) == ["q", "the p"]
    assert list(of(table, ROWS.drop(columns="rate"))["setting"].cat.categories) == ["q", "the p"]
    assert list(of(table, ROWS.iloc[:0])["setting"].cat.categories) == []
    assert of(Named(("missing", "way"))).empty
    assert list(of(Named(("rate",)))["setting"].cat.categories) == ["rate 0.1", "rate 2"]


def test_the_first_column_that_has_a_value_is_taken():
    found = of(Chosen((("best", ("only", "missing", "x_1", "y_0")), ("none", ("missing",)))))
    assert found["best"].tolist() == [5.0, 4.0, 7.0, 9.0]
    assert found["none"].isna().all()


def test_tables_stand_below_and_beside_each_other():
    named = Renamed((("x_0", "y_0"), ("missing", "z")))
    assert of(named)["y_0"].tolist()[:2] == [1.0, 3.0]
    both = of(Stacked((Rows(("run", "seed")), On(Where((("way", ("q",)),)), Rows(("run",))))))
    assert both["run"].tolist() == ["a", "b", "c", "d", "a", "b"]
    assert both["seed"].isna().sum() == 2
    beside = of(Beside(Means(("y_0",), ("way",)), Ranges("x_0", ("way",)), ("way",)))
    assert beside["mean"].tolist()[1] == 2.0
    assert list(of(Beside(Rows(("run",)), Rows(), ("way",)))) == ["run"]


def test_ranges_are_of_finished_runs():
    found = of(Ranges("y_0", ("way",), averaged=("rate",))).set_index("way")
    assert found.loc["q"].tolist() == pytest.approx([3.0, 2**0.5, 2.0, 4.0, 2, 0.1])
    assert found.loc["p", ["mean", "least", "greatest", "n"]].tolist() == [5, 5, 5, 1]
    assert of(Ranges("missing", ("way",))).empty


def test_means_of_numbered_columns_and_where_they_are_greatest():
    lines = On(Unfolded(("x", "y"), "k", ("way",)), Averages(("x",), ("way", "k"), averaged=("y",)))
    found = of(lines)
    assert list(found) == ["way", "k", "y", "x", "x_sd", "x_least", "x_greatest", "n"]
    assert found["x"].tolist() == [2.0, 5.0]
    assert found["x_greatest"].tolist() == [3.0, 5.0]
    assert found["n"].tolist() == [2, 1]
    peak = of(Peaks(lines, ("way",), (("x", "peak"), ("k", "at"))))
    assert peak.to_numpy().tolist() == [["q", 5.0, 1]]
    assert of(lines, ROWS.iloc[:0]).empty


def test_layers_are_columns_after_the_whole():
    rows = ROWS.assign(y=ROWS["y_0"], y_last=1.0)
    found = of(Layers((("kind", "y"), ("other", "x")), by="way"), rows)
    first = found[found["way"] == "q"].set_index(["kind", "layer"])
    assert first.loc[("kind", "all"), ["mean", "least", "greatest", "n"]].tolist() == [3.0, 2.0, 4.0, 2]
    assert first.loc[("kind", "last"), "mean"] == 1
    assert first.loc[("other", "1"), "n"] == 1
    # A run that waits has no part in it.
    assert found[found["way"] == "p"].set_index("layer").loc["all", "greatest"] == 5


def test_columns_of_one_meaning_below_each_other():
    """In the order that is asked for; what the rows lack is passed over, the labels go with each value."""
    found = of(Melted((("y_0", "the y"), ("missing", "none"), ("x_0", "an x")), "value", "which"))
    assert found["which"].tolist() == ["the y"] * 4 + ["an x"] * 4
    assert found["which"].cat.categories.tolist() == ["the y", "an x"]
    np.testing.assert_array_equal(found["value"], [2, 4, 5, 9, 1, 3, np.nan, 9])
    assert found["run"].tolist() == list("abcd") * 2
    assert not {"x_0", "y_0"} & {*found}
    assert "x_1" in found
    assert of(Melted((("missing", "none"),), "value", "which")).equals(ROWS)
