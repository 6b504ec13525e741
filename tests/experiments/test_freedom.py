"""The degrees-of-freedom experiments as a user runs them, small."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.experiments import experiment_class, names
from weightspace.experiments.answer import answers_of
from weightspace.experiments.freedom.burn_in import FreedomBurnIn
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import settings_of
from weightspace.node import Output
from weightspace.run import Run
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.estimate import estimate

SMALL = {"model": "fc:widths=16", "seeds": ("2",), "epochs": 2.0, "levels": (0.3, 0.5)}


def runs_of(experiment):
    return [(dict(row.labels), row.node) for row in next(experiment.ask())]


def test_one_seed_shares_everything_but_the_dimension():
    rows = [
        (labels, run) for labels, run in runs_of(FreedomRandom(dims=(2, 8), **SMALL)) if labels["seed"] == 1
    ]
    (small, large) = [run for labels, run in rows if labels["method"] == "random"]
    assert small.seeds == large.seeds
    assert small.recipe == large.recipe
    assert (small.space.basis.dim, large.space.basis.dim) == (2, 8)


def test_all_methods_have_the_axis_of_degrees_of_freedom():
    rows = runs_of(FreedomRandom(dims=(4,), **SMALL))
    size = 64 * 16 + 16 + 160 + 10
    assert {(r["method"], r["dim"], r["compression"]) for r, _ in rows} == {
        ("random", 4, size / 4), ("full", size, 1.0),
    }  # fmt: skip


def test_burn_in_is_a_run_of_its_own_of_exactly_t_steps():
    experiment = FreedomBurnIn(dims=(4,), burn_in=(0, 3, 9), reference=False, **SMALL)
    for labels, run in runs_of(experiment):
        offset = run.space.offset
        if labels["burn_in"] == 0:
            assert offset is None
        else:
            assert isinstance(offset, Output)
            assert isinstance(offset.of, Run)
            assert str(offset.of.recipe.length) == f"{labels['burn_in']}it"
            assert offset.of.seeds == run.seeds
    legacy = FreedomBurnIn(dims=(4,), burn_in=(0, 3), legacy_steps=True, reference=False, **SMALL)
    assert {str(r.space.offset.of.recipe.length) for _, r in runs_of(legacy) if r.space.offset} == {"4it"}


def test_no_result_depends_on_the_sweep(tmp_path):
    """The offset w_t and the result at d are the same whatever other d and t are swept."""
    small = FreedomBurnIn(dims=(4,), burn_in=(6,), reference=False, **SMALL)
    large = FreedomBurnIn(dims=(4, 8), burn_in=(0, 6, 12), reference=False, **SMALL)
    a, b = sweep(small, tmp_path / "a"), sweep(large, tmp_path / "b")
    merged = a.merge(b, on="run", suffixes=("", "_b"))
    assert len(merged) == len(a) == 2
    np.testing.assert_array_equal(merged["test_loss"], merged["test_loss_b"])


def test_zero_steps_of_training_are_the_offset(tmp_path):
    experiment = FreedomRandom(dims=(4,), lr=(0.0,), reference=False, probes=("distance",), **SMALL)
    table = sweep(experiment, tmp_path)
    np.testing.assert_array_equal(table["distance"], 0.0)


def test_the_answers_table(tmp_path):
    from weightspace.store.read import history

    experiment = FreedomRandom(dims=(2, 16, 128), **SMALL)
    table = sweep(experiment, tmp_path)
    found = experiment.analyse(table, history(tmp_path, experiment.name))["thresholds"]
    columns = {"metric", "level", "d_star", "d_star_low", "d_star_high", "local_angular_dimension", "n"}
    assert columns <= set(found.columns)
    size = 64 * 16 + 16 + 160 + 10
    known = found[np.isfinite(found["d_star"])]
    assert len(known)
    np.testing.assert_allclose(known["local_angular_dimension"], size - known["d_star"])
    for metric, rows in found.groupby("metric"):
        ordered = rows.sort_values("level", ascending=metric.endswith("accuracy"))["d_star"]
        assert ordered.is_monotonic_increasing


def test_label_noise_and_optimisers_are_arms(tmp_path):
    experiment = FreedomRandom(
        dims=(8,), noise=(0.0, 0.8), optimiser=("adam", "adam-legacy"), reference=False, **SMALL
    )
    table = sweep(experiment, tmp_path)
    assert len(table) == 8
    clean, noisy = (table[table["noise"] == n]["train_loss"].mean() for n in (0.0, 0.8))
    assert noisy > clean


def test_estimate_counts_runs_and_programs():
    cost = estimate(FreedomBurnIn(dims=(2, 4), burn_in=(0, 3, 9), **SMALL))
    assert cost.runs == 2 * (2 * 3 + 2 + 1)
    # d = 2 and 4, each with and without a given offset; full space with a snapshot and with evaluation.
    assert cost.programs == 6
    assert cost.minutes > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dims": (0,)}, "dimension d is 0"),
        ({"dims": ()}, "no dimension d"),
        ({"epochs": -1.0}, "epochs is -1"),
        ({"levels": (1.5,)}, "accuracy level is 1.5"),
        ({"failure": 1.0}, "failure is 1"),
        ({"basis": "gausian"}, "did you mean 'gaussian'"),
        ({"basis": "gaussian:density=0.1"}, "basis 'gaussian' has no options"),
    ],
)
def test_fields_that_make_no_sense(fields, message):
    with pytest.raises(InputError, match=message):
        FreedomRandom(**fields)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, (0, 1, 2)), (("3",), (0, 1, 2)), (("4", "9"), (4, 9)), (("100:103",), (100, 101, 102))],
)
def test_seeds_as_users_write_them(given, expected):
    assert parse_seeds(given) == expected


@pytest.mark.parametrize("given", [("x",), ("0",), ("1", "1"), ("-1", "2")])
def test_seeds_not_understood(given):
    with pytest.raises(InputError, match="seeds are"):
        parse_seeds(given)


@pytest.mark.real_data
@pytest.mark.slow
def test_accuracy_rises_with_the_dimension_on_real_mnist(tmp_path):
    from weightspace.data import make_data

    assert make_data("mnist").size == 60000
    experiment = FreedomRandom(
        model="fc:widths=32", data="mnist", dims=(8, 256), seeds=("1",), epochs=0.2, reference=False
    )
    table = sweep(experiment, tmp_path).sort_values("dim")
    assert table["test_accuracy"].is_monotonic_increasing
    assert table["test_accuracy"].iloc[-1] > 0.6


def test_rates_are_chosen_by_examples_set_aside_for_each_dimension(tmp_path):
    given = SMALL | {"lr": (0.0, 0.1, 0.3), "validation": 200, "tune": ("lr",), "dims": (4, 64)}
    experiment = FreedomRandom(**given)
    table = sweep(experiment, tmp_path)
    found = experiment.analyse(table, table.iloc[:0])
    rates = found["rates"].set_index("dim")["lr"]
    means = table.groupby(["dim", "lr"])["validation_accuracy"].mean()
    assert {dim: rates[dim] for dim in (4, 64)} == {dim: means[dim].idxmax() for dim in (4, 64)}
    assert found["thresholds"]["n"].eq(2).all()
    assert "lr" not in found["thresholds"]


TUNED = [name for name in names() if "tune" in settings_of(experiment_class(name))]


def test_every_count_of_degrees_of_freedom_can_be_tuned():
    assert len(TUNED) >= 7


@pytest.mark.parametrize("name", TUNED)
def test_nothing_is_tuned_by_test_examples_or_among_one(name):
    cls = experiment_class(name)
    swept = "lr" in settings_of(cls)
    for more, message in (
        ({"validation": 100} | ({"lr": (0.1,)} if swept else {}), "one alone; give several lr"),
        ({"lr": (0.1, 0.2)} if swept else {}, "no examples are set aside|one alone"),
        ({"tune": ("batch",)}, "tune"),
    ):
        with pytest.raises(InputError, match=message):
            cls(**{"tune": ("lr",)} | more)


@pytest.mark.parametrize("name", TUNED)
def test_what_counts_as_success_and_which_rate_hold_for_every_answer(name):
    """No answer that is told of a metric takes rows past the settings."""
    cls = experiment_class(name)
    if "lr" not in settings_of(cls):
        pytest.skip("it has no rates")
    plain = cls(lr=(0.1, 0.2), validation=100)
    tuned = cls(lr=(0.1, 0.2), validation=100, tune=("lr",), success="best")
    before, after = ({a.name: a.table for a in answers_of(each)} for each in (plain, tuned))
    same = {each for each in before if before[each] == after[each]}
    assert same <= {"spectrum", "spectra", "shared", "wells"}
