"""One rule for what is not a number: every view, table and format gives one answer."""

import json
import math

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.store.builders import digest, row
from weightspace.cli import main
from weightspace.errors import InputError
from weightspace.store.base import Store
from weightspace.store.read import history, results, sql
from weightspace.store.write import write_parquet

NAN, INF = math.nan, math.inf
LAST = {1: 2.0, 2: NAN, 3: 0.5}
"""Last losses by run; run 2 diverged."""
ALONG = {1: (4.0, 2.0), 2: (INF, NAN), 3: (1.0, 0.5)}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "out")
    rows, along = [], {"digest": [], "step": [], "test_loss": []}
    for number, loss in LAST.items():
        status = "diverged" if number == 2 else "ok"
        error = "loss not finite at step 7" if number == 2 else None
        rows.append(row(number, status=status, scalars={"test_loss": loss}, outputs=(), error=error))
        for step, value in zip((5, 10), ALONG[number], strict=True):
            along["digest"].append(digest(number))
            along["step"].append(step)
            along["test_loss"].append(value)
    store.write_cohort("c", rows, along, {})
    store.ask("e", [({"dim": number}, digest(number)) for number in LAST], {})
    return store


def one(store, query):
    return sql(store, query).iloc[0, 0]


@pytest.mark.parametrize("view", ["results", "runs"])
def test_the_last_values_of_either_view(store, view):
    spread, count, above, largest = sql(
        store,
        "SELECT stddev(test_loss), count(test_loss), count(*) FILTER (test_loss > 1), max(test_loss) "
        f"FROM {view}",
    ).iloc[0]
    assert (spread, count, above, largest) == (pytest.approx(np.std([2, 0.5], ddof=1)), 2, 1, 2.0)
    assert one(store, f"SELECT count(*) FROM {view} WHERE test_loss > 1") == 1


@pytest.mark.parametrize(
    ("view", "value", "where"),
    [("history", "value", "metric = 'test_loss'"), ("history_wide", "test_loss", "TRUE")],
)
def test_histories_of_either_form(store, view, value, where):
    ask = f"SELECT stddev({value}), count({value}), max({value}), avg({value}) FROM {view} WHERE {where}"
    finite = [4, 2, 1, 0.5]
    assert sql(store, ask).iloc[0].tolist() == pytest.approx(
        [np.std(finite, ddof=1), 4, 4.0, np.mean(finite)]
    )
    assert one(store, f"SELECT count(*) FROM {view} WHERE {where} AND {value} > 1") == 2
    assert one(store, f"SELECT corr(step, {value}) FROM {view} WHERE {where}") is not None


def test_the_query_of_a_folder_with_a_diverged_run(store):
    found = sql(store, "SELECT metric, stddev(value) AS sd FROM history GROUP BY metric")
    assert found["sd"].notna().all()
    assert one(store, "SELECT count(*) FROM history") == 6  # recorded, if not a number


def test_pandas_agrees(store):
    table, wide, long = results(store), history(store, wide=True), history(store)
    assert (table["test_loss"] > 1).sum() == 1
    assert (wide["test_loss"] > 1).sum() == (long["value"] > 1).sum() == 2
    assert wide["test_loss"].std() == pytest.approx(one(store, "SELECT stddev(value) FROM history"))
    assert table.set_index("dim")["error"][2] == "loss not finite at step 7"


def test_a_metric_that_is_missing_in_every_run_is_a_column_still(tmp_path):
    store = Store(tmp_path / "out")
    store.write_cohort("c", [row(1, status="diverged", scalars={"x": NAN}, outputs=(), readings=())], {}, {})
    store.ask("e", [({}, digest(1))], {})
    assert results(store)["x"].isna().tolist() == [True]


def test_an_infinite_value_of_a_run_that_went_well_stays_one(tmp_path):
    store = Store(tmp_path / "out")
    rows = [row(n, scalars={"radius": value}, outputs=(), readings=()) for n, value in ((1, INF), (2, 1.0))]
    store.write_cohort("c", rows, {}, {})
    store.ask("e", [({"n": n}, digest(n)) for n in (1, 2)], {})
    assert results(store)["radius"].tolist() == [INF, 1.0]
    for view in ("results", "runs"):
        assert one(store, f"SELECT count(*) FROM {view} WHERE radius > 5") == 1
        spread = f"SELECT stddev(radius) FROM {view}"
        if int(duckdb.__version__.split(".")[0]) >= 2:  # it used to be an error
            assert np.isnan(one(store, spread))
        else:
            with pytest.raises(InputError, match="add WHERE isfinite"):
                sql(store, spread)


def test_files_that_hold_nan_have_no_statistics_that_hide_it(store, tmp_path):
    (file,) = (store.root / "history").glob("*.parquet")
    columns = pq.ParquetFile(file).metadata.row_group(0)
    has = {columns.column(i).path_in_schema: columns.column(i).statistics for i in range(columns.num_columns)}
    assert has["test_loss"] is None
    assert has["step"].max == 10
    direct = f"SELECT count(*) FROM '{file}' WHERE isnan(test_loss) OR test_loss > 1"
    assert duckdb.sql(direct).fetchall() == [(4,)]
    write_parquet(tmp_path / "plain.parquet", pq.read_table(file).filter([True] * 2 + [False] * 4), "history")
    assert pq.ParquetFile(tmp_path / "plain.parquet").metadata.row_group(0).column(2).statistics.max == 4.0


def test_a_folder_written_with_statistics_answers_the_same(store):
    (file,) = (store.root / "history").glob("*.parquet")
    table = pq.read_table(file)
    pq.write_table(table, file, write_statistics=True)
    for view, value in (("history", "value"), ("history_wide", "test_loss")):
        assert one(Store(store.root), f"SELECT count(*) FROM {view} WHERE {value} > 1") == 2


def test_formats_for_programs_agree(store, capsys, tmp_path):
    tiny = 1.25e-300 / 3
    number = 4
    store.write_cohort("d", [row(number, scalars={"test_loss": tiny}, outputs=(), readings=())], {}, {})
    store.ask("e", [({"dim": number}, digest(number))], {})

    def written(kind):
        assert main(["results", str(store.root), "--format", kind, "--to", str(tmp_path / kind)]) == 0
        return tmp_path / kind

    lines = json.loads(written("json").read_text())
    assert [line["test_loss"] for line in lines] == [2.0, None, 0.5, tiny]
    assert list(lines[0]) == [
        "run", "experiment", "model", "data", "seed", "status", "seconds", "error", "dim", "test_loss",
    ]  # fmt: skip
    csv, parquet = pd.read_csv(written("csv")), pd.read_parquet(written("parquet"))
    for table in (csv, parquet):
        np.testing.assert_array_equal(table["test_loss"], [2.0, NAN, 0.5, tiny])
        assert table["error"].tolist()[1] == "loss not finite at step 7"
    capsys.readouterr()


def test_status_says_why(store, capsys):
    assert main(["status", str(store.root)]) == 0
    assert "1 diverged: loss not finite at step 7" in capsys.readouterr().out
