"""The complexity experiments as a user runs them, small; their measures on made-up runs."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from tests.experiments.small import COMPLEXITY
from weightspace.errors import InputError
from weightspace.experiments.complexity.dropout import ComplexityDropout
from weightspace.experiments.complexity.images import ComplexityArchitectures, ComplexityCorruption
from weightspace.experiments.complexity.paths import WINDOWS
from weightspace.experiments.complexity.regions import ComplexityRegions
from weightspace.experiments.complexity.sinusoid import ComplexityBatchSize, ComplexitySinusoid
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.estimate import estimate
from weightspace.tables.base import Given
from weightspace.tables.correlations import against_test_loss, correlation, ordering, spearman
from weightspace.tables.history import FirstReached, final, reached
from weightspace.tables.parts import Gap, Parts

RNG = np.random.default_rng(0)


pytestmark = pytest.mark.usefixtures("cache_apart")


@pytest.fixture(scope="module")
def answers(smoke_of):
    """The answer to an experiment's smoke preset, made smaller; each is run once."""
    return lambda name: smoke_of(name, COMPLEXITY[name])[1]


@pytest.fixture
def answer(answers, request):
    return answers(request.param)


@pytest.mark.parametrize("answer", COMPLEXITY, indirect=True)
class TestEveryExperiment:
    def test_all_is_trained_and_averaged(self, answer):
        assert set(answer.table["status"]) == {"ok"}
        found = answer.experiment.summary(answer.measured)
        labels = [label for label in answer.experiment.by if label in answer.measured]
        settings = len(answer.measured[labels].drop_duplicates()) if labels else 1
        assert len(found) == settings
        assert set(labels) <= set(found)
        means = [name for name in answer.experiment.metrics if any(name in column for column in found)]
        missing = set(answer.experiment.metrics) - set(means)
        # Accuracies are of classes; the set's maximum takes a probe that not every question carries.
        assert missing <= {"test_accuracy", "lipschitz_max"}, missing

    def test_measures_are_one_number_a_run(self, answer):
        trained = answer.measured
        assert not trained.duplicated(["run"]).any()
        columns = {
            "train_loss_last10", "test_loss", "trajectory_last10", "trajectory_total_mean",
            "lipschitz_last10", "bias_variance_normalised_last10", "bias_distance", "steadiness",
        }  # fmt: skip
        assert columns <= set(trained)
        assert np.isfinite(trained[sorted(columns)].to_numpy(float)).all()
        # With an identity for the first matrix φ is λ, and the largest is no less than the mean.
        np.testing.assert_allclose(trained["trajectory_last10"], trained["lipschitz_last10"], rtol=1e-3)
        assert (trained["steadiness"] >= trained["trajectory_last10"]).all()


def test_the_theorem_s_bound_is_never_below_the_truth(answers):
    found = answers("complexity.regions").measured
    assert (found["feasible_share"] > 0).all()
    least = found["tightness_min"].dropna()
    assert len(least)
    assert (least >= 1 - 1e-6).all()
    assert (found["lipschitz_max_data"] <= found["lipschitz_max_slice"] * (1 + 1e-6)).all()
    assert (found["lipschitz_max_slice"] <= found["spectral_product"] * (1 + 1e-6)).all()
    assert (found["training_regions"] <= found["regions"]).all()
    assert found[["run_slice", "run_empty", "run_bounds"]].nunique().tolist() == [len(found)] * 3


def test_dropout_has_the_terms_of_its_bound(answers):
    found = answers("complexity.dropout").measured.set_index("dropout")
    terms = ["bound", "radius", "covering", "mu", "margin", "p_min", "lipschitz_steady"]
    assert np.isfinite(found.loc[0.5, terms].astype(float)).all()
    assert found.loc[0.0, terms].isna().all()
    for rate in (0.0, 0.5):
        gap = abs(found.loc[rate, "train_accuracy"] - found.loc[rate, "test_accuracy"])
        assert found.loc[rate, "gap"] == pytest.approx(gap)
    assert found.loc[0.5, "steadiness_bound"] == pytest.approx(found.loc[0.5, "phi_max"], rel=1e-5)


def test_batches_shorten_the_mean_gradient_s_path_by_cancellation(answers):
    found = answers("complexity.batch-size").measured.set_index("batch")
    assert found.loc[1, "phi_batch_last10"].isna().all()
    assert (found.loc[8, "phi_batch_last10"] < found.loc[8, "trajectory_last10"]).all()


def test_correlations_say_how_many_runs_were_compared(answers):
    answer = answers("complexity.generalisation")
    found = answer.analyses["correlations"]
    assert set(found["matched"]) == {"epoch", "loss"}
    runs = answer.measured["run"].nunique()
    assert (found["n_asked"] == runs).all()
    at_the_end = found[found["matched"] == "epoch"].set_index("measure")
    assert (at_the_end["n"] == runs).all()
    assert {"trajectory_mean", "lipschitz_mean", "sharpness", "path_length", "flip_rate"} <= set(
        at_the_end.index
    )
    reached = (answer.history.groupby("run")["train_loss"].min() <= 0.15).sum()
    at_the_level = found[(found["matched"] == "loss") & (found["measure"] == "train_loss")]
    assert at_the_level["n"].tolist() == [reached]


def test_a_grid_of_frequencies_rates_and_seeds_is_one_program():
    cost = estimate(ComplexitySinusoid(seeds=("4",), lr=(0.001, 0.002)))
    assert (cost.runs, cost.programs) == (4 * 4 * 2, 1)
    cost = estimate(ComplexitySinusoid(seeds=("2",), examples=(50, 100)))
    assert (cost.runs, cost.programs) == (16, 2)


def test_the_recipe_is_the_paper_s():
    rows = next(ComplexitySinusoid(**ComplexitySinusoid.presets["paper"]).ask())
    assert len(rows) == 40
    run = rows[0].node
    assert (run.model.name, run.task.data.size, run.task.data.test_size) == ("mlp", 100, 30)
    assert (str(run.recipe.length), run.recipe.batch, run.recipe.optimiser.lr) == ("3000ep", 1, 0.001)
    assert run.task.loss.factor == 0.5
    regions = next(ComplexityRegions().ask())[0].node
    assert (regions.model.name, regions.task.data.size, str(regions.recipe.length)) == ("mlp2", 200, "1000ep")


class TestCorruption:
    RATES = (0.0, 0.2, 0.4, 0.6)

    @pytest.fixture(scope="class")
    @classmethod
    def labels(cls):
        """For each rate and seed: the true labels and those of the run."""
        experiment = ComplexityCorruption(
            data="digits:classes=3,8", model=("mlp:widths=8",), corruptions=cls.RATES, seeds=("2",)
        )
        found = {}
        for labels, run in experiment.training.runs():
            arrays = run.task.data.arrays()
            made = run.task.data.labels(arrays, run.seeds)
            found[labels["corruption"], run.seeds.base] = np.asarray(arrays.train.y), np.asarray(made)
        return found

    def test_half_of_the_replaced_labels_change_in_both_classes(self, labels):
        for (rate, _), (true, made) in labels.items():
            for number in (0, 1):
                mine = true == number
                changed, n, p = (made[mine] != number).sum(), mine.sum(), rate / 2
                assert abs(changed - n * p) <= 4 * np.sqrt(n * p * (1 - p))

    def test_a_higher_rate_keeps_what_a_lower_one_changed(self, labels):
        true = labels[0.0, 0][0]
        sets = [set(np.flatnonzero(labels[rate, 0][1] != true)) for rate in self.RATES]
        assert not sets[0]
        assert sets[0] < sets[1] < sets[2] < sets[3]

    def test_all_runs_have_the_same_false_labels(self, labels):
        for rate in self.RATES:
            assert np.array_equal(labels[rate, 0][1], labels[rate, 1][1])

    def test_another_seed_of_the_noise_gives_others(self):
        pair = {
            "data": "digits:classes=3,8",
            "model": ("mlp:widths=8",),
            "corruptions": (0.6,),
            "seeds": ("1",),
        }
        (_, one), (_, other) = (
            next(ComplexityCorruption(**pair, **seed).training.runs()) for seed in ({}, {"noise_seed": 1})
        )
        first, second = (run.task.data.labels(run.task.data.arrays(), run.seeds) for run in (one, other))
        assert not np.array_equal(first, second)

    def test_clean_runs_have_no_noise_at_all(self):
        clean = ComplexityArchitectures(**ComplexityArchitectures.presets["smoke"])
        for labels, run in clean.training.runs():
            assert run.task.data.noise is None
            assert "corruption" not in labels


def test_probes_beside_another_question_change_no_result(tmp_path):
    """Trajectory and the bias's motion of runs in random subspaces."""
    small = FreedomRandom(
        dims=(4,), model="fc:widths=8", seeds=("1",), epochs=2.0, reference=False, levels=(0.5,)
    )
    watched = dataclasses.replace(small, probes=("bias-path", "bias-distance", "bias-variance:layer=1"))
    bare, more = sweep(small, tmp_path / "bare"), sweep(watched, tmp_path / "more")
    merged = bare.merge(more, on="run", suffixes=("", "_more"))
    assert len(merged) == len(bare) == 1
    for name in ("train_loss", "test_loss", "test_accuracy"):
        np.testing.assert_allclose(merged[name], merged[f"{name}_more"], rtol=1e-6)
    new = {"trajectory_mean", "trajectory_total", "phi_max", "bias_distance", "layer1_bias_variance"}
    assert not new & set(bare)
    assert np.isfinite(more[sorted(new)].to_numpy(float)).all()
    assert (more["bias_distance"] > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ComplexitySinusoid(frequencies=(0.5, 0.0)), "frequency is 0"),
        (lambda: ComplexitySinusoid(frequencies=(-1.0,)), "frequency is -1"),
        (lambda: ComplexitySinusoid(frequencies=()), "no frequency to sweep"),
        (lambda: ComplexitySinusoid(examples=(3,)), "examples is 3"),
        (lambda: ComplexitySinusoid(model=()), "no model to sweep"),
        (lambda: ComplexitySinusoid(epochs=0.0), "epochs is 0"),
        (lambda: ComplexitySinusoid(decay=-5.0), "decay is -5"),
        (lambda: ComplexitySinusoid(lr=(-0.1,)), "lr is -0.1"),
        (lambda: ComplexitySinusoid(loss="mse"), "unknown loss 'mse'; did you mean 'mse/2'"),
        (lambda: ComplexityBatchSize(examples=(20,)), "a batch has 32 examples, but there are 20"),
        (lambda: ComplexityBatchSize(batch_size=(0,)), "batch size is 0"),
        (lambda: ComplexityCorruption(corruptions=(0.2, 1.2)), "corruption is 1.2"),
        (lambda: ComplexityCorruption(corruptions=(-0.2,)), "corruption is -0.2"),
        (lambda: ComplexityRegions(grid=1), "grid is 1"),
        (lambda: ComplexityDropout(dropouts=(1.0,)), "dropout is 1"),
        (lambda: ComplexityDropout(dropout_in="back"), "unknown dropout_in 'back'"),
        (lambda: ComplexityDropout(delta=0.0), "delta is 0"),
        (lambda: ComplexityDropout(model=("conv2",)), "trains mlp and mlp2, not conv2"),
        (
            lambda: next(ComplexitySinusoid(probes=("bias-path:depth=2",)).ask()),
            "probe bias-path has no option 'depth'",
        ),
    ],
)
def test_fields_that_make_no_sense(make, message):
    with pytest.raises(InputError, match=message):
        make()


ONE_SEED = {"model": ("mlp:widths=4",), "seeds": ("1",)}
REFUSED = {
    "a large batch": (
        {"data": "digits:classes=3,8,train_each=10", "batch_size": (64,)},
        "batch size 64 exceeds the 20 training examples",
    ),
    "batch normalisation": (
        {"data": "digits:classes=3,8", "model": ("resnet20:widths=3,blocks=1",)},
        "use a model without batch normalisation",
    ),
    "three classes": ({"data": "digits:classes=3,5,8"}, "bce needs two classes"),
    "ten classes": ({"data": "digits", "loss": "mse/2"}, "mse needs real targets"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_runs_that_make_no_sense_are_refused_before_training(fields, message, tmp_path):
    with pytest.raises(InputError, match=message):
        sweep(ComplexityCorruption(**ONE_SEED | fields), tmp_path)
    assert not list((tmp_path / "runs").iterdir())


def history_of(**columns):
    """Made-up readings: one row a run and step, from lists over the steps for each run."""
    (first, *_) = columns.values()
    steps = {run: range(0, 10 * len(values), 10) for run, values in first.items()}
    rows = [
        {"run": run, "step": step} | {name: each[run][place] for name, each in columns.items()}
        for run in first
        for place, step in enumerate(steps[run])
    ]
    return pd.DataFrame(rows)


def measured(table, history):
    return WINDOWS.of(Given(table, history))


NO_HISTORY = pd.DataFrame({"run": [], "step": []})
TABLE = pd.DataFrame({"run": ["a", "b"], "seed": [0, 1]})
RISING = {"a": list(range(15)), "b": [100.0 - i for i in range(15)]}


class TestMeasures:
    def test_means_and_maxima_are_over_the_last_ten_readings(self):
        history = history_of(trajectory_mean=RISING, phi_max=RISING, train_loss=RISING)
        found = measured(TABLE, history.sample(frac=1, random_state=0)).set_index("run")
        assert found["trajectory_last10"].to_dict() == {"a": 9.5, "b": 90.5}
        assert found["train_loss_last10"].to_dict() == {"a": 9.5, "b": 90.5}
        assert found["steadiness"].to_dict() == {"a": 14.0, "b": 95.0}
        assert "lipschitz_last10" not in found

    def test_fewer_readings_are_all_taken_and_the_first_window_is_empty(self):
        """At step 0 nothing was measured yet: NaN counts for nothing."""
        history = history_of(bias_variance={"a": [math.nan, 1.0, 3.0], "b": [math.nan, math.nan, 8.0]})
        found = measured(TABLE, history)
        assert found["bias_variance_last10"].tolist() == [2.0, 8.0]

    def test_the_start_belongs_to_no_window(self):
        history = history_of(train_loss={"a": [100.0, 1.0, 3.0], "b": [100.0, 4.0, 4.0]})
        assert measured(TABLE, history)["train_loss_last10"].tolist() == [2.0, 4.0]

    def test_runs_are_measured_before_they_are_averaged(self):
        """Two runs whose readings cancel: the path of the mean run has no length, the mean path has."""
        history = history_of(trajectory_mean={"a": [1.0, -1.0] * 5, "b": [-1.0, 1.0] * 5}, phi_max={
            "a": [0.0, 5.0, *[0.0] * 8], "b": [*[0.0] * 9, 7.0],
        })  # fmt: skip
        found = measured(TABLE, history)
        assert found["steadiness"].mean() == 6
        assert history.groupby("step")["phi_max"].mean().max() == 3.5

    def test_without_a_history_the_table_is_as_it_was(self):
        pd.testing.assert_frame_equal(measured(TABLE, NO_HISTORY), TABLE)
        first = FirstReached("epochs", 0.5).of(Given(TABLE, NO_HISTORY))
        pd.testing.assert_frame_equal(first, TABLE)

    def test_a_level_is_reached_at_the_first_reading_that_is_not_above_it(self):
        history = history_of(
            train_loss={"a": [1.0, 0.5, 0.1, 0.5], "b": [1.0, 0.9, 0.8, 0.7]},
            test_loss={"a": [1.0, 2.0, 3.0, 4.0], "b": [5.0, 6.0, 7.0, 8.0]},
        )
        at = reached(history.iloc[::-1], 0.5)
        assert at[["run", "step", "test_loss"]].to_numpy().tolist() == [["a", 10, 2.0]]
        assert final(history.iloc[::-1])["test_loss"].tolist() == [4.0, 8.0]
        epochs = FirstReached("epochs_to_level", 0.5, unit=5).of(Given(TABLE, history))["epochs_to_level"]
        assert epochs[0] == 2
        assert math.isnan(epochs[1])

    def test_a_reading_that_lacks_a_value_does_not_borrow_it_from_a_later_one(self):
        history = history_of(
            train_loss={"a": [1.0, 0.1, 0.05], "b": [1.0, 1.0, 1.0]},
            sharpness={"a": [1.0, math.nan, 3.0], "b": [1.0, 2.0, math.nan]},
        )
        assert reached(history, 0.5)["sharpness"].isna().tolist() == [True]
        assert final(history)["sharpness"].isna().tolist() == [False, True]

    def test_derived_values_stand_beside_their_training(self):
        table = pd.DataFrame([
            {"run": f"{part}{seed}{f}", "part": part, "seed": seed, "frequency": f, "status": "ok"}
            | ({"test_loss": seed + f} if part == "training" else {"regions": 10 * seed + f})
            for part in ("training", "slice") for seed in (0, 1) for f in (1, 2)
        ])  # fmt: skip
        parts = Parts("training", ("slice", "empty"), ("frequency", "rate", "seed"))
        found = parts.of(Given(table, NO_HISTORY))
        assert found["run"].tolist() == ["training01", "training02", "training11", "training12"]
        assert found["regions"].tolist() == [1, 2, 11, 12]
        assert found["run_slice"].tolist() == ["slice01", "slice02", "slice11", "slice12"]
        assert found["test_loss"].tolist() == [1, 2, 2, 3]
        assert "run_empty" not in found
        pd.testing.assert_frame_equal(parts.of(Given(TABLE, NO_HISTORY)), TABLE)

    def test_a_gap_is_the_distance_of_two_columns(self):
        table = TABLE.assign(a=[1.0, 2.0], b=[3.0, math.nan])
        assert Gap("gap", "a", "b").of(Given(table, NO_HISTORY))["gap"].tolist()[0] == 2
        assert "gap" not in Gap("gap", "a", "c").of(Given(table, NO_HISTORY))


class TestCorrelation:
    def test_monotone_pairs(self):
        a = np.sort(RNG.normal(size=30))
        assert spearman(a, np.exp(a)) == pytest.approx(1)
        assert spearman(a, -(a**3)) == pytest.approx(-1)
        rho, low, high, n = correlation(a, np.exp(a))
        assert (rho, n) == (pytest.approx(1), 30)
        assert low == pytest.approx(1)
        assert high == pytest.approx(1)

    def test_the_interval_encloses_and_narrows(self):
        widths = []
        for n in (15, 500):
            a = RNG.normal(size=n)
            rho, low, high, _ = correlation(a, a + RNG.normal(size=n))
            assert low < rho < high
            widths.append(high - low)
        assert widths[1] < widths[0] / 2

    def test_redrawing_whole_groups_widens_it(self):
        """Ten copies of six settings say no more than six runs."""
        a, b = RNG.normal(size=6), RNG.normal(size=6)
        wide = [np.repeat(side, 10) for side in (a, b)]
        groups = np.repeat(np.arange(6), 10)
        alone = correlation(*wide)
        grouped = correlation(*wide, groups=groups)
        assert grouped[0] == alone[0]
        assert grouped[2] - grouped[1] > 1.5 * (alone[2] - alone[1])

    def test_pairs_without_a_value_are_left_out(self):
        a = np.array([1.0, 2, 3, 4, np.nan, 6])
        b = np.array([1.0, 2, 3, np.inf, 5, 6])
        assert correlation(a, b)[0] == pytest.approx(1)
        assert correlation(a, b)[3] == 4

    @pytest.mark.parametrize("pairs", [([], []), ([1.0, 2.0], [1.0, 2.0]), ([1.0, 1, 1], [1.0, 2, 3])])
    def test_too_little_has_no_correlation(self, pairs):
        a, b = (np.array(side) for side in pairs)
        assert np.isnan(correlation(a, b)[:3]).all()

    def test_intervals_repeat(self):
        a, b = RNG.normal(size=20), RNG.normal(size=20)
        assert correlation(a, b) == correlation(a, b)
        assert correlation(a, b, seed=1)[1:3] != correlation(a, b)[1:3]

    def test_ordering_is_by_swept_numbers_and_by_the_test_loss(self):
        f = np.repeat([0.25, 0.5, 1.0], 4)
        table = pd.DataFrame({
            "run": [str(i) for i in range(12)], "status": "ok", "frequency": f, "examples": 100,
            "architecture": "mlp", "trajectory_last10": f + 0.001 * np.arange(12), "bias_distance": -f,
            "test_loss": np.arange(12.0),
        })  # fmt: skip
        table.loc[12] = ["12", "diverged", 1.0, 100, "mlp", -100.0, 100.0, -100.0]
        by = ("frequency", "corruption", "examples", "architecture")
        found = ordering(table, by).set_index(["measure", "against"])
        # What does not vary, or is no number, orders nothing; diverged runs do not count.
        assert set(found.index) == {
            (m, a) for m in ("trajectory_last10", "bias_distance") for a in ("frequency", "test_loss")
        }
        assert (found["n"] == 12).all()
        assert found.loc[("trajectory_last10", "test_loss"), "spearman"] == pytest.approx(1)
        assert found.loc[("bias_distance", "frequency"), "spearman"] == pytest.approx(-1)
        assert found.loc[("trajectory_last10", "test_loss"), "spearman_low"] == pytest.approx(1)

    def test_against_the_test_loss_settings_are_redrawn_together(self):
        f = np.repeat([0.25, 0.5, 0.75, 1.0], 5)
        table = pd.DataFrame({"run": [f"r{i}" for i in range(20)], "frequency": f})
        readings = pd.DataFrame({
            "run": table["run"], "test_loss": f + 0.01 * RNG.normal(size=20), "trajectory_mean": f,
            "sharpness": -f, "alive": np.nan,
        }).iloc[:18]  # fmt: skip
        found = against_test_loss(table, readings, ("frequency", "rate")).set_index("measure")
        assert set(found.index) == {"trajectory_mean", "sharpness"}
        assert (found["n"] == 18).all()
        assert found.loc["trajectory_mean", "spearman"] == pytest.approx(-found.loc["sharpness", "spearman"])
        assert found.loc["trajectory_mean", "spearman"] > 0.9
        assert found.loc["sharpness", "spearman_high"] < 0
