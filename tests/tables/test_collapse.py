"""Transitions upon each other: shares and their places by hand, and the curve of geometry."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from weightspace.experiments.freedom.phase import FreedomPhase
from weightspace.figures.chart import Notes
from weightspace.tables.base import Given
from weightspace.tables.collapse import GEOMETRY, Collapsed
from weightspace.tables.transition import Transitions

LEVELS = (("test_accuracy", (0.9,)),)
DIMS = (60, 80, 90, 100, 110, 120, 150, 4000)


def rows(middle, panel, runs=40):
    """Runs whose success is drawn from a Gaussian transition of the widest kind."""
    rng = np.random.default_rng(int(middle))
    found = []
    for dim in DIMS:
        won = rng.random(runs) < norm.cdf((dim * middle / 100 - middle) / (2 * middle) ** 0.5)
        found += [
            {
                "panel": panel, "method": "random", "dim": dim * middle // 100, "seed": seed, "status": "ok",
                "run": f"{panel}{dim}{seed}", "test_accuracy": 0.95 if good else 0.5,
            }
            for seed, good in enumerate(won)
        ]  # fmt: skip
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def given():
    both = pd.concat([rows(100, "small"), rows(400, "large")], ignore_index=True)
    return Given(both, pd.DataFrame())


def test_shares_are_those_of_the_runs_at_distances_from_even_odds(given):
    arms = ("panel", "method")
    found = given.of(Collapsed(("test_accuracy",), arms, LEVELS))
    middles = given.of(Transitions(("test_accuracy",), arms, LEVELS)).set_index("panel")["d_half"]
    small = found[found["panel"] == "small"].set_index("dim")
    wins = (
        given.rows[given.rows["panel"] == "small"]
        .groupby("dim")["test_accuracy"]
        .apply(lambda v: (v > 0.9).mean())
    )
    assert 4000 not in small.index  # nothing to see so far away
    np.testing.assert_allclose(small["value"], wins[small.index])
    np.testing.assert_allclose(
        small["dims_from_half"], (small.index - middles["small"]) / np.sqrt(middles["small"])
    )
    assert ((small["min"] <= small["value"]) & (small["value"] <= small["max"])).all()
    assert set(small["n"]) == {40}


def test_transitions_as_wide_as_geometry_lie_on_its_curve(given):
    found = given.of(Collapsed(("test_accuracy",), ("panel",), LEVELS))
    curve = found[found["panel"] == GEOMETRY]
    np.testing.assert_allclose(curve["value"], norm.cdf(curve["dims_from_half"] / np.sqrt(2)))
    measured = found[found["panel"] != GEOMETRY]
    expected = norm.cdf(measured["dims_from_half"].astype(float) / np.sqrt(2))
    assert np.abs(measured["value"] - expected).max() < 0.25
    assert set(measured["panel"]) == {"small", "large"}


def test_levels_that_no_run_reaches_have_no_lines(given):
    assert given.of(Collapsed(("test_accuracy",), ("panel",), (("test_accuracy", (0.99,)),))).empty


def test_arms_that_differ_in_more_than_the_panel_have_lines_of_their_own(given):
    """Two optimisers are two lines of the question's own chart, and not one that goes to and fro."""
    rows = given.rows.assign(
        panel="small", optimiser=np.where(given.rows["panel"] == "small", "adam", "sgd"), lr=0.05
    )
    both = Given(rows, pd.DataFrame())
    answer = FreedomPhase(levels=(0.9,)).answered_by()[0]
    frame = both.of(answer.table)
    (panel,) = answer.charts[0].draw(frame, Notes(rows))
    drawn = {line.get_label(): line for line in panel.figure.axes[0].get_lines() if len(line.get_xdata()) > 1}
    places = [np.asarray(line.get_xdata(), float) for line in drawn.values()]
    assert all((np.diff(x) > 0).all() for x in places)
    expected = frame.groupby("optimiser", dropna=False).size().tolist()
    assert sorted(map(len, places)) == sorted(expected)
    assert len(expected) == 3
    geometry = frame[frame["panel"] == GEOMETRY]
    assert set(geometry["method"]) == {"random"}
    assert geometry["optimiser"].isna().all()
