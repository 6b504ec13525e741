"""The figures of the complexity experiments, from made-up runs."""

import itertools

import numpy as np
import pandas as pd
import pytest

from weightspace.experiments.answer import panels_of
from weightspace.experiments.complexity.generalisation import ComplexityGeneralisation
from weightspace.experiments.complexity.paths import BY, Cosines
from weightspace.experiments.complexity.regions import ComplexityRegions
from weightspace.figures.arms import arms_of
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Curve, Violins
from weightspace.figures.traces import LONGEST, moving_average, thin
from weightspace.tables.base import Given
from weightspace.tables.curves import Traces
from weightspace.tables.vocabulary import VOCABULARY

FREQUENCIES, SEEDS, READINGS = (0.25, 1.0), (0, 1, 2), 21


def table_of(*, statuses=None, frequencies=FREQUENCIES, seeds=SEEDS):
    rows = [
        {"run": f"r{f}-{s}", "frequency": f, "seed": s, "status": (statuses or {}).get((f, s), "ok")}
        for f, s in itertools.product(frequencies, seeds)
    ]
    return pd.DataFrame(rows)


def value(f, seed, reading):
    """Grows with frequency, seed and time."""
    return f * (1 + 0.1 * seed) + 0.01 * reading


def history_of(table, *, readings=READINGS, **columns):
    columns = columns or dict.fromkeys(
        ("train_loss", "trajectory_mean", "test_loss", "trajectory_total_mean", "bias_variance_normalised",
         "bias_distance_mean"), 1.0,
    )  # fmt: skip
    rows = [
        {"run": line.run, "step": 5 * reading}
        | {name: scale * value(line.frequency, line.seed, reading) for name, scale in columns.items()}
        for line in table.itertuples()
        for reading in range(readings)
    ]
    return pd.DataFrame(rows)


def drawn(table, history, epochs=10.0):
    answers = Cosines(epochs=epochs).answers()
    found = panels_of([each for each in answers if each.charts], Given(table, history), VOCABULARY)
    return {panel.name: panel for panel in found}


def lines(axes):
    return [line for line in axes.lines if line.get_label() in (f"frequency {f:g}" for f in FREQUENCIES)]


class TestMovingAverage:
    def test_by_hand(self):
        found = moving_average(np.array([1.0, 3.0, 3.0, -1.0]), 0.5)
        assert found.tolist() == [1, 2, 2.5, 0.75]

    def test_a_constant_stays_and_no_weight_is_no_smoothing(self):
        values = np.random.default_rng(0).normal(size=20)
        np.testing.assert_allclose(moving_average(np.full(9, 3.0)), 3)
        np.testing.assert_array_equal(moving_average(values, 0.0), values)
        assert np.ptp(moving_average(values)) < np.ptp(values)


class TestTraces:
    def traces(self, table, history):
        return Traces(("train_loss",), BY, epochs=10.0).of(Given(table, history))

    def test_means_spreads_and_counts_at_each_reading(self):
        table = table_of()
        history = history_of(table, train_loss=1.0)
        found = self.traces(table, history.sample(frac=1, random_state=1))
        last = found[(found["frequency"] == 1.0) & (found["epoch"] == 10)].iloc[0]
        values = [value(1.0, seed, 20) for seed in SEEDS]
        assert last["value"] == pytest.approx(np.mean(values))
        assert last["sd"] == pytest.approx(np.std(values, ddof=1))
        assert last[["min", "max"]].tolist() == pytest.approx([min(values), max(values)])
        assert last["n"] == 3
        assert len(found) == 2 * READINGS
        for _, rows in found.groupby("frequency"):
            assert rows["epoch"].is_monotonic_increasing

    def test_what_is_not_finite_is_left_out(self):
        table = table_of(frequencies=(1.0,))
        history = history_of(table, train_loss=1.0)
        history.loc[0, "train_loss"] = np.nan
        history.loc[READINGS, "train_loss"] = np.inf
        found = self.traces(table, history)
        assert found["n"].tolist() == [1] + [3] * (READINGS - 1)
        assert found["value"][0] == pytest.approx(value(1.0, 2, 0))
        assert np.isnan(found["sd"][0])

    def test_single_runs_follow_their_mean(self):
        table = table_of()
        found = Traces(("train_loss",), BY, runs=True).of(Given(table, history_of(table, train_loss=1.0)))
        first = found[:4]
        assert first["statistic"].tolist() == ["mean", "run", "run", "run"]
        assert first["seed"].tolist()[1:] == [0, 1, 2]
        assert first["value"].tolist() == pytest.approx([0.275, 0.25, 0.275, 0.3])

    def test_nothing_gives_an_empty_table(self):
        empty = self.traces(table_of(), history_of(table_of())[:0])
        assert empty.empty
        assert empty.columns.tolist()[0] == "metric"

    @pytest.mark.parametrize("smooth", [False, True])
    def test_lines_are_the_means_or_their_averages(self, smooth):
        table = table_of()
        data = self.traces(table, history_of(table, train_loss=1.0))
        chart = Curve("epoch", BY, spread="sd", smooth=("train_loss",) if smooth else ())
        (panel,) = chart.draw(data, Notes(table))
        (axes,) = panel.figure.axes
        for line, f in zip(lines(axes), FREQUENCIES, strict=True):
            means = data[data["frequency"] == f]["value"].to_numpy()
            expected = moving_average(means) if smooth else means
            np.testing.assert_allclose(line.get_ydata(), expected)
            if smooth:
                mine = panel.data[panel.data["frequency"] == f]
                np.testing.assert_allclose(mine["smooth"], expected)
        drawn_lines = [line for line in axes.lines if len(line.get_xdata())]
        assert len(drawn_lines) == (4 if smooth else 2)
        assert len(axes.collections) == (0 if smooth else 2)
        assert ("moving average, 0.95" in panel.caption) == smooth

    def test_long_curves_are_thinned_evenly_and_keep_their_ends(self):
        rows = pd.DataFrame({"epoch": np.arange(3001)})
        found = thin(rows)["epoch"].to_numpy()
        assert len(found) == LONGEST
        assert (found[0], found[-1]) == (0, 3000)
        assert np.ptp(np.diff(found)) <= 1
        assert len(thin(rows[:LONGEST])) == LONGEST


class TestViolins:
    def data(self):
        rows = [
            {
                "metric": "m",
                "frequency": f,
                "run": f"{f}-{seed}",
                "step": 0,
                "value": 10.0 ** (i + 0.1 * seed),
            }
            for i, f in enumerate(FREQUENCIES)
            for seed in SEEDS
        ]
        return pd.DataFrame(rows)

    def axes(self, data, *, logarithmic):
        (panel,) = Violins(BY, (("m", logarithmic),)).draw(data, Notes(table_of()))
        return panel.figure.axes[0]

    @pytest.mark.parametrize("logarithmic", [False, True])
    def test_medians_and_the_runs_means(self, logarithmic):
        axes = self.axes(self.data(), logarithmic=logarithmic)
        names = [arm.name for arm in arms_of(table_of(), BY)]
        assert [label.get_text() for label in axes.get_xticklabels()] == names
        medians = [
            lines.get_segments()[0][0][1] for lines in axes.collections if hasattr(lines, "get_segments")
        ]
        expected = np.array([10**0.1, 10**1.1])
        np.testing.assert_allclose(medians, np.log10(expected) if logarithmic else expected)
        dots = axes.lines[1].get_ydata()
        values = 10.0 ** (1 + 0.1 * np.array(SEEDS))
        np.testing.assert_allclose(dots, np.log10(values) if logarithmic else values)

    def test_zeros_have_no_logarithm_and_one_value_no_shape(self):
        data = self.data()
        data["value"] = np.where(data["frequency"] == FREQUENCIES[0], 0.0, 5.0)
        axes = self.axes(data, logarithmic=True)
        assert len(axes.lines) == 1
        np.testing.assert_allclose(axes.lines[0].get_ydata(), np.log10(5))

    def test_names_that_would_overlap_are_turned(self):
        data = self.data().assign(architecture="a network with a long name of its own")
        data.loc[data["frequency"] == 1.0, "architecture"] = "another of these"
        turned = [label.get_rotation() for label in self.axes(data, logarithmic=False).get_xticklabels()]
        assert turned == [30, 30]


class TestPanels:
    def test_the_three_figures(self):
        table = table_of()
        found = drawn(table, history_of(table))
        assert list(found) == ["training", "totals", "motion"]
        titles = [axes.get_ylabel() for axes in found["training"].figure.axes]
        assert titles == ["training loss", "bias trajectory per step (mean φ)", "test loss"]
        assert all(panel.svg.startswith(b"<?xml") for panel in found.values())
        assert "n = 3" in found["training"].caption
        assert {"metric", "frequency", "epoch", "value", "sd", "n"} <= set(found["training"].data)

    def test_epochs_are_shares_of_each_run_s_own_length(self):
        table = table_of(seeds=(0,))
        history = history_of(table)
        short = history[(history["run"] != "r1.0-0") | (history["step"] <= 50)]
        data = drawn(table, short, epochs=8.0)["training"].data
        assert data.groupby("frequency")["epoch"].max().tolist() == [8.0, 8.0]

    def test_higher_frequencies_are_drawn_higher(self):
        table = table_of()
        axes = drawn(table, history_of(table))["training"].figure.axes[1]
        low, high = (line.get_ydata() for line in lines(axes))
        assert (np.asarray(high) > np.asarray(low)).all()

    def test_the_motion_is_of_the_last_ten_readings(self):
        table = table_of()
        data = drawn(table, history_of(table))["motion"].data
        assert set(data["metric"]) == {"bias_variance_normalised", "bias_distance_mean"}
        one = data[(data["run"] == "r1.0-2") & (data["metric"] == "bias_distance_mean")]
        assert one["value"].tolist() == pytest.approx([value(1.0, 2, reading) for reading in range(11, 21)])

    def test_what_was_not_recorded_is_not_drawn(self):
        table = table_of()
        found = drawn(table, history_of(table, train_loss=1.0, phi_batch=2.0))
        assert list(found) == ["training", "totals"]
        assert len(found["training"].figure.axes) == 1
        assert set(found["totals"].data["metric"]) == {"phi_batch"}
        empty = history_of(table).assign(bias_distance_mean=np.nan, bias_variance_normalised=np.nan)
        assert "motion" not in drawn(table, empty)

    def test_runs_that_did_not_finish_are_left_out(self):
        table = table_of(statuses={(1.0, 2): "failed"})
        history = history_of(table)
        found = drawn(table, history[history["run"] != "r1.0-2"])["training"].data
        assert found[found["frequency"] == 1.0]["n"].max() == 2
        assert (
            drawn(table_of(statuses=dict.fromkeys(itertools.product(FREQUENCIES, SEEDS), "waiting")), history)
            == {}
        )
        assert drawn(table, history[:0]) == {}

    def test_long_noisy_curves_are_smoothed_over_the_raw_ones(self):
        table = table_of(seeds=(0,))
        found = drawn(table, history_of(table, readings=LONGEST + 50))["training"].figure.axes
        there = [[line for line in axes.lines if len(line.get_xdata())] for axes in found]
        assert [len(each) for each in there] == [2, 4, 2]
        assert all(len(line.get_xdata()) == LONGEST for each in there for line in each)
        # What is drawn is the average over all readings, not over those that are drawn.
        mean = [value(0.25, 0, reading) for reading in range(LONGEST + 50)]
        assert lines(found[1])[0].get_ydata()[-1] == pytest.approx(moving_average(np.array(mean))[-1])


NONE = pd.DataFrame({"run": [], "step": []})
MEASURES = ("trajectory_mean", "sharpness", "train_loss")


def correlations():
    rows = [
        {"matched": matched, "measure": name, "spearman": rho, "spearman_low": rho - 0.1,
         "spearman_high": rho + 0.1, "n": 12 if matched == "epoch" else 7, "n_asked": 12}
        for matched, shift in (("epoch", 0.0), ("loss", -0.2))
        for name, rho in zip(MEASURES, (0.8 + shift, 0.1 + shift, 0.5 + shift), strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def correlation_panel(data):
    (answer,) = ComplexityGeneralisation(matched_loss=0.02).answered_by()
    (panel,) = answer.charts[0].draw(data, Notes(pd.DataFrame()))
    return panel


def test_correlations_are_ordered_by_the_one_at_the_end():
    panel = correlation_panel(correlations())
    (axes,) = panel.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "sharpness",
        "training loss",
        "bias trajectory per step (mean φ)",
    ]
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    by_height = sorted(zip(dots[0].get_ydata(), dots[0].get_xdata(), strict=True))
    assert [x for _, x in by_height] == pytest.approx([0.1, 0.5, 0.8])
    by_height = sorted(zip(dots[1].get_ydata(), dots[1].get_xdata(), strict=True))
    assert [x for _, x in by_height] == pytest.approx([-0.1, 0.3, 0.6])
    bars = np.array(sorted(bar[:, 0].tolist() for bar in axes.collections[0].get_segments()))
    np.testing.assert_allclose(bars, [[0.0, 0.2], [0.4, 0.6], [0.7, 0.9]], atol=1e-12)


def test_the_caption_says_how_many_runs_reached_the_level():
    caption = correlation_panel(correlations()).caption
    assert "falls to 0.02" in caption
    assert "7" in caption.split("falls to")[1]
    assert "of 12" in caption
    assert "90 %" in caption


def test_measures_without_a_correlation_are_left_out():
    data = correlations()
    data.loc[data["measure"] == "sharpness", ["spearman", "spearman_low", "spearman_high"]] = np.nan
    (axes,) = correlation_panel(data).figure.axes
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in dots] == [2, 2]


@pytest.mark.parametrize("experiment", [ComplexityGeneralisation(), ComplexityRegions()])
def test_before_the_first_result_there_are_no_lines_and_no_figures(experiment):
    given = Given(table_of(statuses=dict.fromkeys(itertools.product(FREQUENCIES, SEEDS), "waiting")), NONE)
    answers = experiment.answered_by()
    assert all(given.of(answer.table).empty for answer in answers)
    assert panels_of(answers, given, VOCABULARY) == []


GRID = 4
IDS = np.arange(GRID * GRID).reshape(GRID, GRID)
OUTPUTS = {
    "slice": {
        "ids": IDS,
        "lipschitz": IDS / 10,
        "points": np.array([[-0.9, 0.9], [0.6, -0.1]]),
        "outputs": np.linspace(-1, 2, GRID * GRID).reshape(GRID, GRID, 1),
    },
    "empty": {
        "bound": 2.0 * IDS,
        "ids": IDS,
        "region_bound": 2.0 * np.arange(16),
        "region_lipschitz": 1.0 * np.arange(16),
        "region_atoms": np.where(np.arange(16) < 12, 3, -1),
    },
}


def region_table(**changes):
    row = {
        "run": "t", "run_slice": "slice", "run_empty": "empty", "frequency": 0.5, "seed": 0, "regions": 16,
        "training_regions": 5, "feasible_share": 0.5, "status": "ok",
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def of(digest, name):
    return OUTPUTS[digest][name]


def region_panels(table, outputs):
    answers = ComplexityRegions().answered_by()
    return panels_of(answers, Given(table, pd.DataFrame(), outputs), VOCABULARY)


class TestRegions:
    def test_four_maps_with_the_second_coordinate_upwards(self):
        panel, _ = region_panels(region_table(), of)
        images = [axes.images[0] for axes in panel.figure.axes if axes.images and axes.get_xlabel() == ""]
        maps = [image for image in images if image.get_array().shape == (GRID, GRID)]
        assert len(maps) == 4
        assert all(image.origin == "lower" for image in maps)
        assert all(tuple(image.get_extent()) == (-1, 1, -1, 1) for image in maps)
        np.testing.assert_array_equal(maps[2].get_array(), OUTPUTS["slice"]["lipschitz"])
        assert [image.get_array().mask.sum() for image in maps] == [0, 0, 0, 5]
        dots = panel.figure.axes[0].lines[0]
        assert dots.get_xdata().tolist() == [-0.9, 0.6]
        assert dots.get_ydata().tolist() == [0.9, -0.1]

    def test_the_numbers_have_the_coordinates_of_their_cells(self):
        panel, _ = region_panels(region_table(), of)
        data = panel.data.set_index("region")
        # Region 1 is the second cell of the first row: second from the left, lowest.
        assert data.loc[1, ["z1", "z2"]].tolist() == [-0.25, -0.75]
        assert data.loc[12, ["z1", "z2"]].tolist() == [-0.75, 0.75]
        np.testing.assert_allclose(data["lipschitz"], data.index / 10)
        # Regions with a training point come first, and have no bound.
        assert data["bound"].isna().tolist() == [True] * 5 + [False] * 11
        assert data.loc[7, "bound"] == 14

    def test_without_bounds_there_are_three_maps(self):
        (panel,) = region_panels(region_table(run_empty=None, feasible_share=np.nan), of)
        assert panel.data["bound"].isna().all()
        titles = [axes.get_title(loc="left") for axes in panel.figure.axes]
        assert [title for title in titles if title] == ["network output", "16 regions", "λ"]
        assert "Theorem 2" not in panel.caption

    def test_one_figure_a_setting_of_its_first_seed(self):
        table = pd.concat([region_table(seed=seed, frequency=f) for f in (0.5, 1.0) for seed in (3, 1)])
        found = region_panels(table, of)
        names = [panel.name for panel in found]
        assert names == ["regions-frequency0.5", "regions-frequency1.0", "bound"]
        assert all("seed 1" in panel.caption for panel in found[:2])

    def test_the_bound_stands_beside_the_truth_where_it_is_feasible_and_no_data_lie(self):
        *_, panel = region_panels(region_table(), of)
        assert panel.data["lipschitz"].tolist() == [5, 6, 7, 8, 9, 10, 11]
        assert (panel.data["bound"] == 2 * panel.data["lipschitz"]).all()
        assert "7 regions" in panel.caption

    def test_where_nothing_was_mapped_there_is_no_figure(self):
        assert region_panels(region_table().drop(columns="run_slice"), of) == []
        assert region_panels(region_table(regions=np.nan), of) == []

    def test_where_no_region_has_a_bound_the_map_is_white(self):
        none = {"bound": np.full((GRID, GRID), np.nan), "region_atoms": np.full(16, -1)}
        outputs = OUTPUTS | {"empty": OUTPUTS["empty"] | none}
        (panel,) = region_panels(region_table(), lambda digest, name: outputs[digest][name])
        assert panel.svg.startswith(b"<?xml")
        assert panel.data["bound"].isna().all()
        assert "white where it says nothing" in panel.caption
        assert "bound on λ" in [axes.get_title(loc="left") for axes in panel.figure.axes]
