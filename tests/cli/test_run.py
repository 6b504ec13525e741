"""The command line as a user meets it: real runs, wrong words, bad folders."""

import subprocess
import sys

import numpy as np
import pytest

from weightspace.cli import main
from weightspace.store.read import results

SMALL = ["--model", "fc:widths=16", "--dims", "4", "--seeds", "2", "--epochs", "1"]


def run(capsys, *arguments):
    try:
        status = main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_run_prints_the_table_and_where_the_figures_are(capsys, tmp_path):
    status, out, _ = run(capsys, "run", "freedom.random", *SMALL, "--out", str(tmp_path), "--format", "png")
    assert status == 0
    assert "4 ok" in out
    assert "thresholds" in out
    assert len(results(tmp_path, "freedom.random")) == 4
    assert (tmp_path / "report" / "index.html").stat().st_size > 10_000
    assert list(tmp_path.glob("figures/freedom.random/**/*.png"))
    status, _, _ = run(capsys, "run", "freedom.random", *SMALL, "--out", str(tmp_path), "--format", "png")
    assert status == 0
    assert len(list((tmp_path / "provenance").glob("*.json"))) >= 2


def test_dry_run_computes_nothing(capsys, tmp_path):
    status, out, _ = run(capsys, "run", "freedom.burn-in", *SMALL, "--dry-run", "--out", str(tmp_path / "x"))
    assert status == 0
    assert "programs to compile" in out
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum"], "unknown command 'rum'; did you mean 'run'?"),
        (["run", "freedom.randon"], "did you mean 'freedom.random'?"),
        (["run", "freedom.random", "--model", "conv22"], "did you mean 'conv2'?"),
        (["run", "freedom.random", "--data", "digist"], "did you mean 'digits'?"),
        (["run", "freedom.random", "--dimz", "4"], "unknown flag --dimz; did you mean --dims?"),
        (["run", "freedom.random", "--preset", "papre"], "did you mean 'paper'?"),
        (["run", "freedom.random", "--optimiser", "adan"], "did you mean 'adam'?"),
        (["run", "freedom.random", "--dims", "0"], "dimension d is 0"),
        (
            ["run", "freedom.random", "--model", "fc:widths=16", "--dims", "999999"],
            "exceeds the model's D = 1210",
        ),
        (["run", "freedom.random", "--batch-size", "5000"], "batch size 5000 exceeds the 1437"),
        (["run", "freedom.random", "--epochs", "-1"], "epochs is -1"),
        (["run", "freedom.random", "--seeds", "a"], "seeds are"),
        (["run", "freedom.random", "--model", "nowhere:net"], "nowhere"),
        (["run", "freedom.random", "--noise", "1.5"], "label noise"),
        (["run", "freedom.random", "--engine", "rai"], "unknown engine"),
        (["list", "model"], "did you mean 'models'?"),
        (["status", "no/such/folder"], "not a results folder"),
    ],
)
def test_wrong_words_end_in_one_line_and_status_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_value_of_the_wrong_type_is_refused(capsys):
    status, _, _ = run(capsys, "run", "freedom.random", "--dims", "many")
    assert status == 2


def test_out_that_is_a_file(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    status, _, err = run(capsys, "run", "freedom.random", *SMALL, "--out", str(file))
    assert status == 2
    assert "is a file" in err
    assert file.read_text() == "mine"


def test_out_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, "run", "freedom.random", *SMALL, "--out", str(tmp_path / "file" / "sub"))
    assert status == 2
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.full((40, 4), np.nan, np.float32), np.zeros(40, int), "NaN|finite"),
        (np.ones((200, 4), np.float32), np.full(200, 0.5), "cross-entropy|whole|classes"),
    ],
)
def test_bad_data_is_refused_before_training(capsys, tmp_path, x, y, message):
    import re

    np.savez(tmp_path / "bad.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    arguments = ["--data", str(tmp_path / "bad.npz"), *SMALL, "--out", str(tmp_path / "out")]
    status, _, err = run(capsys, "run", "freedom.random", *arguments)
    assert status == 2
    assert re.search(message, err)
    assert len(err.strip().splitlines()) == 1


def test_every_list_has_lines(capsys):
    for kind in ("experiments", "models", "data", "spaces", "bases", "probes", "metrics", "optimisers"):
        status, out, _ = run(capsys, "list", kind, "--format", "json")
        assert status == 0
        assert len(out) > 20


def test_help_of_an_experiment_has_question_paper_and_fields(capsys):
    status, out, _ = run(capsys, "run", "freedom.burn-in", "--help")
    assert status == 0
    for text in ("--burn-in", "--dims", "Larsen", "@inproceedings", "Steps t of full-space training"):
        assert text in out


def test_a_failing_program_ends_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "weightspace", "run", "freedom.random", "--model", "conv22"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
