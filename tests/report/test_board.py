"""TensorBoard's files, read back by tbparse: float32 values at exact steps, and what is no such value."""

import math
import sys
import warnings

import numpy as np
import pytest
from tbparse import SummaryReader

from tests.report.builders import filled
from tests.store.builders import digest, row
from weightspace.cli import main
from weightspace.errors import InputError, StoreError
from weightspace.report.board import write_board
from weightspace.report.tags import tagged
from weightspace.store.base import Store

HUGE = 2**60 + 1
STEPS = (0, 7, 2**40)


def read(folder):
    """Scalars, texts and hparams of a folder, by run."""
    reader = SummaryReader(
        str(folder), extra_columns={"dir_name", "wall_time"}, event_types={"scalars", "text", "hparams"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about how the reader sorts
        return reader.scalars, reader.text, reader.hparams


@pytest.fixture
def store(tmp_path):
    """A sound run with a history, a diverged one, and a value that was derived and asked beside the first."""
    made = Store(tmp_path / "out")
    scalars = {"test_accuracy": 0.1, "order": HUGE, "wide": 1e300, "note": "text", "count": 3}
    rows = [
        row(1, scalars=scalars, outputs=(), readings=STEPS),
        row(2, status="diverged", scalars={"test_accuracy": math.nan}, outputs=(), readings=STEPS),
    ]
    history = {
        "digest": [digest(1)] * 3 + [digest(2)] * 3,
        "step": [*STEPS, *STEPS],
        "train_loss": [1 / 3, None, 1e-30, 2.5, math.inf, math.nan],
        "test_accuracy": [0.1, 0.7, 0.1, None, None, math.nan],
    }
    made.write_cohort("c", rows, history, {})
    made.ask("runs", [({"way": "a/b: c", "seed": 0, "rate": 0.5, "first": True}, digest(1)),
                      ({"way": "a/b: c", "seed": 1, "rate": 2}, digest(2))], {})  # fmt: skip
    return made


def test_every_reading_comes_back_in_float32_at_its_step(store, tmp_path):
    assert write_board(store, tagged(store), tmp_path / "board") == 2
    scalars, _, _ = read(tmp_path / "board")
    sound, broken = (scalars[scalars["dir_name"].str.endswith(digest(i)[:10])] for i in (1, 2))
    found = {tag: list(zip(own["step"], own["value"], strict=True)) for tag, own in sound.groupby("tag")}
    assert found["train_loss"] == [(0, float(np.float32(1 / 3))), (2**40, float(np.float32(1e-30)))]
    assert found["test_accuracy"] == [(step, float(np.float32(v))) for step, v in zip(STEPS, (0.1, 0.7, 0.1))]  # noqa: B905
    # A last value without a history stands at the run's last step.
    assert found["count"] == [(10, 3.0)]
    losses = broken[broken["tag"] == "train_loss"].set_index("step")["value"]
    assert losses[0] == 2.5
    assert math.isinf(losses[7])
    assert math.isnan(losses[2**40])
    assert list(broken[broken["tag"] == "test_accuracy"]["step"]) == [2**40]
    assert set(scalars["wall_time"]) == {record.written for record in store.records().values()}


def test_what_float32_cannot_hold_is_text_with_all_digits(store, tmp_path):
    write_board(store, tagged(store), tmp_path / "board")
    _, texts, _ = read(tmp_path / "board")
    own = texts[texts["dir_name"].str.endswith(digest(1)[:10])].set_index("tag")["value"]
    assert own["order"] == str(HUGE) == "1152921504606846977"
    assert float(own["wide"]) == 1e300
    assert own["note"] == "text"
    assert own["run"] == f"{digest(1)}: ok"


def test_labels_are_hparams_of_one_type_and_folders_are_named_by_them(store, tmp_path):
    write_board(store, tagged(store), tmp_path / "board")
    _, _, hparams = read(tmp_path / "board")
    table = hparams.pivot(index="dir_name", columns="tag", values="value")
    first = next(name for name in table.index if name.endswith(digest(1)[:10]))
    assert first.startswith("runs/seed=0,rate=0.5")
    assert table.loc[first, ["seed", "rate", "way"]].tolist() == [0.0, 0.5, "a/b: c"]
    assert sorted(table["rate"]) == [0.5, 2.0]
    # Nothing tells of the machine or of the time of writing.
    assert {each.name for each in (tmp_path / "board").rglob("*tfevents*")} == {
        "events.out.tfevents.0.weightspace"
    }


def test_any_experiment_s_folder_is_exported(tmp_path, capsys):
    out = filled(Store(tmp_path / "out")).root
    assert main(["export", str(out), "--to", "tensorboard"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "export" / "tensorboard")
    scalars, _, _ = read(out / "export" / "tensorboard")
    table = Store(out, create=False).records()
    finished = [record for record in table.values() if record.finished]
    assert scalars["dir_name"].str.split("/").str[0].nunique() == 2
    assert {name.rpartition("-")[2] for name in scalars["dir_name"]} == {
        each.digest[:10] for each in finished
    }
    # The same again is not mixed in, nor is anything else overwritten.
    assert main(["export", str(out), "--to", "tensorboard"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export", str(out), "--to", "tensorboard", "--into", str(out / "weightspace.json")]) == 2
    assert not list((out / "export").glob(".*"))


def test_one_run_alone(store, tmp_path, capsys):
    into = str(tmp_path / "one")
    assert main(["export", str(store.root), digest(2)[:8], "--to", "tensorboard", "--into", into]) == 0
    assert set(read(into)[0]["dir_name"].str[-10:]) == {digest(2)[:10]}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "none is named.*--to tensorboard or --to json"),
        (("--to", "tensorbord"), "did you mean 'tensorboard'"),
        (("--to", "json", "--output", "weights"), "--output chooses arrays"),
        (("abc", "--into", "x"), "--into goes with --to tensorboard"),
        (("--to", "json", "--experiment", "rnus"), "did you mean 'runs'"),
        (("ffff", "--to", "json"), "has no run 'ffff'"),
    ],
)
def test_what_cannot_be_exported_is_refused(store, more, words, capsys):
    import re

    assert main(["export", str(store.root), *more]) == 2
    assert re.search(words, capsys.readouterr().err)


def test_the_extra_is_named_where_it_is_lacking(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'weightspace\[tensorboard\]'"):
        write_board(store, tagged(store), tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_folder_without_results_says_so(tmp_path):
    made = Store(tmp_path / "out")
    made.ask("runs", [({"seed": 0}, digest(1))], {})
    with pytest.raises(StoreError, match=r"no run .* has finished \(1 are waiting\)"):
        tagged(made)
