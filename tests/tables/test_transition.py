"""Where success sets in: the fitted curve against its definition, simulated runs and counts by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from weightspace.tables.base import Given
from weightspace.tables.logistic import NARROWEST, fit
from weightspace.tables.transition import Transitions

DIMS = np.array([40.0, 50, 60, 70, 80, 100, 120])


def shares(middle, slope):
    return 1 / (1 + np.exp(-slope * (np.log(DIMS) - np.log(middle))))


def penalised(beta, won, trials):
    """Minus the likelihood times the square root of the information's determinant (Firth, 1993)."""
    x = np.log(DIMS) - 4.2
    eta = beta[0] + beta[1] * x
    share = 1 / (1 + np.exp(-eta))
    weight = trials * share * (1 - share)
    design = np.stack([np.ones_like(x), x], 1)
    information = design.T @ (weight[:, None] * design)
    likelihood = np.sum(won * np.log(share) + (trials - won) * np.log1p(-share))
    return -(likelihood + 0.5 * np.log(np.linalg.det(information)))


def test_the_fit_is_the_greatest_of_the_penalised_likelihood():
    rng = np.random.default_rng(0)
    trials = np.array([3.0, 10, 0, 20, 20, 5, 8])
    won = np.stack([rng.binomial(trials.astype(int), shares(66, slope)) for slope in (3, 8, 15)]).astype(
        float
    )
    found = fit(DIMS, won, np.tile(trials, (3, 1)))
    for row in range(3):
        best = minimize(penalised, [0.0, 3.0], args=(won[row], trials), method="BFGS").x
        assert found.slope[row] == pytest.approx(best[1], rel=1e-4)
        assert found.middle[row] == pytest.approx(4.2 - best[0] / best[1], rel=1e-5)


def test_what_is_fitted_is_what_was_drawn():
    trials = np.full((1, len(DIMS)), 1e6)
    found = fit(DIMS, trials * shares(66, 8.0), trials)
    assert np.exp(found.middle[0]) == pytest.approx(66, rel=1e-4)
    assert found.slope[0] == pytest.approx(8, rel=1e-4)
    assert found.at(0.9)[0] == pytest.approx(66 * np.exp(np.log(9) / 8), rel=1e-4)
    assert found.width[0] == pytest.approx(66 * 2 * np.sinh(np.log(9) / 8), rel=1e-4)


@pytest.mark.parametrize("won", [(0, 1), (0, 3), (1, 3), (2, 3)])
def test_two_dimensions_have_their_shares_with_half_a_run_more(won):
    """With as many points as numbers the estimate is known: (successes + 1/2) / (runs + 1)."""
    dims, trials = np.array([10.0, 40.0]), np.array([3.0, 3.0])
    found = fit(dims, np.array([won], float), trials[None])
    share = 1 / (1 + np.exp(-found.slope[0] * (np.log(dims) - found.middle[0])))
    np.testing.assert_allclose(share, (np.array(won) + 0.5) / 4, rtol=1e-6)


def test_sharp_transitions_are_finite_and_undetermined_ones_unknown():
    one = np.ones((1, len(DIMS)))
    sharp = fit(DIMS, (DIMS > 65)[None] * 1.0, one)
    assert 60 < np.exp(sharp.middle[0]) < 70
    assert 0 < sharp.slope[0] <= NARROWEST
    for won in (0 * one, one, (DIMS < 65)[None] * 1.0):
        assert np.isnan(fit(DIMS, won, one).slope).all()


def runs(seeds, slope, middle=66.0, metric="test_accuracy", draw=1):
    rng = np.random.default_rng(draw)
    lines = []
    for seed in range(seeds):
        for dim, share in zip(DIMS, shares(middle, slope), strict=True):
            value = 0.95 if rng.random() < share else 0.5
            value = 1 - value if metric.endswith("loss") else value
            lines.append({"method": "random", "dim": int(dim), "seed": seed, "status": "ok", metric: value})
    return pd.DataFrame(lines)


def table(rows, metric="test_accuracy", level=0.9, **more):
    kind = Transitions((metric,), ("method",), ((metric, (level,)),), **more)
    return kind.of(Given(rows, rows.iloc[:0]))


def test_nine_intervals_in_ten_hold_what_was_drawn():
    width = 66 * 2 * np.sinh(np.log(9) / 8)
    lines = [table(runs(25, 8.0, draw=draw)).iloc[0] for draw in range(60)]
    middles = np.mean([line["d_half_low"] < 66 < line["d_half_high"] for line in lines])
    widths = np.mean([line["width_low"] < width < line["width_high"] for line in lines])
    assert 0.8 <= middles <= 0.98
    assert 0.8 <= widths <= 0.98
    np.testing.assert_allclose(np.mean([line["d_half"] for line in lines]), 66, rtol=0.01)


def test_losses_fall_where_accuracies_rise():
    (up,) = table(runs(20, 8.0)).to_dict("records")
    (down,) = table(runs(20, 8.0, metric="test_loss"), "test_loss", 0.1).to_dict("records")
    assert {**down, "metric": "", "level": 0} == {**up, "metric": "", "level": 0}
    assert up["d_star_fit"] > up["d_half"]
    assert up["width_over_root"] == pytest.approx(up["width"] / up["d_half"] ** 0.5)
    assert (up["n"], up["runs"], up["reason"]) == (20, 140, "")


def test_diverged_runs_are_failures_and_unfinished_ones_are_none():
    rows = runs(20, 8.0)
    gone = rows.assign(status=np.where(rows["dim"] == 120, "failed", rows["status"]))
    assert table(gone)["runs"].item() == 120
    bad = rows.copy()
    bad.loc[bad["dim"] == 120, ["status", "test_accuracy"]] = ["diverged", np.nan]
    assert table(bad)["d_half"].item() > table(rows)["d_half"].item()


@pytest.mark.parametrize(
    ("level", "keep", "reason"),
    [
        (0.99, slice(None), "no run reaches the level"),
        (0.4, slice(None), "every run reaches the level"),
        (0.9, slice(3, 4), "one dimension alone was asked"),
    ],
)
def test_what_runs_do_not_determine_is_unknown_with_a_reason(level, keep, reason):
    rows = runs(20, 8.0)
    rows = rows[rows["dim"].isin(DIMS[keep])]
    (line,) = table(rows, level=level).to_dict("records")
    assert line["reason"] == reason
    assert all(np.isnan(line[name]) for name in ("d_half", "width", "d_star_fit", "width_over_root"))


@pytest.mark.parametrize(
    ("keep", "known"),
    [
        (slice(2, 5), {"d_half"}),
        (slice(0, 2), set()),
        (slice(5, 7), set()),
        (slice(0, 7), {"d_half", "d_star_fit", "width"}),
    ],
)
def test_nothing_is_extrapolated(keep, known):
    rows = runs(40, 8.0)
    (line,) = table(rows[rows["dim"].isin(DIMS[keep])]).to_dict("records")
    assert {name for name in ("d_half", "d_star_fit", "width") if np.isfinite(line[name])} == known
    assert (line["reason"] == "") == (len(known) == 3)
    assert np.isfinite(line["width_over_root"]) == ("width" in known)


def test_no_finished_rows_make_no_lines():
    rows = runs(2, 8.0).assign(status="waiting")
    assert table(rows).empty
