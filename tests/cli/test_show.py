import io
import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from tests.figures.builders import fill, line, plain_lines, random_experiment
from weightspace.cli import main
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.rows import RunRow
from weightspace.store.schema import digest_of

WEIGHTS = {"fc": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3, np.float32)}}


@pytest.fixture
def out(tmp_path):
    store = Store(tmp_path / "out")
    failed = [line(4, 2, None, status="failed", error="out of memory"), line(16, 2, None, status="waiting")]
    fill(store, random_experiment(), plain_lines() + failed)
    return store.root


@pytest.fixture
def kept(tmp_path):
    """A store of three runs: one with its weights, one with two outputs, one with none."""
    store = Store(tmp_path / "kept")
    outputs = [("snapshot(end).weights", "snapshot(end).coordinates"), ("a.mask", "b.mask"), ()]
    digests = []
    for number, keys in enumerate(outputs):
        text = json.dumps({"number": number})
        digests.append(digest_of(text))
        arrays = {}
        for key in keys:
            value = WEIGHTS if key.endswith("weights") else np.arange(4) > 1
            arrays |= to_tensors(digests[-1], key, value)
        row = RunRow(digest=digests[-1], spec=text, status="ok", outputs=keys)
        store.write_cohort(f"c{number}", [row], {}, arrays)
    return store.root, digests


def run(capsys, *arguments):
    """Status, output and error text of a command."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_status_counts_runs(out, capsys):
    code, text, _ = run(capsys, "status", out)
    assert code == 0
    assert "freedom.random" in text
    for expected in ("runs 8", "ok 6", "failed 1", "waiting 1"):
        name, count = expected.split()
        assert name in text
        assert count in text


def test_results_in_every_format(out, capsys, tmp_path):
    _, text, _ = run(capsys, "results", out, "--format", "csv")
    table = pd.read_csv(io.StringIO(text))
    assert len(table) == 8
    assert table["status"].value_counts().to_dict() == {"ok": 6, "failed": 1, "waiting": 1}
    _, text, _ = run(capsys, "results", out, "--format", "json")
    lines = json.loads(text)
    assert [each["test_accuracy"] for each in lines] == pytest.approx(
        [0.9, 0.9, 0.2, 0.8, 0.2, 0.8, None, None]
    )
    file = tmp_path / "runs.parquet"
    assert run(capsys, "results", out, "--format", "parquet", "--to", file) == (0, "", "")
    pd.testing.assert_frame_equal(
        pd.read_parquet(file)[["run", "dim"]], table[["run", "dim"]], check_dtype=False
    )
    _, text, _ = run(capsys, "results", out, "--format", "latex", "--table", "summary")
    assert r"test\_accuracy" in text
    assert "0.8 ± 0" in text
    _, text, _ = run(capsys, "results", out)
    assert "0.8" in text
    assert "in all lines: experiment freedom.random" in text


def test_results_by_table(out, capsys):
    _, text, _ = run(capsys, "results", out, "--table", "summary", "--format", "csv")
    summary = pd.read_csv(io.StringIO(text)).set_index("dim")
    assert summary.loc[16, ["test_accuracy", "test_accuracy_sd", "n"]].tolist() == pytest.approx([0.8, 0, 2])
    _, text, _ = run(capsys, "results", out, "--table", "thresholds", "--format", "json")
    lines = {each["metric"]: each for each in json.loads(text)}
    # Half way between 0.2 at d = 4 and 0.8 at d = 16.
    assert lines["test_accuracy"]["d_star"] == pytest.approx(8)
    assert lines["test_accuracy"]["local_angular_dimension"] == pytest.approx(2040)
    assert lines["test_accuracy"]["model"] == "conv2"


def test_parts_that_differ_in_a_setting_stand_apart_in_a_summary(out, capsys):
    fill(Store(out), random_experiment(epochs=9.0), [line(4, 0, 0.3)], "more", salt=1)
    _, text, _ = run(capsys, "results", out, "--table", "summary", "--format", "csv")
    summary = pd.read_csv(io.StringIO(text))
    assert summary.loc[summary["dim"] == 4].set_index("epochs")["test_accuracy"].to_dict() == {
        3.0: 0.2,
        9.0: 0.3,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results", "OUT", "--experiment", "freedom.rando"], "did you mean 'freedom.random'?"),
        (["results", "OUT", "--table", "threshold"], "did you mean 'thresholds'?"),
        (["results", "OUT", "--formt", "csv"], "did you mean --format?"),
        (["results", "OUT", "--to", "x.csv"], "give --format csv"),
        (["figures", "OUT", "--format", "gif"], "unknown figure format 'gif'"),
        (["figures", "OUT", "--experiment", "runs"], "unknown experiment 'runs'"),
        (["status", "OUT/none"], "does not exist"),
        (["report", "OUT/runs"], "is not a results folder"),
        (["export", "OUT", "zzz"], "has no run 'zzz'"),
    ],
)
def test_errors_are_one_line_and_status_two(out, capsys, arguments, message):
    code, text, error = run(capsys, *(argument.replace("OUT", str(out)) for argument in arguments))
    assert (code, text) == (2, "")
    assert message in error
    assert error.startswith("weightspace: ")
    assert error.count("\n") == 1


def test_figures_prints_what_it_drew(out, capsys):
    code, text, _ = run(capsys, "figures", out, "--format", "svg", "--experiment", "freedom.random")
    assert code == 0
    files = text.split()
    assert len(files) == 4
    assert all(file.endswith(".svg") and (out / file).exists() for file in files)


def test_report_prints_the_page(out, capsys):
    code, text, _ = run(capsys, "report", out)
    assert (code, text.strip()) == (0, str(out / "report" / "index.html"))
    assert "out of memory" in (out / "report" / "index.html").read_text()


def test_compare_says_what_there_is_to_compare_with(out, capsys):
    code, text, _ = run(capsys, "compare", out)
    assert code == 0
    assert "no result" in text
    assert "weightspace run freedom.random --preset paper" in text
    experiment = random_experiment(data="mnist", epochs=5.0, optimiser=("adam-legacy",))
    fill(Store(out), experiment, [line(8, 0, 0.25, optimiser="adam-legacy")], "mnist")
    _, text, _ = run(capsys, "compare", out)
    assert "0.25 (n = 1)" in text
    assert "parsed from its logs" in text
    _, text, _ = run(capsys, "compare", out, "--format", "csv")
    assert pd.read_csv(io.StringIO(text))["difference"].tolist() == pytest.approx([0.018, 0.089])


def test_export_writes_the_weights_by_path(kept, capsys, tmp_path):
    root, digests = kept
    code, text, _ = run(capsys, "export", root, digests[0][:8])
    assert code == 0
    arrays = load_file(text.strip())
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "fc/kernel": [[0, 1, 2], [3, 4, 5]],
        "fc/bias": [0, 0, 0],
    }
    file = tmp_path / "mask.safetensors"
    run(capsys, "export", root, digests[1], "--output", "b.mask", "--to", file)
    assert load_file(file)["mask"].tolist() == [False, False, True, True]


def test_export_says_what_was_kept(kept, capsys):
    root, digests = kept
    code, _, error = run(capsys, "export", root, digests[1])
    assert code == 2
    assert "choose by --output: a.mask, b.mask" in error
    code, _, error = run(capsys, "export", root, digests[1], "--output", "c.mask")
    assert code == 2
    assert "Known: a.mask, b.mask" in error
    code, _, error = run(capsys, "export", root, digests[2])
    assert code == 2
    assert "kept no outputs" in error


def test_export_needs_enough_of_a_digest(kept, capsys):
    root, _ = kept
    code, _, error = run(capsys, "export", root, "")
    assert code == 2
    assert "export writes the arrays of one run, and none is named" in error
    store = Store(root)
    for number in range(3, 40):
        text = json.dumps({"number": number})
        store.write_cohort(f"n{number}", [RunRow(digest=digest_of(text), spec=text, status="ok")], {}, {})
    first = next(digest[0] for digest in store.records())
    several = [digest for digest in store.records() if digest.startswith(first)]
    assert len(several) > 1
    code, _, error = run(capsys, "export", root, first)
    assert code == 2
    assert f"{len(several)} runs begin with '{first}'" in error


def test_compact_and_clean(kept, capsys):
    root, digests = kept
    assert run(capsys, "compact", root)[1] == "3 files of rows became 1\n"
    run(capsys, "clean", root, "--keep", "*weights")
    store = Store(root)
    assert store.record(digests[0]).outputs == {"snapshot(end).weights"}
    assert not store.record(digests[1]).outputs
    code, text, _ = run(capsys, "clean", root)
    assert code == 0
    assert "MB freed" in text
    assert not store.record(digests[0]).outputs


@pytest.mark.parametrize(
    "command", ["status", "results", "figures", "report", "compare", "export", "compact", "clean"]
)
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"weightspace {command}" in text
    assert "OUT" in text
    assert "Folder of results." in text


def test_nothing_to_draw(tmp_path, capsys):
    code, text, _ = run(capsys, "figures", Store(tmp_path / "out").root)
    assert code == 0
    assert "no results to draw yet" in text
