"""One call for a network of one's own: what is shown, that it fits the minutes, and is trained once."""

import json
import re

import numpy as np
import pytest
from flax import nnx

import weightspace as ws
from weightspace.cli import main
from weightspace.errors import InputError
from weightspace.experiments.look import Look
from weightspace.first_look import SIZES, _by_question, named_data, named_model
from weightspace.models import zoo
from weightspace.spec import canonical_json
from weightspace.store.base import Store
from weightspace.sweeps.estimate import estimate
from weightspace.sweeps.plan import plan

QUICK = {"epochs": 2.0, "seeds": ("2",), "dims": (4, 64), "fractions": (0.2,), "dense_epochs": 1.0}


class Own(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(6, 12, rngs=rngs), nnx.Linear(12, 2, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


@pytest.fixture(scope="module")
def arrays():
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def looked(arrays, tmp_path_factory, cache_apart):
    out, said = tmp_path_factory.mktemp("look") / "out", []
    return out, said, ws.look(Own, arrays, out, minutes=60, say=said.append, **QUICK)


def test_it_shows_layers_training_and_what_is_enough(looked):
    _, said, found = looked
    assert dict(zip(found.layers["layer"], found.layers["weights"], strict=True)) == {
        "hidden/kernel": 72, "hidden/bias": 12, "out/kernel": 24, "out/bias": 2
    }  # fmt: skip
    (full,) = found.training.to_dict("records")
    runs = found.table[found.table["method"] == "full"]
    assert full["n"] == 2
    assert full["test_accuracy"] == pytest.approx(runs["test_accuracy"].mean())
    assert full["path_length"] >= full["distance"] > 0
    assert {*found.enough["method"]} == {"random", "ticket"}
    np.testing.assert_allclose(found.enough["full_accuracy"], full["test_accuracy"])
    # Slices of more than half of all 110 dimensions are left out.
    assert {*found.table.loc[found.table["method"] == "random", "dim"]} == {4}
    assert "Own" in found.page.read_text()
    (told,) = [text for text in said if "2 epochs, 2 seeds: " in text]
    # What each question costs, and all together.
    whole, *parts = [
        float(number) for number in re.findall(r"([\d.]+)(?: min|[,)])", told.partition("about ")[2])
    ]
    assert whole > 0
    assert re.search(r"\(training .*, degrees of freedom .*, tickets .*\)$", told)
    assert sum(parts) == pytest.approx(whole, abs=0.2)


def test_the_same_look_again_trains_nothing(looked, arrays):
    out, _, found = looked
    before = sorted(file.name for file in (out / "runs").iterdir())
    said = []
    again = ws.look(Own, arrays, out, minutes=1e-6, say=said.append, **QUICK)
    assert sorted(file.name for file in (out / "runs").iterdir()) == before
    assert again.enough.equals(found.enough)
    assert "0 runs to train, about 0.0 min" in said[0]


def test_what_does_not_fit_is_said_before_anything_is_trained(arrays, tmp_path):
    said = []
    with pytest.raises(
        InputError, match=r"least look at Own.* takes about .* minutes here.*give more minutes"
    ):
        ws.look(Own, arrays, tmp_path / "out", minutes=1e-6, say=said.append)
    assert len(said) == len(SIZES)
    assert not (tmp_path / "out").exists()


def test_another_network_of_that_name_is_not_mistaken_for_it(looked, arrays, tmp_path):
    def wider(rngs):
        return nnx.Linear(6, 2, rngs=rngs)

    wider.__name__ = "Own"
    found = ws.look(wider, arrays, tmp_path / "out", minutes=60, say=None, **QUICK)
    assert found.layers["weights"].sum() == 14


def test_names_that_mean_something_keep_their_meaning(arrays):
    """What was given as an object must not stand for the zoo's network or the package's data later on."""

    def conv2(rngs):
        return Own(rngs)

    assert named_model(conv2) == "own conv2"
    assert isinstance(zoo.make("conv2", (8, 8, 1), 10), type(zoo.make("conv2:channels=2,3", (8, 8, 1), 10)))
    mine = ws.make_data("digits", validation=200)
    called, settings = named_data(mine)
    assert (called, settings) == ("own digits", {"validation": 200})
    assert ws.make_data("digits").validation == 0
    # The same arrays in another object are the same data, and called so.
    x, y = arrays
    assert named_data((x, y)) == named_data((x.copy(), y.copy()))


def test_what_data_set_aside_is_set_aside(arrays, tmp_path):
    data = ws.Data(ws.from_arrays(*arrays), validation=60, noise=0.25)
    found = ws.look(Own, data, tmp_path / "out", minutes=60, say=None, **QUICK)
    assert "validation_accuracy" in found.table
    assert set(found.table["noise"].dropna()) == {0.25}
    task = ws.Task(ws.Data(ws.from_arrays(*arrays), validation=60, noise=0.25), ws.CrossEntropy())
    runs = {Store(tmp_path / "out").spec(run) for run in found.table["run"]}
    assert all(json.loads(text)["task"]["data"] == json.loads(canonical_json(task.data)) for text in runs)


def test_by_the_command_line(tmp_path, capsys, cache_apart):
    out = tmp_path / "out"
    asked = ["look", "--model", "fc:widths=8", "--out", str(out), "--epochs", "1", "--seeds", "1"]
    assert main([*asked, "--dry-run", "--minutes", "60"]) == 0
    printed = capsys.readouterr().out
    assert "610 weights" in printed
    assert "runs" in printed
    assert not out.exists()
    assert main(["look", "--minutes", "0"]) == 2
    assert "minutes is 0" in capsys.readouterr().err
    assert main(["look", "--time", "5"]) == 2
    assert "unknown flag --time" in capsys.readouterr().err


def test_a_folder_may_be_looked_at_where_the_network_is_not(looked, capsys, monkeypatch):
    out = looked[0]
    monkeypatch.setattr("weightspace.named._HANDED", {})
    assert main(["results", str(out), "--table", "enough"]) == 0
    assert "random" in capsys.readouterr().out


def test_each_question_costs_its_share_and_what_several_need_is_counted_once():
    """Together they are the estimate; the ticket's round of dense training is the ticket's."""
    experiment = Look(model="fc:widths=8", data="digits", **QUICK)
    planned = plan(experiment)
    found, whole = estimate(planned), _by_question(planned, estimate(planned).seconds)
    assert sum(whole.values()) == pytest.approx(found.minutes, rel=1e-9)
    assert sum(found.seconds) == pytest.approx(60 * found.minutes)
    assert all(value > 0 for value in whole.values())
    assert {*whole} == {row.labels["method"] for row in planned.rows}
