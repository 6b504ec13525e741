"""A folder as commit 275dade wrote it: it is read, asked again, gone on with, shown; nothing is misread."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import weightspace as ws
from weightspace.cli import main
from weightspace.errors import NoResultWarning
from weightspace.experiments.answered import answered
from weightspace.models.zoo import make
from weightspace.store.base import Store
from weightspace.store.compact import compact
from weightspace.store.read import history, results, sql

FOLDER = Path(__file__).parent / "folders" / "of_275dade"


@pytest.fixture
def old(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "old")


def row(lr, seed):
    x = np.arange(48, dtype=np.float32).reshape(24, 2) / 48
    y = (x[:, 0] > 0.5).astype(int)
    data = ws.Data(ws.from_arrays(x, y, x[::3], y[::3], name="ramp"), normalise="standard")
    recipe = ws.Recipe(ws.Sgd(lr), "4it", batch=12)
    task = ws.Task(data, ws.CrossEntropy())
    run = ws.Run(make("fc:widths=2", (2,), 2), task, ws.Full(), recipe, ws.Seeds(seed))
    watch = ws.Watch("2it", (ws.Evaluation(("train", "test")), ws.Snapshot("end")))
    return ws.Row({"width": 2, "lr": lr, "seed": seed}, run, watch)


def test_it_is_read(old):
    table = results(old, "runs").set_index(["lr", "seed"])
    assert table["status"].tolist() == ["ok", "ok", "diverged", "diverged"]
    assert table.loc[(0.1, 0), "test_loss"] == pytest.approx(1.039576, abs=1e-6)
    assert table.loc[(1e30, 0), "error"] == "loss not finite at step 1"
    wide = history(old, "runs", wide=True)
    assert sorted(wide["step"].unique()) == [0, 2, 4]
    ok = table.loc[0.1, "run"].tolist()
    assert np.isfinite(wide[wide["run"].isin(ok)][["test_loss", "train_loss"]]).all(axis=None)
    spread = sql(old, "SELECT metric, stddev(value) AS sd FROM history GROUP BY metric")["sd"]
    assert spread.notna().all()
    weights = Store(old).output(ok[0], "snapshot(end).weights")
    assert weights["hidden"]["0"]["kernel"].shape == (2, 2)


def test_it_is_shown(old, capsys):
    parts = answered(Store(old))
    assert {part.name for part in parts} == {"runs", "freedom.random"}
    for verb in ("status", "results", "report", "compare", "compact"):
        assert main([verb, str(old)]) == 0
    capsys.readouterr()
    assert len(results(old)) == 5


def test_asking_the_same_again_gives_what_is_stored_or_what_is_right_now(old):
    """A run whose identity is unchanged is not trained again; one of another identity is another row."""
    before = results(old, "runs").set_index("lr")
    table = ws.sweep([row(0.1, 0), row(0.1, 1)], old)
    assert len(table) == 2
    same = table[table["run"].isin(before["run"])]
    for run, loss in zip(same["run"], same["test_loss"], strict=True):
        assert loss == before[before["run"] == run]["test_loss"].iloc[0]
    assert table["status"].tolist() == ["ok", "ok"]
    compact(old)
    assert set(before["run"]) <= set(Store(old).records())


def test_more_can_be_asked_of_it(old):
    with pytest.warns(NoResultWarning, match="1 diverged"):
        table = ws.sweep([row(0.1, 5), row(1e30, 5)], old)
    assert table["status"].tolist() == ["ok", "diverged"]
    assert len(results(old, "runs")) == 6
