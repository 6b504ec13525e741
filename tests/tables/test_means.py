import math

import pandas as pd
import pytest

from weightspace.tables.means import over_seeds

TABLE = pd.DataFrame(
    {
        "dim": [4, 4, 8, 8, 8, 16],
        "seed": [0, 1, 0, 1, 2, 0],
        "status": ["ok", "ok", "ok", "diverged", "failed", "waiting"],
        "loss": [1.0, 3.0, 2.0, float("nan"), float("nan"), float("nan")],
        "accuracy": [0.1, 0.3, 0.5, 0.1, float("nan"), float("nan")],
    }
)


def test_means_spreads_and_numbers_of_finished_runs():
    found = over_seeds(TABLE, ["dim"], ["loss", "accuracy"]).set_index("dim")
    assert found.index.tolist() == [4, 8]
    assert found.loc[4, ["loss", "loss_sd", "n"]].tolist() == pytest.approx([2.0, math.sqrt(2), 2])
    assert found.loc[8, ["accuracy", "n"]].tolist() == pytest.approx([0.3, 2])


def test_a_metric_of_fewer_runs_says_how_many():
    found = over_seeds(TABLE, ["dim"], ["loss", "accuracy"]).set_index("dim")
    assert found["loss_n"].to_dict() == {4: 2, 8: 1}
    assert math.isnan(found.loc[8, "loss_sd"])
    assert "accuracy_n" not in found


def test_labels_and_metrics_that_are_not_there_are_passed_over():
    found = over_seeds(TABLE, ["method", "dim"], ["accuracy", "speed"])
    assert "method" not in found
    assert "speed" not in found


def test_missing_labels_are_a_line_of_their_own():
    table = TABLE.assign(burn_in=pd.array([None, None, 4, 4, None, None], "Int64"))
    found = over_seeds(table, ["burn_in"], ["accuracy"])
    assert found["burn_in"].tolist() == [4, pd.NA]
    assert found["burn_in"].dtype == "Int64"


def test_without_labels_there_is_one_line_and_without_runs_none():
    (line,) = over_seeds(TABLE, [], ["accuracy"]).to_dict("records")
    assert line["n"] == 4
    assert over_seeds(TABLE[TABLE["status"] == "failed"], [], ["accuracy"]).empty
    assert over_seeds(TABLE[TABLE["status"] == "failed"], ["dim"], ["accuracy"]).empty
