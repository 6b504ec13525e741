"""Flags of nested recipes: short names and paths, in either kind of help."""

import pytest

from tests.experiments.test_settings import One, Two
from weightspace.cli.flags import are_short, as_shown
from weightspace.cli.run import read
from weightspace.errors import InputError
from weightspace.experiments import experiment_class


@pytest.mark.parametrize("flag", ["--epochs", "--training.epochs"])
def test_a_recipe_s_setting_by_either_name(flag):
    for given in ([flag, "7"], [f"{flag}=7"]):
        experiment, options = read(One, [*given, "--widths", "4", "--out", "x"])
        assert experiment == One(epochs=7, widths=(4,))
        assert str(options.out) == "x"


def test_where_names_are_shared_paths_are_told_and_clear_short_ones_too():
    assert (are_short(One), are_short(Two)) == (True, False)
    experiment, _ = read(Two, ["--masks.epochs", "3", "--extra", "5", "--training.data", "cosine"])
    assert (experiment.masks.epochs, experiment.training.epochs, experiment.extra) == (3, 4, 5)
    with pytest.raises(InputError, match=r"say which: --training\.epochs or --masks\.epochs"):
        read(Two, ["--epochs", "3"])


def test_a_truth_value_is_turned_off_by_either_name():
    random = experiment_class("freedom.random")
    for flag in ("--no-reference", "--slices.no-reference"):
        assert read(random, [flag])[0].slices.reference is False
    assert as_shown(random, ["--slices.basis-seed=3", "--no-such"]) == ["--basis-seed=3", "--no-such"]


def test_a_misspelt_path_is_told_the_nearest():
    with pytest.raises(InputError, match=r"unknown flag --masks\.epoch; did you mean --masks\.epochs"):
        read(Two, ["--masks.epoch", "3"])
