"""Predictions beside measured thresholds: which seeds count, why there is none, what is compared."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from weightspace.tables.base import Given, Table
from weightspace.tables.predicted import CLOSED, CONSISTENT, MATCHED, Predicted, predictions
from weightspace.theory.well import closed_form, self_consistent, well

VALUES = 1 / np.arange(1, 41.0)
P = np.full(40, 40**-0.5)
WELL = well(VALUES, P)
ARRAYS = {"eigenvalues": VALUES, "counts": np.ones(40), "nodes": VALUES, "masses": P**2}


@dataclasses.dataclass(frozen=True)
class Measured(Table):
    """Lines of d* as they are given."""

    level: float = 0.01
    star: float = 10.0
    censored: str = ""

    def of(self, given):
        arm = {"burn_in": [0, 8], "method": "burn-in", "lr": 0.05, "level": self.level}
        return pd.DataFrame(
            arm
            | {"d_star": self.star, "d_star_low": 8.0, "d_star_high": np.inf, "n": 2}
            | {"censored": self.censored}
        )


def rows(*lines):
    columns = ("run", "burn_in", "seed", "loss_start", "loss_end", "well_loss")
    return pd.DataFrame(lines, columns=list(columns)).assign(status="ok")


def made(
    table,
    *lines,
):
    frame = rows(*lines)
    return Given(frame, frame.iloc[:0], lambda _, name: ARRAYS[name]).of(table)


def line(frame, way, **labels):
    for name, value in labels.items():
        frame = frame[frame[name] == value]
    (found,) = frame[frame["way"] == way].to_dict("records")
    return found


def test_a_prediction_is_that_of_the_loss_above_the_minimum():
    table = Predicted((0.01,), ("burn_in",), Measured())
    found = made(table, ("a", 0, 0, 0.2, 0.0, WELL.loss), ("b", 0, 1, 0.2, 0.004, WELL.loss))
    for way, method in ((CLOSED, closed_form), (CONSISTENT, self_consistent)):
        each = [method(WELL, eps) for eps in (0.01, 0.006)]
        mine = line(found, way)
        assert mine["d_predicted"] == pytest.approx(np.mean(each))
        assert (mine["d_predicted_low"], mine["d_predicted_high"]) == (min(each), max(each))
        assert (mine["n"], mine["reason"]) == (2, "")
        assert mine["eps"] == pytest.approx(0.008)
        assert mine["ratio"] == pytest.approx(np.mean(each) / 10)
        assert (mine["method"], mine["lr"], mine["d_star"]) == ("burn-in", 0.05, 10)


def test_a_matched_well_rises_as_the_loss_does():
    height = 5 * WELL.loss
    found = predictions(WELL, 0.01, height)[MATCHED]
    assert found == pytest.approx(self_consistent(well(5 * VALUES, P), 0.01))
    assert predictions(WELL, 0.01, WELL.loss)[MATCHED] == predictions(WELL, 0.01, WELL.loss)[CONSISTENT]


def test_why_there_is_no_prediction():
    """No seed's minimum below the level; a start that lies no higher."""
    table = Predicted((0.01, 0.3), ("burn_in",), Measured(0.3, np.inf, "above"))
    found = made(table, ("a", 0, 0, 0.2, 0.02, WELL.loss), ("b", 8, 0, 0.01, 0.02, WELL.loss))
    assert line(found, CLOSED, burn_in=0, level=0.01)["reason"] == "no w* lies below the level"
    assert np.isnan(line(found, CLOSED, burn_in=0, level=0.01)["d_predicted"])
    assert line(found, MATCHED, burn_in=8, level=0.3)["reason"] == "w_t does not lie above w*"
    assert line(found, CONSISTENT, burn_in=0, level=0.3)["reason"] == "no d asked reaches the level"
    assert np.isnan(found["ratio"]).all()
    assert np.isnan(found["d_star"]).all()


def test_a_threshold_below_the_dimensions_asked_is_no_number_to_compare_with():
    found = made(
        Predicted((0.01,), ("burn_in",), Measured(censored="below")), ("a", 0, 0, 0.2, 0.0, WELL.loss)
    )
    assert np.isnan(found["ratio"]).all()
    assert (found["reason"] == "the smallest d asked reaches the level").all()
    assert np.isnan(found["d_star"]).all()
    assert (found["d_predicted"] > 0).all()


def test_seeds_below_the_level_alone_count():
    found = made(
        Predicted((0.01,), ("burn_in",), Measured()),
        ("a", 0, 0, 0.2, 0.0, WELL.loss),
        ("b", 0, 1, 0.2, 0.5, WELL.loss),
    )
    assert line(found, CLOSED)["n"] == 1
    assert line(found, CLOSED)["d_predicted"] == closed_form(WELL, 0.01)


def test_rows_without_spectra_have_no_lines():
    frame = pd.DataFrame({"run": ["a"], "seed": [0], "status": ["ok"]})
    assert Given(frame, frame.iloc[:0]).of(Predicted((0.1,), ("burn_in",), Measured())).empty
