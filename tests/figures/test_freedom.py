import math

import numpy as np
import pandas as pd
import pytest

from tests.figures.builders import NO_HISTORY, SIZE, full, line, plain_lines, random_experiment, table
from weightspace.experiments.freedom.burn_in import FreedomBurnIn


def no_outputs(run, name):
    raise AssertionError("these figures need no outputs of nodes")


def panels(lines, experiment=None, history=NO_HISTORY):
    found = (experiment or random_experiment()).figures(table(lines), history, no_outputs)
    return {panel.name: panel for panel in found}


LINES = [
    full(0, 0.9), full(1, 0.96),
    line(4, 0, 0.2), line(4, 1, 0.3), line(4, 2, 0.4),
    line(16, 0, 0.6), line(16, 1, 0.8), line(16, 2, 0.7),
]  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    return panels(LINES)


def test_the_numbers_of_the_accuracy_figure_are_means_spreads_and_runs(drawn):
    data = drawn["accuracy"].data
    means = data[(data["statistic"] == "mean") & (data["metric"] == "test_accuracy")].set_index("dim")
    assert means.loc[[4, 16, SIZE], "value"].tolist() == pytest.approx([0.3, 0.7, 0.93])
    assert means.loc[[4, 16], "sd"].tolist() == pytest.approx([0.1, 0.1])
    assert means.loc[4, ["min", "max", "n"]].tolist() == [0.2, 0.4, 3]
    assert means.loc[16, "compression"] == SIZE / 16
    runs = data[(data["statistic"] == "run") & (data["dim"] == 16) & (data["metric"] == "train_accuracy")]
    assert dict(zip(runs["seed"], runs["value"], strict=True)) == pytest.approx({0: 0.61, 1: 0.81, 2: 0.71})


def test_the_accuracy_figure_draws_these_numbers(drawn):
    panes = drawn["accuracy"].figure.axes
    assert [pane.get_ylabel() for pane in panes] == ["test accuracy", "training accuracy"]
    mean = next(one for one in panes[0].lines if one.get_label() == "random subspace")
    assert mean.get_xdata().tolist() == [4, 16]
    assert mean.get_ydata().tolist() == pytest.approx([0.3, 0.7])
    reference = next(one for one in panes[0].lines if one.get_label() == "full space")
    assert list(reference.get_ydata()) == pytest.approx([0.93, 0.93])
    top = panes[0].child_axes[0]
    assert top.get_xlabel() == "compression D/d"
    assert [label.get_text() for label in top.get_xticklabels()] == ["512×", "128×"]


def test_captions_say_how_many_runs_and_which_spread(drawn):
    assert "n = 3 runs at each d" in drawn["accuracy"].caption
    assert "range" in drawn["accuracy"].caption
    assert "D = 2,048, n = 2 runs" in drawn["accuracy"].caption
    assert "n = 3 seeds" in drawn["threshold-accuracy"].caption
    assert "90 %" in drawn["threshold-accuracy"].caption


def test_the_success_probability_is_the_share_of_runs_at_or_above_a_level(drawn):
    data = drawn["success-test-accuracy"].data.set_index(["dim", "level"])["probability"]
    levels = data.loc[4].index
    assert len(levels) == 50
    assert (levels[0], levels[-1]) == (0.1, 1.0)

    def between(dim, low, high):
        return set(data.loc[dim][(levels > low) & (levels < high)].round(6))

    assert between(4, 0.0, 0.19) == {1.0}
    assert between(4, 0.21, 0.29) == {0.666667}
    assert between(4, 0.31, 0.39) == {0.333333}
    assert between(4, 0.41, 1.1) == {0.0}
    assert between(16, 0.71, 0.79) == {0.333333}


def test_losses_are_reached_from_above(drawn):
    data = drawn["success-test-loss"].data
    at_four = data[data["dim"] == 4]
    assert at_four["level"].max() == pytest.approx(0.8)
    assert at_four.loc[at_four["level"].idxmax(), "probability"] == 1
    assert at_four.loc[at_four["level"] < 0.59, "probability"].max() == 0
    steps = np.diff(np.log(np.sort(at_four["level"])))
    assert np.allclose(steps, steps[0])


def test_the_heat_map_shows_the_probabilities_from_black_to_white(drawn):
    panel = drawn["success-test-accuracy"]
    mesh = panel.figure.axes[0].collections[0]
    wide = panel.data.pivot_table(index="level", columns="dim", values="probability")
    assert np.array_equal(np.asarray(mesh.get_array()), wide.to_numpy())
    assert mesh.get_clim() == (0, 1)
    assert mesh.cmap(0.0)[:3] == (0, 0, 0)
    assert mesh.cmap(1.0)[:3] == (1, 1, 1)


def test_between_two_dimensions_the_threshold_is_linear_in_log_d():
    found = panels(plain_lines(seeds=(0,)))
    (curve,) = found["success-test-accuracy"].figure.axes[0].lines
    level, star = np.asarray(curve.get_ydata()), np.asarray(curve.get_xdata())
    inside = level > 0.2
    # 0.2 at d = 4 and 0.8 at d = 16: two octaves for 0.6 of accuracy.
    assert star[inside] == pytest.approx(4 * 2 ** (2 * (level[inside] - 0.2) / 0.6))
    assert set(star[~inside]) == {4}
    assert level.max() <= 0.8


def test_the_threshold_figure_marks_what_lies_outside():
    panel = panels(plain_lines(seeds=(0,)))["threshold-accuracy"]
    data = panel.data[panel.data["metric"] == "test_accuracy"].set_index("level")
    assert set(data.loc[data.index > 0.81, "censored"]) == {"above"}
    assert set(data.loc[data.index < 0.19, "censored"]) == {"below"}
    assert data.loc[data.index > 0.81, "local_angular_dimension"].isna().all()
    inside = data[data["censored"] == ""]
    assert (inside["local_angular_dimension"] + inside["d_star"]).tolist() == pytest.approx(
        [SIZE] * len(inside)
    )
    marked = {one.get_marker(): one for one in panel.figure.axes[0].lines if one.get_linestyle() == "None"}
    assert marked["^"].get_ydata().tolist() == [16]
    assert marked["^"].get_xdata()[0] == pytest.approx(data.index[data["censored"] == "above"].min())
    assert marked["v"].get_xdata()[0] == pytest.approx(data.index[data["censored"] == "below"].max())


def test_the_right_axis_is_the_local_angular_dimension():
    pane = panels(plain_lines(dims=(4, 8, 16)))["threshold-accuracy"].figure.axes[-1]
    (right,) = pane.child_axes
    assert "D − d*" in right.get_ylabel()
    assert [label.get_text() for label in right.get_yticklabels()] == ["2,044", "2,040", "2,032"]


def test_a_failed_run_changes_nothing_but_the_captions():
    with_failure = panels(
        [*plain_lines(), line(16, 2, None, status="failed"), line(4, 2, None, status="waiting")]
    )
    without = panels(plain_lines())
    for name, panel in without.items():
        pd.testing.assert_frame_equal(with_failure[name].data, panel.data)
    assert "1 failed, 1 waiting" in with_failure["accuracy"].caption
    assert "failed" not in without["accuracy"].caption


def test_a_diverged_run_counts_as_not_reaching_a_level():
    found = panels([*plain_lines(), line(16, 2, None, status="diverged")])
    data = found["success-test-accuracy"].data
    assert data.loc[data["dim"] == 16, "probability"].max() == pytest.approx(2 / 3)
    assert "1 of 7 runs diverged" in found["accuracy"].caption


def test_a_dimension_that_a_seed_lacks_does_not_count_against_it():
    lines = plain_lines(dims=(4, 8, 16), seeds=(0,))
    whole, gap = (panels(some)["threshold-accuracy"].data for some in (lines, [*lines[:2], lines[3]]))
    # The accuracy at d = 8 lies on the line between its neighbours, so that leaving it out changes nothing.
    assert gap["d_star"].tolist() == pytest.approx(whole["d_star"].tolist())
    short = panels([*plain_lines(dims=(4, 8, 16)), line(4, 2, 0.2), line(8, 2, 0.5)])[
        "threshold-accuracy"
    ].data
    reached = short[(short["metric"] == "test_accuracy") & (short["level"] < 0.5)]
    assert np.isfinite(reached["d_star"]).all()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([line(16, 0, 0.5)], id="one run"),
        pytest.param([line(4, 0, 0.5), line(16, 0, 0.6)], id="one seed"),
        pytest.param([line(16, 0, 0.5), line(16, 1, 0.6)], id="one dimension"),
        pytest.param([line(16, 0, 0.5), line(4, 1, None, status="diverged")], id="one without values"),
        pytest.param([line(16, 0, 1.0), line(4, 0, 1.0)], id="no loss"),
        pytest.param([line(4, 0, 0.5), line(8, 0, 0.5, burn_in=4)], id="labels of one arm only"),
    ],
)
def test_little_is_enough(lines):
    found = panels(lines)
    assert {"accuracy", "success-test-accuracy", "threshold-accuracy"} <= set(found)
    assert all(panel.svg.startswith(b"<?xml") for panel in found.values())


def test_one_seed_has_no_spread_and_says_so():
    found = panels([line(4, 0, 0.5), line(16, 0, 0.6)])
    assert "no spread" in found["accuracy"].caption
    assert "no interval" in found["threshold-accuracy"].caption
    means = found["accuracy"].data.query("statistic == 'mean'")
    assert means["sd"].isna().all()
    assert not found["accuracy"].figure.axes[0].collections[0].get_paths()


@pytest.mark.parametrize("status", ["waiting", "failed", "blocked"])
def test_without_a_finished_run_there_is_no_figure(status):
    assert panels([line(4, 0, None, status=status)]) == {}


@pytest.fixture(scope="module")
def burned_in():
    lines = [
        line(d, s, min(0.1 * i + 0.02 * t, 0.99), method="burn-in", burn_in=t, optimiser=optimiser)
        for optimiser in ("adam", "sgd")
        for t in (0, 4, 16)
        for s in (0, 1)
        for i, d in enumerate((4, 8, 16, 32, 64), start=1)
    ]
    return panels(lines, FreedomBurnIn(dims=(4, 8, 16, 32, 64), burn_in=(0, 4, 16), levels=(0.3,)))


def test_burn_in_has_a_figure_of_its_own(burned_in):
    panel = burned_in["threshold-burn-in"]
    data = panel.data[(panel.data["metric"] == "test_accuracy") & (panel.data["optimiser"] == "sgd")]
    # 0.1 i + 0.02 t reaches 0.3 at i = 3 - t / 5, and d = 2^(i + 1); t = 16 starts above it.
    expected = [2**4, 2 ** (4 - 4 / 5), 4]
    assert data.set_index("burn_in")["d_star"].to_dict() == pytest.approx(
        dict(zip((0, 4, 16), expected, strict=True))
    )
    assert [pane.get_title() for pane in panel.figure.axes] == [
        f"{split} accuracy, {name}" for name in ("adam", "sgd") for split in ("test", "training")
    ]


def test_levels_that_no_burn_in_reaches_have_no_figure():
    lines = [line(d, 0, 0.2, method="burn-in", burn_in=t) for t in (0, 4) for d in (4, 8)]
    assert "threshold-burn-in" not in panels(lines, FreedomBurnIn(levels=(0.9,)))


def test_maps_are_arranged_by_burn_in_and_the_rest(burned_in):
    maps = burned_in["success-test-accuracy"].figure.axes[:6]
    assert [pane.get_title() for pane in maps] == ["t = 0", "t = 4", "t = 16", "", "", ""]
    assert [pane.get_ylabel() for pane in maps] == ["adam", "", "", "sgd", "", ""]


def test_the_best_value_is_taken_over_the_readings_of():
    rows = table(plain_lines())
    run = rows.loc[(rows["dim"] == 16) & (rows["seed"] == 0), "run"].item()
    history = pd.DataFrame(
        {"run": run, "step": [0, 10, 20], "test_accuracy": [0.1, 0.95, 0.8], "test_loss": [2.0, 0.05, 0.2]}
    )
    best = random_experiment(success="best", levels=(0.9,), loss_levels=(0.06,))
    data = {panel.name: panel for panel in best.figures(rows, history, no_outputs)}["accuracy"]
    values = data.data.query(
        "statistic == 'run' and metric == 'test_accuracy' and dim == 16 and method == 'random'"
    )
    assert dict(zip(values["seed"], values["value"], strict=True)) == {0: 0.95, 1: 0.8}
    assert "best" in data.caption
    found = best.analyse(rows[rows["seed"] == 0], history)["thresholds"].set_index("metric")["d_star"]
    assert math.isfinite(found["test_accuracy"])
    assert math.isfinite(found["test_loss"])
    final = random_experiment(levels=(0.9,)).analyse(rows[rows["seed"] == 0], history)["thresholds"]
    assert final.set_index("metric").loc["test_accuracy", "censored"] == "above"
