"""Reading: tables join by name, each run once, and waiting rows are told from finished ones."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspace.errors import InputError, StoreError
from weightspace.store.read import history, results, sql
from weightspace.store.schema import ERROR, LEADING, StoreWarning

from .builders import cohort, digest, row, truncate, write


def ask(store, *numbers, experiment="e", label="dim"):
    store.ask(experiment, [({label: number}, digest(number)) for number in numbers], {})


def test_columns_are_the_leading_ones_then_labels_then_metrics(store):
    write(store, "c", 1)
    store.ask("e", [({"dim": 8, "seed": 3, "model": "fc"}, digest(1))], {})
    table = results(store.root)
    assert tuple(table.columns) == (*LEADING, ERROR, "dim", "test_accuracy")
    (entry,) = table.to_dict("records")
    assert entry["run"] == digest(1)
    assert (entry["model"], entry["seed"], entry["dim"]) == ("fc", 3, 8)
    assert (entry["status"], entry["seconds"], entry["test_accuracy"]) == ("ok", 1.5, 0.01)
    assert entry["data"] is None


def test_metrics_join_by_name_across_files_with_other_columns(store):
    write(store, "a", 1, scalars={"x": 1.0, "y": 2.0})
    write(store, "b", 2, scalars={"y": 3.0, "z": float("inf")})
    store.write_derived("w", [row(3, scalars={"z": 5}, outputs=(), readings=())], {})
    ask(store, 1, 2, 3)
    table = results(store.root).set_index("dim")[["x", "y", "z"]]
    expected = pd.DataFrame(
        {"x": [1, math.nan, math.nan], "y": [2, 3, math.nan], "z": [math.nan, math.inf, 5.0]},
        index=pd.Index([1, 2, 3], name="dim"),
    )
    pd.testing.assert_frame_equal(table, expected)


def test_only_the_metrics_of_an_experiment_are_its_columns(store):
    write(store, "a", 1, scalars={"x": 1.0})
    write(store, "b", 2, scalars={"y": float("nan")})
    ask(store, 1, experiment="first")
    ask(store, 2, experiment="second")
    assert "y" not in results(store.root, "first")
    assert "y" in results(store.root, "second")  # NaN is a value
    assert {"x", "y"} <= set(results(store.root))


def test_each_row_asked_is_there_once_in_order_whatever_is_stored_twice(store):
    for name in "abc":
        write(store, name, 3, 1, 2)
    ask(store, 3, 1, 2)
    ask(store, 2, experiment="f", label="width")
    table = results(store.root)
    assert table["run"].tolist() == [digest(3), digest(1), digest(2), digest(2)]
    assert table["experiment"].tolist() == ["e", "e", "e", "f"]


def test_what_is_not_stored_is_waiting(store):
    write(store, "c", 1)
    write(store, "d", 2, status="diverged")
    ask(store, 1, 2, 3)
    table = results(store.root)
    assert table["status"].tolist() == ["ok", "diverged", "waiting"]
    assert table["seconds"].isna().tolist() == [False, False, True]


def test_the_empty_store_gives_empty_tables(store):
    assert tuple(results(store.root).columns) == (*LEADING, ERROR)
    assert results(store.root).empty
    assert list(history(store.root).columns) == ["run", "step", "metric", "value"]
    assert history(store.root).empty
    assert list(history(store.root, wide=True).columns) == ["run", "step"]
    assert sql(store.root, "SELECT count(*) AS n FROM results")["n"].item() == 0


def test_a_label_and_a_metric_of_one_name_both_have_a_place(store):
    write(store, "c", 1, scalars={"loss": 0.25})
    store.ask("e", [({"loss": "mse", "train_loss": "x"}, digest(1))], {})
    (entry,) = results(store.root).to_dict("records")
    assert (entry["loss"], entry["loss_value"]) == ("mse", 0.25)
    assert {"train_loss", "train_loss_value"} <= set(history(store.root, "e", wide=True))


def test_unknown_experiments_and_folders_are_explained(store, tmp_path):
    ask(store, 1, experiment="freedom")
    for read in (results, history):
        with pytest.raises(InputError, match="did you mean 'freedom'"):
            read(store.root, "fredom")
    for read in (results, history, lambda out: sql(out, "SELECT 1")):
        with pytest.raises(StoreError, match="not a results folder"):
            read(tmp_path / "nowhere")


def test_a_long_and_a_wide_history(store):
    rows = [row(1, outputs=(), readings=(5, 10)), row(2, outputs=(), readings=(5,))]
    columns = {
        "digest": [rows[0].digest, rows[0].digest, rows[1].digest],
        "step": [10, 5, 5],
        "test_accuracy": [0.75, None, 0.25],
        "train_loss": [math.nan, 2.0, 1.0],
    }
    store.write_cohort("c", rows, columns, {})
    long = history(store.root)
    found = {tuple(entry) for entry in long.fillna({"value": -1.0}).itertuples(index=False)}
    assert found == {
        (digest(1), 5, "train_loss", 2.0),
        (digest(1), 10, "test_accuracy", 0.75),
        (digest(1), 10, "train_loss", -1.0),  # recorded, and not a number
        (digest(2), 5, "test_accuracy", 0.25),
        (digest(2), 5, "train_loss", 1.0),
    }
    assert list(long.columns) == ["run", "step", "metric", "value"]
    assert long["step"].dtype == "int64"
    order = [tuple(entry) for entry in long[["run", "step", "metric"]].itertuples(index=False)]
    assert order == sorted(order)
    wide = history(store.root, wide=True)
    assert list(wide.columns) == ["run", "step", "test_accuracy", "train_loss"]
    assert len(wide) == 3


def test_the_history_of_an_experiment_has_its_labels_and_no_other_runs(store):
    write(store, "a", 1, 2)
    write(store, "b", 3)
    ask(store, 3, 1)
    found = history(store.root, "e")
    assert list(found.columns) == ["run", "dim", "step", "metric", "value"]
    assert found["dim"].tolist() == [3, 3, 1, 1]
    assert found["value"].tolist() == [1 / 6, 1 / 11] * 2


def test_a_history_recorded_twice_is_read_once_and_the_newest_counts(store):
    write(store, "a", 1, readings=(5, 10))
    write(store, "b", 1, readings=(1, 2, 3))
    assert history(store.root)["step"].tolist() == [1, 2, 3]


def test_metrics_with_odd_names(store):
    write(store, "c", 1, scalars={'a "quoted" name': 1.0, "select": 2.0, "0.25_test_accuracy": 3.0})
    ask(store, 1)
    assert results(store.root)[['a "quoted" name', "select", "0.25_test_accuracy"]].values.tolist() == [
        [1.0, 2.0, 3.0]
    ]
    made = row(2, outputs=())
    store.write_cohort("d", [made], {"digest": [made.digest], "step": [5], 'x"y': [4.0]}, {})
    assert set(history(store.root)["metric"]) == {"train_loss", 'x"y'}


def test_sql_sees_results_histories_and_all_runs(store):
    write(store, "c", 1, 2)
    write(store, "d", 3)
    store.ask("e", [({"dim": 1, "kind": "a"}, digest(1)), ({"dim": "full", "kind": 2}, digest(2))], {})
    assert sql(store.root, "SELECT max(test_accuracy) AS best FROM results")["best"].item() == 0.02
    assert sql(store.root, "SELECT count(*) AS n FROM runs WHERE list_contains(points, 5)")["n"].item() == 3
    counts = sql(store.root, "SELECT run, count(*) AS n FROM history GROUP BY run")
    assert dict(counts.to_numpy()) == dict.fromkeys(map(digest, (1, 2, 3)), 2)
    assert len(sql(store.root, "SELECT * FROM history_wide")) == 6
    assert sql(store.root, "SELECT dim FROM results WHERE kind = '2'")["dim"].tolist() == ["full"]


@pytest.mark.parametrize(
    "query", ["SELEC 1", "SELECT * FROM nothing", "SELECT 1/'x'", "", "SELECT x FROM runs"]
)
def test_a_wrong_query_is_one_error(store, query):
    with pytest.raises(InputError, match=r"\Athe query failed: .+\Z"):
        sql(store.root, query)


def test_damaged_rows_are_named_and_the_others_read(store):
    write(store, "a", 1)
    write(store, "b", 2)
    ask(store, 1, 2)
    truncate(store.root / "runs" / "b.parquet")
    with pytest.warns(StoreWarning, match=r"b\.parquet"):
        assert results(store.root)["status"].tolist() == ["ok", "waiting"]


def test_a_history_damaged_in_the_middle_is_named_and_the_others_read(store):
    write(store, "a", 1)
    rows, columns, arrays = cohort(2, readings=range(3_000))
    columns["train_loss"] = np.random.default_rng(0).random(3_000)
    store.write_cohort("b", rows, columns, arrays)
    path = store.root / "history" / "b.parquet"
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    path.write_bytes(content)
    with pytest.warns(StoreWarning, match=r"history/b\.parquet cannot be read .*left out"):
        found = history(store.root)
    assert set(found["run"]) == {digest(1)}


def test_nothing_in_a_file_is_executed(store, tmp_path):
    """A text that would be a program elsewhere is a text."""
    evil = f"'); COPY (SELECT 1) TO '{tmp_path}/ran'; --"
    write(store, "c", 1, scalars={evil: 1.0})
    store.ask("e", [({"x": evil, evil: 1}, digest(1))], {})
    assert results(store.root)["x"].tolist() == [evil]
    assert not (tmp_path / "ran").exists()
    assert sql(store.root, "SELECT x FROM results")["x"].tolist() == [evil]
    for path in store.root.rglob("*.parquet"):
        assert b"pickle" not in path.read_bytes()


def test_a_folder_with_quotes_and_globs_in_its_name(tmp_path):
    from weightspace.store.base import Store

    store = Store(tmp_path / "it's [a] *folder? ä")
    write(store, "c", 1)
    ask(store, 1)
    assert results(store.root)["status"].tolist() == ["ok"]
    assert len(history(store.root, "e")) == 2


def test_files_hold_plain_columns_that_other_tools_read(store):
    write(store, "c", 1)
    table = pq.read_table(store.root / "runs" / "c.parquet")
    assert table.schema.field("test_accuracy").type == pa.float64()
    assert table["digest"].to_pylist() == [digest(1)]
