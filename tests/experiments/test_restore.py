import json

import pytest

from weightspace.experiments import experiment_class, names
from weightspace.experiments.freedom.burn_in import FreedomBurnIn
from weightspace.experiments.restore import RestoreWarning, Runs, restored


@pytest.mark.parametrize(
    ("name", "preset"), [(name, preset) for name in names() for preset in experiment_class(name).presets]
)
def test_what_was_recorded_is_the_experiment_again(name, preset):
    experiment = experiment_class(name)(**experiment_class(name).presets[preset])
    again = restored(name, json.loads(json.dumps(experiment.fields())))
    assert again == experiment
    assert type(again) is type(experiment)


def test_settings_added_since_take_their_defaults():
    assert restored("freedom.burn-in", {"dims": [8]}) == FreedomBurnIn(dims=(8,))


def test_removed_settings_are_named_and_passed_over():
    with pytest.warns(RestoreWarning, match="freedom.burn-in was asked with colour, sound"):
        assert restored("freedom.burn-in", {"sound": 1, "colour": 2, "burn_in": [4]}) == FreedomBurnIn(
            burn_in=(4,)
        )


def test_values_that_are_not_allowed_any_more_make_plain_runs():
    with pytest.warns(RestoreWarning, match="unknown basis 'wooden'"):
        assert restored("freedom.random", {"basis": "wooden"}) == Runs()


def test_what_is_no_experiment_is_plain_runs():
    assert restored("runs", {}) == Runs()
    assert next(restored("of.a-newer-version", {"dims": [1]}).ask()) == []
