"""Tickets at the command line: wrong words, layers pruned to nothing, a study resumed with other settings."""

import re

import pytest

from weightspace.cli import main
from weightspace.experiments.answered import Answered
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.sweeps.ask import Driver

pytestmark = pytest.mark.usefixtures("cache_apart")
SMALL = [
    "run", "tickets.iterative", "--preset", "smoke", "--model", "fc:widths=8", "--seeds", "1", "--epochs",
    "1", "--rounds", "2", "--criteria", "large_final", "--format", "svg", "--yes",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """Drawing takes longer than these runs."""
    monkeypatch.setattr(Answered, "panels", [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dense-rate", "1.0"], r"pruning rate 'dense' is 1.0, but must lie in \[0, 1\)"),
        (["--criteria", "large_finl"], "unknown criterion 'large_finl'; did you mean 'large_final'"),
        (["--kept", "rewnd"], "did you mean 'rewind'"),
        (["--score-at", "fifty%"], "score_at is 'fifty%'; write an accuracy as in 50%"),
        (["--rewind", "1000it"], r"step of rewind '1000it' is 1000, but must lie in .* The dense run has"),
        (["--optimiser", "adamw"], "weight_decay is 0; give a rate, or use adam"),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, list) else "",
)
def test_wrong_words_end_in_one_line(arguments, message, tmp_path, capfd):
    assert main([*SMALL, *arguments, "--out", str(tmp_path / "out")]) == 2
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert re.search(message, line), line
    assert "Traceback" not in out
    assert not list((tmp_path / "out").glob("runs/*"))


def test_a_layer_pruned_to_nothing_ends_its_arm_and_no_other(tmp_path, capfd):
    """Of 80 weights of the output layer a hundredth is left, and then none."""
    arguments = [*SMALL, "--kept", "rewind", "reinit", "--output-rate", "0.99", "--out", str(tmp_path)]
    assert main(arguments) == 1
    shown = "".join(capfd.readouterr())
    assert "output/kernel" in shown
    assert "Traceback" not in shown
    table = results(tmp_path)
    assert table.groupby("round")["status"].agg(set).to_dict() == {0: {"ok"}, 1: {"ok"}, 2: {"blocked"}}


def test_a_study_resumed_with_other_settings_keeps_what_it_has(tmp_path, capfd, monkeypatch):
    assert main([*SMALL, "--out", str(tmp_path)]) == 0
    first = results(tmp_path).set_index("run")["test_accuracy"]
    assert main([*SMALL, "--output-rate", "0.5", "--out", str(tmp_path)]) == 0
    both = results(tmp_path).drop_duplicates("run").set_index("run")["test_accuracy"]
    # The dense run serves both; the others' masks are of another rate.
    assert len(both) == len(first) + 2
    assert both.loc[first.index].tolist() == first.tolist()
    assert len(Store(tmp_path).questions("tickets.iterative")) == 2
    monkeypatch.setattr(Driver, "_train", lambda *_: pytest.fail("something was trained again"))
    assert main([*SMALL, "--out", str(tmp_path)]) == 0
    capfd.readouterr()
