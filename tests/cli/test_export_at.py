"""A point of a region as a file, trainings that start from files, bad input, by the real commands."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import weightspace as ws
from weightspace.cli import main
from weightspace.errors import InputError
from weightspace.experiments.asked_run import run_of
from weightspace.store.base import Store

DATA = "digits:classes=0,1,2,train_each=30,test_each=20"
SMALL = [
    "--preset", "smoke", "--model", "mnist_fc:widths=6", "--epochs", "2", "--warmup", "0", "--seeds", "1",
    "--data", DATA, "--batch-size", "30", "--format", "png", "--yes",
]  # fmt: skip
LINE = [*SMALL, "--betas", "1", "--no-layerwise", "--samples", "--points", "3", "--keep", "final"]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """A line on digits with batch normalisation, and its run."""
    out = tmp_path_factory.mktemp("lines")
    assert main(["run", "subspaces.lines", *LINE, "--out", str(out)]) == 0
    table = ws.results(out)
    mine = table[(table["part"] == "training") & (table["method"] == "line, β = 1")]
    return out, mine["run"].iloc[0], table


def refused(capsys, *arguments):
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == 2
    return capsys.readouterr().err


@pytest.fixture
def exported(lines, capsys):
    out, run, _ = lines
    capsys.readouterr()
    assert main(["export", str(out), run[:12], "--at", "0.5"]) == 0
    return capsys.readouterr().out.strip()


def test_a_point_has_its_weights_and_statistics_of_its_own(lines, exported):
    """The file's network is as good as the midpoint was measured to be; weights are the vertices' mean."""
    out, run, table = lines
    found = ws.load_file(exported)
    test = ws.make_data(DATA).source.loaded.test
    outputs = np.asarray(found(test.x))
    accuracy = np.mean(outputs.argmax(-1) == test.y)
    middle = table[table["method"] == "line, β = 1, midpoint"]
    assert accuracy == pytest.approx(middle["all_accuracy"].iloc[0])
    log_p = outputs - np.log(np.exp(outputs).sum(-1, keepdims=True))
    nll = -log_p[np.arange(len(test.y)), test.y].mean()
    assert nll == pytest.approx(middle["all_nll"].iloc[0], abs=1e-4)
    store = Store(out, create=False)
    (key,) = [each for each in store.record(run).outputs if each.endswith("coordinates")]
    vertices = store.output(run, key)
    arrays = load_file(exported)
    assert np.allclose(arrays["output/kernel"], vertices["output"]["kernel"].mean(0), atol=1e-6)
    assert jax.tree.structure(found.weights) == jax.tree.structure(vertices)


def test_its_header_says_what_it_is_and_how_to_load_it(lines, exported):
    _, run, _ = lines
    with safe_open(exported, "numpy") as opened:
        told = opened.metadata()
    assert told["run"] == run
    assert told["point"] == "0.5"
    assert told["model"] == "mnist_fc:widths=6"
    assert told["data"] == DATA
    assert "load_file" in told["load"]
    assert {*json.loads(told["state"])} <= {*load_file(exported)}
    assert json.loads(told["inputs"])["shape"] == [8, 8, 1]


@pytest.mark.parametrize("file", ["gone", "another"])
def test_a_question_whose_file_is_gone_hides_no_run_of_another(lines, file, monkeypatch, tmp_path):
    out, run, _ = lines
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "another.safetensors")
    store = Store(out, create=False)
    (asked,) = store.questions()
    gone = dataclasses.replace(
        asked, fields={**asked.fields, "from_file": str(tmp_path / f"{file}.safetensors")}
    )
    monkeypatch.setattr(Store, "questions", lambda _: [gone, asked])
    assert run_of(store, run).digest == run
    monkeypatch.setattr(Store, "questions", lambda _: [gone])
    with pytest.raises(InputError, match="or what it names has changed"):
        run_of(store, run)


def test_a_training_starts_from_the_file(lines, exported, tmp_path, capsys):
    """`--from FILE`: other runs than without; the first vertex is the file's network."""
    arguments = ["subspaces.dynamics", *SMALL, "--betas", "1", "--moments", "1", "--epochs", "1"]
    assert main(["run", *arguments, "--from", exported, "--out", str(tmp_path / "a"), "--keep", "final"]) == 0
    capsys.readouterr()
    found = ws.results(tmp_path / "a")
    start = found[(found["part"] == "moment") & (found["epoch"] == 0)]["run"].iloc[0]
    assert len(found)
    # The first vertex is the file's network: so good before any step.
    network = ws.load_file(exported)
    test = ws.make_data(DATA).source.loaded.test
    accuracy = np.asarray(Store(tmp_path / "a", create=False).output(start, "accuracy"))
    assert accuracy[0] == pytest.approx(np.mean(np.asarray(network(test.x)).argmax(-1) == test.y), abs=0.05)
    save_file(load_file(exported) | {"output/bias": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    runs = [
        {row["digest"] for row in _planned(arguments, file)}
        for file in (exported, tmp_path / "other.safetensors", "")
    ]
    assert not runs[0] & runs[1]
    assert not runs[0] & runs[2]


def _planned(arguments, file):
    from weightspace.cli.run import read
    from weightspace.experiments import experiment_class

    given = [*arguments[1:], *(["--from", str(file)] if file else [])]
    experiment, _ = read(experiment_class(arguments[0]), given)
    return [{"digest": row.node.digest} for batch in experiment.ask() for row in batch]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("1.5", "has no point '1.5'"), ("-0.1", "has no point '-0.1'"), ("vertex2", "has no point 'vertex2'"),
        ("0.2:0.3:0.5", "has no point"), ("half", "has no point 'half'"),
    ],
)  # fmt: skip
def test_points_outside_are_refused(lines, capsys, at, text):
    out, run, _ = lines
    said = refused(capsys, "export", out, run[:12], f"--at={at}")
    assert text in said
    assert "α in [0, 1]" in said


def test_other_lines_of_bad_input(lines, exported, tmp_path, capsys):
    """A run of one network has no points; files of other networks, damaged or gone; numbers of no region."""
    out, _, table = lines
    alone = table[(table["part"] == "training") & (table["method"] == "standard")]["run"].iloc[0]
    assert "has no named points" in refused(capsys, "export", out, alone[:12], "--at", "0.5")
    dry = ["run", "subspaces.dynamics", *SMALL, "--dry-run", "--out", tmp_path / "x"]
    arrays = load_file(exported)
    missing = tmp_path / "missing.safetensors"
    save_file({k: v for k, v in arrays.items() if k != "output/bias"}, missing)
    assert "lacks 'output/bias' of shape (3,)" in refused(capsys, *dry, "--from", missing)
    save_file(arrays | {"more/bias": np.zeros(3, np.float32)}, missing)
    assert "holds 'more/bias', which the model has not" in refused(capsys, *dry, "--from", missing)
    save_file(arrays | {"output/bias": np.zeros(4, np.float32)}, missing)
    assert "has shape (4,), but the model's has (3,)" in refused(capsys, *dry, "--from", missing)
    missing.write_bytes(missing.read_bytes()[:300])
    assert "damaged or in another format" in refused(capsys, *dry, "--from", missing)
    assert "there is no file" in refused(capsys, *dry, "--from", tmp_path / "gone.safetensors")
    assert "vertices is 1" in refused(capsys, *dry, "--vertices", "1")
    assert "β is -1.0, but must lie in [0, inf)" in refused(capsys, *dry, "--betas", "-1")
    assert "padding is 8" in refused(capsys, *dry, "--padding", "8")
    folder = tmp_path / "published"
    folder.mkdir()
    np.save(folder / "fog.npy", np.zeros((49, 8, 8, 1), np.uint8))
    np.save(folder / "labels.npy", np.zeros(50, int))
    worse = ["run", "subspaces.corruptions", *SMALL, "--corruptions", "fog", "--severities", "1"]
    worse += ["--methods", "standard", "--folder", folder, "--out", tmp_path / "y"]
    assert "has 49 images and labels.npy 50 labels" in refused(capsys, *worse)
    assert "has no file frog.npy; did you mean fog.npy" in refused(capsys, *worse, "--corruptions", "frog")


OWN = """
from pathlib import Path
from weightspace.models.zoo import make

def net(shape, outputs):
    Path("called").touch()
    return make("fc:widths=4", shape, outputs)
"""


def test_a_point_of_a_network_of_ones_own_where_the_command_names_it(tmp_path, monkeypatch, capsys):
    """What a folder names is run only where the reader's own command names it too."""
    (tmp_path / "ownnet_for_export.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    named = "ownnet_for_export:net"
    given = [named if each == "mnist_fc:widths=6" else each for each in LINE]
    assert main(["run", "subspaces.lines", *given, "--out", "out"]) == 0
    table = ws.results("out")
    mine = table[(table["part"] == "training") & (table["method"] == "line, β = 1")]
    run = mine["run"].iloc[0][:12]
    (tmp_path / "called").unlink()
    for more in ((), ("--model", "ownnet_for_export:other"), ("--data", named[:-4])):
        assert "name them, as in --model" in refused(capsys, "export", "out", run, "--at", "0.5", *more)
        assert not (tmp_path / "called").exists()
    assert main(["export", "out", run, "--at", "0.5", "--model", named]) == 0
    assert (tmp_path / "called").exists()
    assert load_file(capsys.readouterr().out.strip())
    assert "go with --at" in refused(capsys, "export", "out", run, "--model", named)


def test_a_state_dict_is_of_a_pytorch_network(lines, capsys):
    out, run, _ = lines
    said = refused(capsys, "export", out, run[:12], "--to", "state-dict")
    assert "no module of PyTorch" in said
    assert "leave out --to" in said
    assert "name the run" in refused(capsys, "export", out, "--to", "state-dict")
    more = ("--experiment", "subspaces.lines")
    assert "leave out --output and --experiment" in refused(
        capsys, "export", out, run[:12], "--to", "state-dict", *more
    )


@pytest.mark.parametrize("wrong", ["state_dict", "tensorbord", "jsn"])
def test_a_misspelt_kind_is_no_file(lines, capsys, tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    out, run, _ = lines
    said = refused(capsys, "export", out, run[:12], "--to", wrong)
    assert f"'{wrong}'" in said
    assert "did you mean" in said
    assert not list(tmp_path.iterdir())
