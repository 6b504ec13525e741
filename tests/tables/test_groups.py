"""What tells rows apart: missing labels, runs asked under several label sets, seeds, directions, no end."""

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError
from weightspace.tables.base import Given, Rows
from weightspace.tables.columns import Entries, MeansBeside
from weightspace.tables.correlations import AgainstTestLoss, against_test_loss, ordering
from weightspace.tables.curves import Best, Curves, Traces
from weightspace.tables.groups import TableWarning, groups, single
from weightspace.tables.history import LastReadings, Moment, Windows
from weightspace.tables.joined import joined
from weightspace.tables.means import Means, over_seeds
from weightspace.tables.paired import NearestRounds, Pairs, Starred, paired
from weightspace.tables.parts import Parts
from weightspace.tables.ranges import Averages, Layers, Peaks, Ranges
from weightspace.tables.shapes import Beside, Named
from weightspace.tables.thresholds import Success, Thresholds, levels_for
from weightspace.tables.vocabulary import VOCABULARY, Metric

NO_HISTORY = pd.DataFrame({"run": [], "step": []})


def rows_of(status="ok", **columns):
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"run": [f"r{i}" for i in range(count)], "status": status} | columns)


def of(table, rows, history=NO_HISTORY, words=VOCABULARY):
    return Given(rows, history, words=words).of(table)


SOME = rows_of(rate=[0.1, 0.1, np.nan, np.nan], seed=[0, 1, 0, 1], m_loss=[1.0, 3.0, 5.0, 9.0])


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (Means(("m_loss",), ("rate",)), "m_loss"), (Ranges("m_loss", ("rate",)), "mean"),
        (Averages(("m_loss",), ("rate",)), "m_loss"), (Layers((("k", "m_loss"),), by="rate"), "mean"),
        (Curves(("m_loss",), "rate", runs=False), "value"),
        (Peaks(Ranges("m_loss", ("rate",)), ("rate",), (("mean", "peak"),)), "peak"),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_rows_without_a_label_are_a_line_of_their_own(table, column):
    found = of(table, SOME)
    assert found[column].tolist() == [2.0, 7.0]
    assert found["rate"].isna().tolist() == [False, True]


def test_groups_are_of_what_occurs_missing_or_not_and_of_several_types():
    kinds = pd.Categorical(["b", None, "a", "b"], ["never", "b", "a"], ordered=True)
    found = groups(SOME.assign(kind=kinds), ["kind"])
    assert [part["run"].tolist() for _, part in found] == [["r0", "r3"], ["r2"], ["r1"]]
    mixed = groups(SOME.assign(kind=pd.Series([1, "a", None, 1], dtype=object)), ["kind"], sort=False)
    assert [part["run"].tolist() for _, part in mixed] == [["r0", "r3"], ["r1"], ["r2"]]
    assert groups(SOME, [])[0][1] is SOME
    assert groups(SOME.iloc[:0], ["rate"]) == []


def test_settings_that_only_lack_a_label_have_names_that_differ():
    rows = rows_of(way=["a", "a", "b"], rate=[0.1, np.nan, 0.1])
    assert of(Named(("way", "rate")), rows)["setting"].tolist() == [
        "a, rate 0.1", "a, no learning rate", "b, rate 0.1",
    ]  # fmt: skip
    # Whole numbers alone stay whole, whatever the other columns are.
    numbers = pd.DataFrame({"one": [4, 8], "two": [0.5, 0.25]})
    assert of(Named(("one", "two")), numbers)["setting"].tolist() == ["4, 0.5", "8, 0.25"]
    several = pd.DataFrame({"one": pd.Series([2, "x"], dtype=object)})
    assert of(Named(("one",)), several)["setting"].tolist() == ["2", "x"]


def test_settings_of_one_name_are_refused():
    with pytest.raises(InputError, match="two settings of way are called 'same'"):
        of(Named(("way",), names=(("a", "same"), ("b", "same"))), rows_of(way=["a", "b"]))


PAIRED = rows_of(
    arm=["x", "x", "x", None, None, None], seed=[0, 1, 2, 2, 1, 0], m_loss=[1.0, 2.0, 4.0, 5.0, 3.0, 1.5]
)


def test_pairs_are_by_seed_and_an_arm_may_be_missing():
    found = of(Pairs(("m_loss",), "arm"), PAIRED)
    # By seed: 0.5, 1, 1.
    assert found["difference"].tolist() == pytest.approx([2.5 / 3])
    assert found["n"].tolist() == [3]
    assert of(Pairs(("m_loss",), "arm", against="x"), PAIRED)["difference"].tolist() == pytest.approx(
        [2.5 / 3]
    )
    within = of(Pairs(("m_loss",), "arm", within=("more",)), PAIRED.assign(more=[1, 1, None, None, 1, 1]))
    assert within["n"].tolist() == [2, 1]
    assert of(Pairs(("m_loss",), "arm"), PAIRED.drop(columns="seed")).empty


def test_an_arm_with_two_runs_of_one_seed_is_refused_unless_they_are_one_run():
    again = pd.concat([PAIRED, PAIRED.iloc[:1].assign(rate=2.0)], ignore_index=True)
    assert of(Pairs(("m_loss",), "arm"), again)["n"].tolist() == [3]
    other = again.assign(run=[f"q{i}" for i in range(7)], rate=[1.0] * 6 + [2.0])
    with pytest.raises(InputError, match=r"m_loss of arm x: one row.*2 rows have seed 0; .* rate;"):
        of(Pairs(("m_loss",), "arm"), other)


def test_rounds_are_paired_by_seed_where_labels_are_missing_too():
    lines = [("dense", None, 0, s, 0.9) for s in range(3)]
    lines += [("a", None, 1, s, 0.8 + s / 10) for s in (2, 1, 0)]
    lines += [("b", 4, 1, s, 0.75 + s / 5) for s in range(3)]
    rows = pd.DataFrame(lines, columns=["criterion", "rewind", "round", "seed", "best_test_accuracy"])
    rows = rows.assign(status="ok", density=0.5, run=[f"r{i}" for i in range(9)])
    found = paired(rows, ("criterion", "rewind")).set_index(["criterion", "against"])
    assert found["difference"].to_dict() == pytest.approx(
        {("a", "dense"): 0.0, ("b", "dense"): 0.05, ("b", "a, None"): 0.05}, abs=1e-12
    )
    assert found["n"].tolist() == [3, 3, 3]
    curves = Curves(("best_test_accuracy",), "round", ("criterion", "rewind"))
    starred = of(Starred(curves, ("criterion", "rewind")), rows)
    assert starred.loc[starred["p"].notna(), "criterion"].tolist() == ["b"]
    assert len(of(NearestRounds(("criterion", "rewind")), rows[rows["round"] == 1])) == 6
    with pytest.raises(InputError, match="the dense networks"):
        paired(pd.concat([rows, rows.iloc[:1].assign(run="new")]), ("criterion",))


TWICE = pd.DataFrame({
    "run": ["a", "a", "b", "c"], "status": "ok", "seed": [0, 0, 1, 0], "burn_in": [0, 4, 4, 0],
    "m_loss": [1.0, 1.0, 3.0, 8.0], "test_loss": [1.0, 1.0, 2.0, 3.0], "weight_norm": [1.0, 1.0, 2.0, 4.0],
})  # fmt: skip
READ = pd.DataFrame({
    "run": list("aabbcc"), "step": [0, 10] * 3, "m_loss": [9.0, 1.0, 9.0, 3.0, 9.0, 8.0],
    "test_loss": [9.0, 1.0, 9.0, 2.0, 9.0, 3.0],
})  # fmt: skip


def test_a_run_of_two_label_sets_is_in_both_and_counts_once_where_they_are_one():
    assert over_seeds(TWICE, [], ["m_loss"]).loc[0, ["m_loss", "n"]].tolist() == [4.0, 3]
    assert over_seeds(TWICE, ["burn_in"], ["m_loss"])["m_loss"].tolist() == [4.5, 2.0]
    assert of(Ranges("m_loss", ("status",)), TWICE)[["mean", "n"]].to_numpy().tolist() == [[4.0, 3]]
    means = of(Curves(("m_loss",), "status", runs=False), TWICE)
    assert means[["value", "n"]].to_numpy().tolist() == [[4.0, 3]]
    traces = of(Traces(("m_loss",), ("burn_in",)), TWICE, READ)
    assert traces[traces["step"] == 10].set_index("burn_in")["value"].to_dict() == {0: 4.5, 4: 2.0}
    assert of(Traces(("m_loss",)), TWICE, READ)["value"].tolist() == [9.0, 4.0]
    last = of(LastReadings(("m_loss",), ("burn_in",)), TWICE, READ)
    assert sorted(zip(last["run"], last["burn_in"], strict=True)) == [("a", 0), ("a", 4), ("b", 4), ("c", 0)]
    assert len(of(LastReadings(("m_loss",), ()), TWICE, READ)) == 3
    moment = of(Moment(column="m_loss"), TWICE, READ)
    assert moment[["run", "burn_in"]].to_numpy().tolist() == [["a", 0], ["a", 4], ["b", 4], ["c", 0]]
    success = of(
        Success(("m_loss",), (), (("m_loss", (2.0,)),), over="round"),
        TWICE.assign(round=1, seed=[0, 0, 1, 2]),
    )
    assert success[["round", "probability", "n"]].to_numpy().tolist() == [[1, pytest.approx(1 / 3), 3]]


def test_a_run_of_two_label_sets_is_one_pair_of_a_correlation_and_joins_its_settings():
    found = ordering(TWICE, ("burn_in",)).set_index(["measure", "against"])["n"].to_dict()
    assert found == {("weight_norm", "burn_in"): 4, ("weight_norm", "test_loss"): 3}
    of_moments = of(AgainstTestLoss((("end", Moment(column="m_loss")),), ("burn_in",)), TWICE, READ.assign(
        weight_norm=READ["m_loss"]
    ))  # fmt: skip
    assert of_moments[["n", "n_asked"]].to_numpy().tolist() == [[3, 3]]
    # Three settings, two of which share a run: two groups are too few to redraw.
    table = pd.DataFrame({"run": list("aabcde"), "rate": [1, 2, 1, 2, 3, 3]})
    readings = pd.DataFrame({"run": list("abcde"), "test_loss": np.arange(5.0), "sharpness": np.arange(5.0)})
    assert against_test_loss(table, readings, ("rate",))["spearman_low"].isna().all()
    assert against_test_loss(table.iloc[1:], readings, ("rate",))["spearman_low"].notna().all()


def test_arrays_of_a_run_of_two_label_sets_are_there_once_for_each():
    given = Given(TWICE.iloc[:2], NO_HISTORY, lambda _, __: np.array([5.0, 7.0]))
    found = given.of(Entries((("error", "errors"),), "m_loss"))
    assert found[["burn_in", "error"]].to_numpy().tolist() == [[0, 5], [0, 7], [4, 5], [4, 7]]


def test_means_beside_are_of_equal_labels_that_may_be_missing():
    rows = rows_of(
        part=["whole", "half", "half", "half"], rewind=[None, None, None, 4.0], x=[0, 1.0, 3.0, 9.0]
    )
    found = of(MeansBeside("part", "whole", "half", ("rewind", "absent"), (("x", "mean"),)), rows)
    assert found["mean"].tolist() == [2.0]


ENDED = pd.DataFrame(
    {"run": list("abd"), "status": ["ok", "ok", "diverged"], "test_loss": [0.4, 0.3, np.nan]}
)
MOVED = pd.DataFrame({
    "run": list("aaabbbdd"), "step": [0, 1, 2, 0, 1, 2, 0, 1],
    "test_loss": [3.0, 0.2, 0.4, 3.0, 0.5, 0.3, 3.0, 0.1],
})  # fmt: skip


def test_what_diverged_has_no_end_no_best_and_no_window():
    windows = of(Windows((("test_loss", "late"),), (("test_loss", "worst"),), last=2), ENDED, MOVED)
    assert windows["late"].tolist()[:2] == pytest.approx([0.3, 0.4])
    best = of(Best(("test_loss",)), ENDED, MOVED)["test_loss"]
    assert best.tolist()[:2] == [0.2, 0.3]
    assert np.isnan([windows["late"].iloc[2], windows["worst"].iloc[2], best.iloc[2]]).all()
    for at, level in (("common", [0.2, 0.3]), ("end", [0.4, 0.3])):
        moment = of(Moment(at, column="test_loss"), ENDED, MOVED).set_index("run")
        assert moment.loc[["a", "b"], "test_loss"].tolist() == level
        assert moment.loc["d", ["test_loss", "steps"]].isna().all()
    last = of(LastReadings(("test_loss",), (), last=5), ENDED, MOVED)
    assert sorted(last[["run", "step"]].to_numpy().tolist()) == [["a", 1], ["a", 2], ["b", 1], ["b", 2]]


def test_the_common_level_is_that_of_the_runs_that_end():
    late = MOVED.assign(test_loss=MOVED["test_loss"].where(MOVED["run"] != "d", 2.0))
    # With d the level would be 2, at step 1 of both.
    assert of(Moment("common", column="test_loss"), ENDED, late)["steps"].tolist()[:2] == [1, 2]


def test_averages_are_of_finished_runs():
    rows = rows_of(status=["ok", "failed", "waiting", "ok"], way=["q"] * 4, x_loss=[1.0, 9.0, 9.0, 3.0])
    assert of(Averages(("x_loss",), ("way",)), rows)[["x_loss", "n"]].to_numpy().tolist() == [[2.0, 2]]


def test_a_stranger_s_metric_has_its_own_direction():
    words = VOCABULARY.with_words(
        [Metric("score", "score", better="higher"), Metric("cost", "c", better="lower")]
    )
    rows = rows_of(score=[2.0, 5.0, 9.0], cost=[2.0, 5.0, 9.0], dim=[1, 2, 4], seed=0, method="m")
    history = pd.DataFrame({"run": ["r0", "r0"], "step": [1, 2], "score": [8.0, 1.0], "cost": [8.0, 1.0]})
    best = of(Best(("score", "cost")), rows, history, words)
    assert best.loc[0, ["score", "cost"]].tolist() == [8.0, 1.0]
    levels = (("score", (5.0,)), ("cost", (5.0,)))
    success = of(Success(("score", "cost"), ("method",), levels), rows, words=words)
    assert success.groupby("metric")["probability"].agg(list).to_dict() == {
        "score": [0, 1, 1],
        "cost": [1, 1, 0],
    }
    stars = of(Thresholds(("score", "cost"), (), levels), rows, words=words)
    assert stars.set_index("metric")["d_star"].to_dict()["score"] == pytest.approx(2.0)
    assert levels_for(rows, ["score"], words)["score"][[0, -1]].tolist() == [2.0, 9.0]
    with pytest.raises(InputError, match="which 'score' is best is not known"):
        of(Best(("score",)), rows, history)


def test_thresholds_need_no_arms_and_may_be_of_another_label():
    rows = rows_of(width=[2, 8, 2, 8], seed=[0, 0, 1, 1], test_accuracy=[0.2, 0.8, 0.2, 0.8], dim=[9] * 4)
    found = of(Thresholds(("test_accuracy",), (), (("test_accuracy", (0.5,)),), over="width"), rows)
    # Half way in the logarithm: the square root of 2 times 8.
    assert found["d_star"].tolist() == pytest.approx([4.0])
    assert found["local_angular_dimension"].isna().all()
    assert of(Thresholds(("test_accuracy",), ()), rows.drop(columns="seed")).empty
    twice = rows.assign(width=[2, 8, 2, 2], colour=list("abcd"))
    with pytest.raises(InputError, match=r"the threshold of width.*seed 1, width 2.*colour"):
        of(Thresholds(("test_accuracy",), (), over="width"), twice)


def test_tables_beside_others_have_one_line_for_each():
    first, more = Means(("m_loss",), ("rate",)), Rows(("rate", "m_loss"))
    with pytest.raises(InputError, match=r"a table beside another.*2 rows have rate 0.1"):
        of(Beside(first, more, ("rate",)), SOME)
    both = of(Beside(first, Ranges("m_loss", ("rate",)), ("rate",)), SOME)
    assert both[["n", "n_beside", "least"]].to_numpy().tolist() == [[2, 2, 1.0], [2, 2, 5.0]]
    parts = pd.DataFrame({"run": list("abc"), "part": ["w", "h", "h"], "seed": 0, "x": [np.nan, 1.0, 2.0]})
    with pytest.raises(InputError, match="the part 'h'"):
        of(Parts("w", ("h",), ("seed",)), parts)
    assert single(parts, ["run"], "this") is parts


def test_a_misspelt_metric_is_named_and_one_that_may_be_absent_is_not():
    with pytest.warns(TableWarning, match="no column 'm_los'.*did you mean 'm_loss'"):
        assert of(Curves(("m_los", "sharpness"), "rate"), SOME).empty
    for table in (Means(("m_los",), ()), Pairs(("m_los",), "rate"), Thresholds(("m_los",), ())):
        with pytest.warns(TableWarning, match="m_los"):
            of(table, SOME)
    with pytest.warns(TableWarning, match="m_los"):
        of(Traces(("m_los",)), TWICE, READ)
    assert of(Curves(("m_los",), "rate"), SOME.assign(status="waiting")).empty


def test_layers_are_neither_spreads_nor_numbers_nor_other_metrics():
    rows = rows_of(setting=["s"], density=[0.5], density_conv1=[0.4], density_sd=[9.0], density_n=[9.0],
                   density_at_max=[9.0], density_conv1_low=[9.0])  # fmt: skip
    found = of(Layers((("kind", "density"),)), rows)
    assert found[["layer", "mean"]].to_numpy().tolist() == [["all", 0.5], ["conv1", 0.4]]


def test_no_node_s_missing_value_is_taken_from_another_node():
    rows = pd.DataFrame({
        "seed": [0, 0, 1, 1], "run": list("abcd"), "status": ["ok", "ok", "diverged", "ok"],
        "loss": [1.0, np.nan, np.nan, np.nan], "norm": [np.nan, 5.0, np.nan, 6.0],
    })  # fmt: skip
    found = joined(rows.assign(loss=[1.0, 7.0, np.nan, 8.0]), ["seed"])
    np.testing.assert_array_equal(found["loss"], [1.0, np.nan])
    assert found["loss_1"].tolist() == [7.0, 8.0]
    assert found["norm"].tolist() == [5.0, 6.0]
    # A label may be called so too: it tells nothing of nodes.
    labelled = joined(rows.assign(loss=[1.0, 7.0, np.nan, 8.0], kind="global"), ["seed", "kind"])
    assert labelled["loss_1"].tolist() == [7.0, 8.0]
    assert labelled["norm"].tolist() == [5.0, 6.0]


def test_columns_of_other_nodes_overwrite_none():
    rows = pd.DataFrame({
        "seed": [0, 0], "run": ["a", "b"], "status": "ok", "x": [1.0, 2.0], "x_1": [3.0, np.nan],
    })  # fmt: skip
    found = joined(rows, ["seed"]).iloc[0]
    assert found[["x", "x_1", "x_node1"]].tolist() == [1.0, 3.0, 2.0]
