"""`weightspace list KIND --format json`: keys are pinned; numbers are numbers, errors a field."""

import json
import re

import pytest

from weightspace.cli import main
from weightspace.cli.listing import KEYS

PINNED = {
    "experiments": ["name", "question", "figure", "presets"],
    "models": ["name", "data", "weights", "error", "what"],
    "data": ["name", "shape", "classes", "train", "test", "source", "on_disk", "error", "what"],
    "spaces": ["name", "formula", "what"],
    "bases": ["name", "columns", "what"],
    "probes": ["name", "what"],
    "metrics": ["name", "symbol", "unit", "better", "formula"],
    "optimisers": ["name"],
}


def listed(capsys, kind, *arguments):
    assert main(["list", kind, *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


@pytest.mark.parametrize("kind", PINNED)
def test_keys_are_stable(capsys, kind):
    """If this fails, programs of users break: add keys, never rename them."""
    rows = listed(capsys, kind)
    assert len(rows) >= 3
    for row in rows:
        assert list(row) == PINNED[kind]
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", key) for key in row)
        assert row["name"]
        assert "" not in row.values()
    assert set(KEYS) == set(PINNED)


def test_weights_are_numbers_and_errors_a_field(capsys):
    rows = {row["name"]: row for row in listed(capsys, "models")}
    assert (rows["fc"]["weights"], rows["fc"]["error"]) == (50_610, None)
    for row in rows.values():
        assert row["data"] == "digits"
        assert (row["weights"] is None) == (row["error"] is not None)
        assert isinstance(row["weights"], int | None)
    assert rows["conv4"]["weights"] is None
    assert "halves images" in rows["conv4"]["error"]


def test_weights_are_counted_on_the_data_asked_for(capsys):
    rows = {row["name"]: row for row in listed(capsys, "models", "--data", "cosine")}
    assert rows["fc"]["data"] == "cosine"
    assert rows["fc"]["weights"] == 10 * 300 + 300 + 300 * 100 + 100 + 100 + 1


def test_data_have_numbers_or_null(capsys):
    rows = {row["name"]: row for row in listed(capsys, "data")}
    digits, cosine = rows["digits"], rows["cosine"]
    assert (digits["shape"], digits["classes"], digits["train"], digits["on_disk"]) == (
        [8, 8, 1],
        10,
        1437,
        True,
    )
    assert (cosine["shape"], cosine["classes"]) == ([10], None)
    assert all(isinstance(row[key], int) for row in rows.values() for key in ("train", "test"))
    assert {row["error"] for row in rows.values()} == {None}


def test_presets_have_minutes_where_they_were_measured(capsys):
    presets = {row["name"]: row["presets"] for row in listed(capsys, "experiments")}
    (paper,) = (each for each in presets["complexity.sinusoid"] if each["name"] == "paper")
    note = "0.28 min on 2 cores (Intel Xeon, Python 3.11, jax 0.10.2, 2026-11)"
    assert paper == {"name": "paper", "minutes": 0.28, "note": note, "gpu": False}
    every = [preset for those in presets.values() for preset in those]
    assert all(list(preset) == ["name", "minutes", "note", "gpu"] for preset in every)
    assert all(isinstance(preset["minutes"], float | None) for preset in every)
    assert all((preset["minutes"] is None) == (preset["note"] is None) for preset in every)
    assert main(["list", "experiments"]) == 0
    assert "paper (0.28 min)" in capsys.readouterr().out


def test_tables_show_the_same(capsys):
    for kind, texts in (
        ("models", ("50,610", "halves images")),
        ("data", ("8×8×1", "scikit-learn")),
        ("experiments", ("smoke, quick (28 min", "paper (0.28 min)")),
    ):
        assert main(["list", kind]) == 0
        out = capsys.readouterr().out
        assert all(text in out for text in texts)


def test_wrong_data_is_one_line(capsys):
    assert main(["list", "models", "--data", "minst"]) == 2
    assert "did you mean 'mnist'" in capsys.readouterr().err


def test_presets_for_a_gpu_are_called_so(capsys):
    assert main(["list", "experiments", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    presets = {each["name"]: each["gpu"] for each in rows["symmetry.train"]["presets"]}
    assert [name for name, gpu in presets.items() if gpu] == ["paper", "paper-cifar10"]
    assert main(["list", "experiments"]) == 0
    assert "paper-cifar10 (for a GPU)" in capsys.readouterr().out.replace("\n", " ")
    with pytest.raises(SystemExit):
        main(["run", "symmetry.train", "--help"])
    assert "For a GPU" in capsys.readouterr().out
