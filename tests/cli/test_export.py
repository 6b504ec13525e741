"""An exported file is enough to have the recorded loss again, without weightspace."""

import dataclasses
import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import load_file

import weightspace as ws
from tests.builders import small_run
from weightspace.cli import main
from weightspace.probes import Best, Evaluation, Snapshot
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.rows import RunRow
from weightspace.store.schema import digest_of

OLD = Path(__file__).parent.parent / "store" / "folders" / "of_275dade"


class Bn(nnx.Module):
    def __init__(self, rngs):
        self.a, self.bn = nnx.Linear(64, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.o = nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        return self.o(nnx.relu(self.bn(self.a(x.reshape(len(x), -1)))))


def exported(out, run, capsys, *more):
    capsys.readouterr()
    assert main(["export", str(out), run, *more]) == 0
    said = capsys.readouterr()
    file = said.out.strip()
    with safe_open(file, "numpy") as opened:
        return load_file(file), opened.metadata(), said.err


def decoded(x, metadata):
    told = json.loads(metadata["inputs"])
    return (x.astype(np.float64) - np.asarray(told["shift"])) * np.asarray(told["scale"])


def cross_entropy(outputs, y):
    outputs = outputs - outputs.max(axis=1, keepdims=True)
    logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(y)), y].mean()


def batch_norm_loss(arrays, metadata, test):
    a = decoded(test.x, metadata).reshape(len(test.x), -1) @ arrays["a/kernel"] + arrays["a/bias"]
    a = (a - arrays["bn/mean"]) / np.sqrt(arrays["bn/var"] + 1e-5) * arrays["bn/scale"] + arrays["bn/bias"]
    return cross_entropy(np.maximum(a, 0) @ arrays["o/kernel"] + arrays["o/bias"], test.y)


def dense_loss(arrays, metadata, test):
    h = (
        decoded(test.x, metadata).reshape(len(test.x), -1) @ arrays["hidden/0/kernel"]
        + arrays["hidden/0/bias"]
    )
    return cross_entropy(np.maximum(h, 0) @ arrays["output/kernel"] + arrays["output/bias"], test.y)


def test_weights_and_statistics_give_the_recorded_loss(tmp_path, capsys):
    """At the end, and at the best moment by validation, each with the state that goes with it."""
    data = ws.make_data("digits", validation=200)
    run = dataclasses.replace(small_run(0, data=data, length="20it"), model=ws.from_nnx(Bn))
    watch = ws.Watch("end", (Evaluation(("test",)), Snapshot("end"), Best("5it", last=("test",))))
    table = ws.sweep([ws.Row({"name": "bn"}, run, watch)], tmp_path)
    arrays, metadata, _ = exported(tmp_path, table["run"][0][:10], capsys)
    assert json.loads(metadata["state"]) == ["bn/mean", "bn/var"]
    test = data.source.loaded.test
    assert batch_norm_loss(arrays, metadata, test) == pytest.approx(table["test_loss"][0], abs=1e-5)
    best = f"{Best('5it', last=('test',)).key}.weights"
    arrays, metadata, _ = exported(tmp_path, table["run"][0], capsys, "--output", best)
    assert batch_norm_loss(arrays, metadata, test) == pytest.approx(table["best_test_loss"][0], abs=1e-5)
    assert json.loads(metadata["spec"])["kind"] == "run.Run"
    assert digest_of(metadata["spec"]) == metadata["run"] == table["run"][0]
    assert metadata["data"] == "digits"
    assert "Bn" in metadata["model"]
    assert "jax" in json.loads(metadata["versions"])


SPACES = {
    "subspace": (ws.Affine(ws.Gaussian(6)), ""),
    "random mask": (ws.Supermask(), ""),
    "a point of a random mask": (ws.Supermask(), "threshold"),
}


@pytest.mark.parametrize("name", SPACES)
def test_points_of_spaces_give_the_weights_that_the_network_takes(tmp_path, capsys, name):
    space, point = SPACES[name]
    run = small_run(0, space=space, length="3it")
    watch = ws.Watch("end", (Evaluation(("test",), names=(point,)), Snapshot("end", name=point)))
    table = ws.sweep([ws.Row({}, run, watch)], tmp_path)
    arrays, metadata, error = exported(tmp_path, table["run"][0], capsys)
    assert error == ""
    assert metadata["state"] == "[]"
    column = f"{point}_test_loss" if point else "test_loss"
    found = dense_loss(arrays, metadata, run.task.data.source.loaded.test)
    assert found == pytest.approx(table[column][0], abs=1e-5)


def test_a_folder_of_old_says_what_its_exports_lack(tmp_path, capsys):
    out = shutil.copytree(OLD, tmp_path / "old")
    run = next(d for d, record in Store(out).records().items() if record.outputs)
    arrays, metadata, error = exported(out, run, capsys)
    assert "the file has the weights alone; run it again into a new folder" in error
    assert metadata["state"] == "not recorded"
    assert sorted(arrays) == ["hidden/0/bias", "hidden/0/kernel", "output/bias", "output/kernel"]


@pytest.fixture
def awkward(tmp_path):
    store, text = Store(tmp_path / "out"), json.dumps({"number": 0})
    row = RunRow(digest_of(text), text, "ok", outputs=("end.weights", "end.state", "odd"))
    weights = {"a": np.arange(6, dtype=ml_dtypes.bfloat16).reshape(2, 3).T, "mask": np.arange(13) % 2 == 0}
    tensors = to_tensors(row.digest, "end.weights", weights)
    tensors |= to_tensors(row.digest, "end.state", {"a": np.float32(3), "n": np.array(2**53 + 1)})
    tensors |= to_tensors(row.digest, "odd", {"x": np.zeros(2, ml_dtypes.float8_e4m3fn)})
    store.write_derived("d", [row], tensors)
    return store.root, row.digest


def test_names_that_weights_and_state_share_are_kept_apart(awkward, capsys):
    arrays, metadata, _ = exported(*awkward, capsys, "--output", "end.weights")
    assert json.loads(metadata["state"]) == ["n", "state:a"]
    assert arrays["a"].astype(float).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert arrays["state:a"] == 3
    assert arrays["n"] == 2**53 + 1
    assert arrays["mask"].tolist() == [i % 2 == 0 for i in range(13)]


def test_types_that_the_format_does_not_know_are_refused_in_a_sentence(awkward, capsys):
    root, digest = awkward
    assert main(["export", str(root), digest, "--output", "odd"]) == 2
    assert "x is an array of float8_e4m3fn, which safetensors does not know" in capsys.readouterr().err
