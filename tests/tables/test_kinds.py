"""Kinds of tables: numbers by hand, composition, and nothing where nothing has finished."""

import math

import numpy as np
import pandas as pd
import pytest

from weightspace.tables.base import Given, On, Rows, Where
from weightspace.tables.columns import Entries, Filled, MeansBeside
from weightspace.tables.curves import Best, Curves, Stops, Traces
from weightspace.tables.history import LastReadings, Moment, Windows
from weightspace.tables.joined import completed, joined
from weightspace.tables.means import Means
from weightspace.tables.paired import NearestRounds, Pairs, Starred
from weightspace.tables.thresholds import Success, Thresholds

ROWS = pd.DataFrame({
    "run": list("abcdef"), "status": ["ok", "ok", "ok", "ok", "diverged", "failed"],
    "arm": ["x", "x", "y", "y", "y", "x"], "dim": [4, 4, 4, 4, 8, 8], "seed": [0, 1, 0, 1, 0, 1],
    "compression": [2.0, 2.0, 2.0, 2.0, 1.0, 1.0],
    "test_accuracy": [0.2, 0.4, 0.5, 0.9, np.nan, np.nan], "test_loss": [4.0, 2.0, 1.0, 3.0, np.nan, np.nan],
})  # fmt: skip
HISTORY = pd.DataFrame({
    "run": ["a"] * 3 + ["b"] * 3, "step": [0, 5, 10] * 2,
    "test_accuracy": [0.1, 0.6, 0.2, 0.3, 0.3, 0.4], "test_loss": [5.0, 1.0, 4.0, 3.0, 2.0, 2.5],
})  # fmt: skip
GIVEN = Given(ROWS, HISTORY)
NONE = Given(ROWS.assign(status="waiting"), HISTORY.iloc[:0])


def test_means_have_student_s_interval():
    line = Means(("test_accuracy",), ("arm",), 0.9).of(GIVEN).set_index("arm").loc["x"]
    # Two values 0.2 apart: sd = 0.1 √2, t(0.95, 1) = 6.3138.
    assert line["test_accuracy"] == pytest.approx(0.3)
    assert line["test_accuracy_high"] - line["test_accuracy"] == pytest.approx(6.313752 * 0.1, rel=1e-5)
    assert line["test_accuracy_low"] + line["test_accuracy_high"] == pytest.approx(0.6)


def test_curves_have_means_runs_and_what_goes_with_a_point():
    frame = Curves(("test_accuracy", "sharpness"), "dim", ("arm", "none"), averaged=("test_loss",)).of(GIVEN)
    mean = frame.query("statistic == 'mean' and arm == 'y'").iloc[0]
    assert mean[["value", "min", "max", "n", "test_loss"]].tolist() == pytest.approx([0.7, 0.5, 0.9, 2, 2.0])
    assert mean["sd"] == pytest.approx(0.4 / math.sqrt(2))
    assert frame.query("statistic == 'run' and arm == 'x'")["value"].tolist() == [0.2, 0.4]
    assert "none" not in frame


def test_traces_are_means_at_each_reading():
    frame = Traces(("test_loss",), ("arm",)).of(GIVEN)
    assert frame["step"].tolist() == [0, 5, 10]
    assert frame["value"].tolist() == pytest.approx([4.0, 1.5, 3.25])
    epochs = Traces(("test_loss",), epochs=2.0).of(GIVEN)
    assert epochs["epoch"].tolist() == [0.0, 1.0, 2.0]
    assert set(Traces(None, runs=True).of(GIVEN)["statistic"]) == {"mean", "run"}


def test_the_best_is_the_greatest_accuracy_and_the_least_loss_and_each_table_is_made_once():
    made = []

    class Counted(Best):
        def of(self, given):
            made.append(1)
            return super().of(given)

    given = Given(ROWS, HISTORY)
    rows = Counted(("test_accuracy", "test_loss"))
    found = given.of(rows).set_index("run")
    assert found.loc[["a", "b", "c"], "test_accuracy"].tolist() == [0.6, 0.4, 0.5]
    assert found.loc[["a", "b", "c"], "test_loss"].tolist() == [1.0, 2.0, 1.0]
    for metric in ("test_accuracy", "test_loss"):
        table = On(rows, Means((metric,), ("arm",)))
        assert given.of(table) is given.of(table)
    assert len(made) == 1


def test_windows_moments_and_last_readings():
    windows = Windows((("test_loss", "late"),), (("test_loss", "worst"),), last=2).of(GIVEN).set_index("run")
    assert windows.loc["a", ["late", "worst"]].tolist() == [2.5, 4.0]
    assert math.isnan(windows.loc["c", "late"])
    reached = Moment("reached", 2.0, "test_loss").of(GIVEN)
    assert reached[["run", "steps", "test_loss", "arm"]].values.tolist() == [
        ["a", 5, 1.0, "x"],
        ["b", 5, 2.0, "x"],
    ]
    assert Moment("common", column="test_loss").of(GIVEN)["steps"].tolist() == [5, 5]
    assert Moment(column="test_loss").of(GIVEN)["test_loss"].tolist() == [4.0, 2.5]
    last = LastReadings(("test_loss", "sharpness"), ("arm",), 1).of(GIVEN)
    assert last[["metric", "run", "value"]].values.tolist() == [
        ["test_loss", "a", 4.0],
        ["test_loss", "b", 2.5],
    ]


def test_pairs_are_all_or_against_one():
    rows = pd.DataFrame({
        "status": "ok", "seed": [0, 1, 2] * 3, "arm": np.repeat(list("abc"), 3),
        "m": [1.0, 2.0, 3.0, 1.5, 2.0, 4.0, 0.0, 0.0, 1.0],
    })  # fmt: skip
    every = Pairs(("m",), "arm").of(Given(rows, HISTORY))
    assert every[["arm", "against"]].values.tolist() == [["b", "a"], ["c", "a"], ["c", "b"]]
    some = Pairs(("m",), "arm", against="b").of(Given(rows, HISTORY))
    assert some[["arm", "against"]].values.tolist() == [["a", "b"], ["c", "b"]]
    assert some["difference"].tolist() == pytest.approx([-0.5, -13 / 6])
    assert some["p_corrected"].tolist() == pytest.approx(np.minimum(2 * some["p"], 1).tolist())


def test_success_has_the_thresholds_of_the_same_levels_beside_it():
    kind = {"metrics": ("test_accuracy",), "arms": ("arm",), "levels": (("test_accuracy", (0.3, 0.95)),)}
    given = Given(ROWS, HISTORY)
    success, stars = given.of(Success(**kind)), given.of(Thresholds(**kind))
    merged = success.merge(stars, on=["arm", "metric", "level"], suffixes=("", "_own"))
    assert len(merged) == len(success)
    assert merged["d_star"].tolist() == merged["d_star_own"].tolist()
    assert set(merged.loc[merged["level"] == 0.95, "d_star"]) == {np.inf}
    four = success[success["dim"] == 4].set_index(["arm", "level"])["probability"]
    assert four.to_dict() == {("x", 0.3): 0.5, ("x", 0.95): 0.0, ("y", 0.3): 1.0, ("y", 0.95): 0.0}


@pytest.mark.parametrize(
    "table",
    [
        Means(("test_loss",), ("arm",), 0.9), Curves(("test_loss",), "dim", ("arm",)), Traces(None, ("arm",)),
        Thresholds(("test_loss",), ("arm",)), Success(("test_loss",), ("arm",)), Pairs(("test_loss",), "arm"),
        LastReadings(("test_loss",), ("arm",)), Moment(),
        On(Best(("test_loss",)), Curves(("test_loss",), "dim")),
    ],
    ids=lambda table: type(table).__name__,
)  # fmt: skip
def test_before_the_first_result_no_table_has_a_line(table):
    assert NONE.of(table).empty


def test_rows_and_those_with_some_labels():
    assert list(Rows(("run", "none", "arm")).of(GIVEN)) == ["run", "arm"]
    assert Where((("arm", ("y",)), ("dim", (8,)))).of(GIVEN)["run"].tolist() == ["e"]
    assert Where((("none", (1,)),)).of(GIVEN).empty


def nodes(**columns):
    return pd.DataFrame({"seed": [0, 0, 1, 1], "run": ["r0", "d0", "r1", "d1"], **columns})


def test_nodes_of_one_label_set_are_one_row():
    rows = nodes(
        status=["ok"] * 4, seconds=[1.0, 2.0, 1.0, np.nan], loss=[0.1, np.nan, 0.2, np.nan],
        norm=[np.nan, 5.0, np.nan, 6.0], kind=["Run", "Norm"] * 2,
    )  # fmt: skip
    found = joined(rows, ["seed"]).set_index("seed")
    assert found[["run", "run_1"]].values.tolist() == [["r0", "d0"], ["r1", "d1"]]
    assert found[["loss", "norm", "seconds"]].values.tolist() == [[0.1, 5.0, 3.0], [0.2, 6.0, 1.0]]
    assert "kind" not in found


def test_a_row_has_finished_where_all_its_nodes_have_and_a_column_of_both_is_kept_apart():
    rows = nodes(
        status=["ok", "failed", "ok", "diverged"], error=[None, "no", None, None], a=[1.0, 2.0, 3.0, None]
    )
    found = joined(rows, ["seed"])
    assert found["status"].tolist() == ["failed", "diverged"]
    assert found["error"].tolist()[0] == "no"
    assert found["a"].tolist() == [1.0, 3.0]
    assert found["a_1"].tolist()[0] == 2.0


def test_rows_that_differ_in_a_label_stay_as_they_are():
    rows = nodes(status=["ok"] * 4)
    assert joined(rows, ["seed", "run"]) is rows


def test_what_is_derived_from_a_training_has_its_model_and_data():
    rows = nodes(status=["ok"] * 4, loss=[0.1, np.nan, 0.2, np.nan], norm=[np.nan, 5.0, np.nan, 6.0])
    rows = rows.assign(model=["m", None, "m", None], data=["d", np.nan, "e", np.nan])
    labels = ["seed", "model", "data"]
    found = completed(rows, labels, ("model", "data"))
    assert found["model"].tolist() == ["m"] * 4
    assert found["data"].tolist() == ["d", "d", "e", "e"]
    whole = joined(found.assign(experiment="mine"), labels)
    assert "experiment_1" not in whole
    assert whole["experiment"].tolist() == ["mine"] * 2
    assert whole[["loss", "norm"]].values.tolist() == [[0.1, 5.0], [0.2, 6.0]]


def test_where_trainings_of_several_models_agree_none_is_taken():
    rows = nodes(status=["ok"] * 4).assign(seed=[0, 0, 0, 1], model=["m", "n", None, None])
    found = completed(rows, ["seed", "model"], ("model", "data"))
    assert found["model"].isna().tolist() == [False, False, True, True]
    none = rows.assign(model=None)
    assert completed(none, ["seed", "model"], ("model",)) is none


PARTS = pd.DataFrame({
    "run": list("abcdef"), "part": ["whole", "half", "half"] * 2, "size": [1, 1, 1, 2, 2, 2], "status": "ok",
    "seed": 0, "my_accuracy": [np.nan, 0.2, 0.4, np.nan, 0.6, 0.8], "gap": [0.1] + [np.nan] * 5,
})  # fmt: skip


def test_means_of_other_rows_stand_beside_their_own():
    given = Given(PARTS, HISTORY.iloc[:0])
    table = MeansBeside("part", "whole", "half", ("size",), (("my_accuracy", "halves"),))
    found = given.of(table)
    assert list(found["run"]) == ["a", "d"]
    assert found["halves"].tolist() == pytest.approx([0.3, 0.7])
    assert "part" not in found
    assert given.of(MeansBeside("colour", "whole", "half", ("size",), ())).empty


def test_a_value_is_filled_in_where_a_label_says_so():
    given = Given(PARTS, HISTORY.iloc[:0])
    filled = given.of(Filled("gap", ("part", "half"), 1.0))["gap"]
    np.testing.assert_array_equal(filled, [0.1, 1, 1, np.nan, 1, 1])
    np.testing.assert_array_equal(given.of(Filled("new", ("size", 2), 3.0))["new"], [np.nan] * 3 + [3.0] * 3)
    assert given.of(Filled("new", ("colour", 2), 3.0))["new"].isna().all()


def test_arrays_that_nodes_left_are_lines():
    arrays = {"x": [0.0, 1.0], "y": [5.0, 7.0]}
    given = Given(PARTS, HISTORY.iloc[:0], lambda _, key: np.array(arrays[key]))
    found = given.of(Entries((("alpha", "x"), ("error", "y")), "gap"))
    assert found[["run", "alpha", "error"]].to_numpy().tolist() == [["a", 0.0, 5.0], ["a", 1.0, 7.0]]
    assert given.of(Entries((("alpha", "x"),), "colour")).empty


def test_runs_stop_at_the_step_that_their_rows_say():
    history = pd.DataFrame({"run": list("aabb"), "step": [0, 5, 0, 5], "my_accuracy": [0.1, 0.3, 0.2, 0.6]})
    rows = PARTS.iloc[:2].assign(best_step=[5, 0], seed=[3, 4])
    found = Stops(("my_accuracy",)).of(Given(rows, history))
    assert found.loc[found["statistic"] == "mean", "value"].tolist() == pytest.approx([0.15, 0.45])
    stops = found[found["statistic"] == "run"]
    assert stops[["seed", "step", "value"]].to_numpy().tolist() == [[3, 5, 0.3], [4, 0, 0.2]]
    assert set(Stops(("my_accuracy",)).of(Given(PARTS, history))["statistic"]) == {"mean"}


def test_stars_go_with_the_means_of_the_metric_compared():
    lines = [("dense", 0, seed, 0.9 + seed / 100) for seed in range(3)]
    lines += [("first", 1, seed, 0.9 + seed / 100) for seed in range(3)]
    lines += [("other", 1, seed, 0.7 + seed / 50) for seed in range(3)]
    rows = pd.DataFrame(lines, columns=["criterion", "round", "seed", "best_test_accuracy"])
    given = Given(rows.assign(status="ok", density=0.5, test_accuracy=0.5), HISTORY.iloc[:0])
    curves = Curves(("best_test_accuracy", "test_accuracy"), "round", ("criterion",))
    found = given.of(Starred(curves, ("criterion",)))
    starred = found[found["p"].notna()]
    assert starred[["criterion", "metric", "statistic", "against", "compared"]].to_numpy().tolist() == [
        ["other", "best_test_accuracy", "mean", "first", 3]
    ]
    assert len(found) == len(given.of(curves))


def test_only_the_rounds_nearest_to_some_shares_are_worth_a_terminal():
    density = [0.5, 0.19, 0.16, 0.06]
    rows = pd.DataFrame({"criterion": ["a"] * 4 + ["b"] * 2, "round": [1, 2, 3, 4, 1, 2],
                         "density": [*density, 0.4, 0.1]})  # fmt: skip
    found = NearestRounds(("criterion",)).of(Given(rows, rows.iloc[:0]))
    assert list(zip(found["criterion"], found["round"], strict=True)) == [("a", 3), ("a", 4), ("b", 2)]
    assert NearestRounds(("criterion",)).of(Given(rows.iloc[:0], rows.iloc[:0])).empty
