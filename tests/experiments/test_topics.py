"""What one wants to know, in one's own words, leads to the experiment that answers it."""

import json
from pathlib import Path

import pytest

from weightspace.cli import main
from weightspace.experiments import names
from weightspace.experiments.topics import TOPICS, about

QUESTIONS = {
    "how many parameters can I prune?": "tickets.iterative",
    "intrinsic dimension": "freedom.random",
    "are my networks robust to label noise": "subspaces.label-noise",
    "linear mode connectivity": "tickets.connectivity",
    "stochastic weight averaging": "subspaces.swa",
    "do networks memorise random labels": "complexity.corruption",
    "is the network calibrated": "subspaces.calibration",
    "permutation symmetries": "symmetry.count",
    "a picture of the loss landscape": "subspaces.planes",
    "sparse training with RigL": "sparsity.dynamic",
    "does dropout help": "complexity.dropout",
    "pruning at initialization": "tickets.at-init",
}


@pytest.mark.parametrize("text", QUESTIONS)
def test_words_of_ones_own_find_the_question(text):
    assert QUESTIONS[text] in about(text)[:3]


def test_every_experiment_has_topics_and_stands_in_the_document():
    assert {*TOPICS} == {*names()}
    text = (Path(__file__).parents[2] / "docs" / "questions.md").read_text()
    assert [name for name in names() if f"`{name}`" not in text] == []


def test_endings_and_spelling_do_not_matter():
    assert about("pruned")[0] == about("Prune")[0] == about("pruning?")[0]
    assert about("initialisation") == about("initialization")


def test_by_the_command_line(capsys):
    assert main(["list", "--about", "uncertainty", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert "subspaces.calibration" in [row["name"] for row in rows]
    assert len(rows) < len(names())
    assert main(["list", "experiments", "--about", "zebras"]) == 2
    assert "no experiment is about 'zebras'" in capsys.readouterr().err
    assert main(["list", "models", "--about", "pruning"]) == 2
    assert "--about looks for experiments" in capsys.readouterr().err
