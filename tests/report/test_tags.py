"""`{run: {tag: value}}`: nodes of one label set are one run, every number comes back from the file."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import weightspace as ws
from tests.report.builders import filled
from tests.report.test_board import read
from weightspace.cli import main
from weightspace.errors import DataError
from weightspace.experiments.symmetry.masked import ShuffledMask
from weightspace.report.tags import read_summary, summary
from weightspace.store.base import Store


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Trainings under masks, with what was counted of each mask under the same labels."""
    folder = tmp_path_factory.mktemp("tags") / "out"
    ask = {"model": "mnist_fc:widths=25", "epochs": 1.0, "seeds": ("1",), "sparsities": (0.5,)}
    ws.sweep(ShuffledMask(patterns=("symmetric", "random"), **ask), folder)
    return folder


def test_a_training_and_what_is_counted_of_its_mask_are_one_run(out):
    found = ws.summary(out)
    assert list(found["pattern"]) == ["symmetric", "random"]
    assert found["alive_order"].iloc[0] == math.factorial(25)
    runs = ws.results(out).dropna(subset=["test_accuracy"])
    assert list(found["test_accuracy"]) == list(runs["test_accuracy"])
    assert list(found["digest"]) == list(runs["run"])
    assert found.index[0] == f"symmetry.shuffled-mask/pattern=symmetric-{runs['run'].iloc[0][:10]}"


def test_the_file_is_of_the_study_s_form_and_comes_back_whole(out, capsys):
    assert main(["export", str(out), "--to", "json"]) == 0
    file = capsys.readouterr().out.strip()
    content = json.loads((out / "export" / "summary.json").read_text())
    first, second = content.values()
    # 25! is beyond 2^53: all of its digits are there, as text.
    assert first["alive_order"] == "15511210043330985984000000"
    assert second["alive_order"] == 1
    assert first["test_accuracy"] == ws.results(out)["test_accuracy"].iloc[0]
    assert set(first) >= {"seed", "sparsity", "gradient_norm_sum", "distance", "alive_lost_digits"}
    pd.testing.assert_frame_equal(read_summary(file), summary(out))


def test_accuracy_and_order_of_one_run_are_in_one_folder_of_tensorboard(out, tmp_path):
    """The same tags at the training's last step, the exact order as text."""
    assert main(["export", str(out), "--to", "tensorboard", "--into", str(tmp_path / "board")]) == 0
    found = summary(out)
    for name in found.index:
        scalars, texts, hparams = read(tmp_path / "board" / name)
        last = scalars.sort_values("step").groupby("tag")["value"].last()
        for tag in ("test_accuracy", "train_loss", "alive_order_digits"):
            assert last[tag] == np.float32(found.loc[name, tag])
        assert hparams.set_index("tag").loc["pattern", "value"] == found.loc[name, "pattern"]
        told = dict(zip(texts["tag"], texts["value"], strict=True))
        exact = found.loc[name, "alive_order"]
        assert told["alive_order"] == str(exact) if exact > 1 else last["alive_order"] == 1


def test_whatever_a_folder_holds_comes_back(tmp_path, capsys):
    out = filled(Store(tmp_path / "out")).root
    assert main(["export", str(out), "--to", "json", "--into", str(tmp_path / "s.json")]) == 0
    found = ws.read_summary(tmp_path / "s.json")
    pd.testing.assert_frame_equal(found, summary(out))
    assert found.index.is_unique
    assert set(found["status"]) == {"ok"}
    assert "error" not in found


def test_text_that_is_no_number_stays_text(tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"a": {"digest": "0123", "x": 1, "n": "inf"}, "b": {"x": None, "n": 0.5}}))
    found = read_summary(path)
    assert found.loc["a", "digest"] == "0123"
    assert found["x"].tolist()[0] == 1.0
    assert math.isnan(found["x"].tolist()[1])
    assert found["n"].tolist() == [math.inf, 0.5]


@pytest.mark.parametrize(
    ("text", "words"), [("[1]", "not of the form"), ('{"a": 1}', "not of the form"), ("{", "is no JSON")]
)
def test_other_files_are_refused(tmp_path, text, words):
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_summary(path)
    with pytest.raises(DataError, match="cannot read"):
        read_summary(tmp_path / "none.json")
