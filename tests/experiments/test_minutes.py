"""Minutes of presets come from stored seconds, and hold for the settings that were asked."""

import dataclasses
import json

import pytest

from tests.figures.builders import fill, line
from weightspace.errors import InputError
from weightspace.experiments import experiment_class, minutes
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.minutes import lines, of_store, took, write
from weightspace.store.base import Store

RECORD = {
    "cpu": "A core", "started": "2026-11-28T01:02:03", "python": "3.11.7", "cpus": 2,
    "versions": {"jax": "0.10.2", "weightspace": "1.0"},
}  # fmt: skip


def folder(path, seconds=(61.0,), exit_status=0, **fields):
    """A folder that a preset's runs are in, which some commands have made."""
    store = Store(path / "out")
    experiment = FreedomRandom(**FreedomRandom.presets["smoke"] | fields)
    for seed, each in enumerate(seconds):
        name = store.save_provenance(RECORD | {"seed": seed})
        fill(store, experiment, [line(8, seed, 0.5)], f"c{seed}", provenance=name)
        if each is not None:
            store.close_provenance(name, seconds=each, exit_status=exit_status)
    return store


def test_a_preset_took_what_its_commands_took(tmp_path):
    (found,) = of_store(folder(tmp_path, seconds=(50.0, 22.0)))
    assert (found.experiment, found.preset, found.runs) == ("freedom.random", "smoke", 2)
    assert (found.training, found.command, found.minutes) == (4.0, 72.0, 1.2)
    assert found.note == "1.2 min on 2 cores (A core, Python 3.11.7, jax 0.10.2, weightspace 1.0, 2026-11-28)"


@pytest.mark.parametrize(("seconds", "exit_status"), [((50.0, None), 0), ((50.0, 22.0), 130)])
def test_of_commands_that_did_not_end_well_only_the_training_is_known(tmp_path, seconds, exit_status):
    (found,) = of_store(folder(tmp_path, seconds, exit_status))
    assert (found.command, found.minutes) == (None, 0.067)
    assert found.note.startswith("0.067 min of training alone on 2 cores")


def test_what_no_preset_asks_or_is_not_done_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"freedom\.random in the settings of no preset"):
        of_store(folder(tmp_path / "a", epochs=4.0))
    two = folder(tmp_path / "b")
    fill(two, FreedomRandom(epochs=4.0), [line(8, 5, 0.5)], "more", salt=1)
    with pytest.raises(InputError, match="answers 2 questions; measure a preset in its own folder"):
        of_store(two)
    for status in ("failed", "waiting"):
        part = folder(tmp_path / status)
        fill(part, FreedomRandom(**FreedomRandom.presets["smoke"]), [line(8, 5, None, status=status)], "more")
        with pytest.raises(InputError, match="has runs without a result"):
            of_store(part)


def test_lines_take_the_place_of_those_of_the_same_preset(tmp_path, monkeypatch):
    path, found = tmp_path / "minutes.json", of_store(folder(tmp_path))
    write(found, path)
    write([dataclasses.replace(found[0], command=120.0)], path)
    (line_,) = json.loads(path.read_text())
    assert line_["command"] == 120.0
    known = tuple(minutes.Took(**each) for each in json.loads(path.read_text()))
    monkeypatch.setattr(minutes, "lines", lambda: known)
    assert took(FreedomRandom, "smoke").minutes == 2.0
    assert took(FreedomRandom, "quick") is None
    monkeypatch.setitem(FreedomRandom.presets["smoke"], "epochs", 30.0)
    assert took(FreedomRandom, "smoke") is None


@pytest.mark.parametrize("known", lines(), ids=lambda each: f"{each.experiment}-{each.preset}")
def test_what_is_committed_is_of_the_presets_as_they_are(known):
    """If this fails, the preset asks for something else now: measure it, or take the line out."""
    assert took(experiment_class(known.experiment), known.preset) == known
