"""The README and the docs are run: what they show works."""

import re
from pathlib import Path

import pytest

from weightspace.store.base import Store

ROOT = Path(__file__).parent.parent


def blocks(file):
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def module(folder, name, code):
    (folder / f"{name}.py").write_text(code)
    return __import__(name)


def test_the_readme_s_ten_lines(here):
    (code,) = blocks("README.md")
    code = code.replace('"20ep"', '"2ep"').replace("range(3)", "range(2)")
    table = module(here, "readme_block", code).table
    assert sorted(table["dim"]) == [4, 4, 16, 16, 64, 64]
    assert set(table["status"]) == {"ok"}
    assert table["test_accuracy"].between(0.3, 1).all()


@pytest.mark.parametrize("library", ["nnx", "linen", "equinox"])
def test_models_of_every_library(here, library):
    *models, train = blocks("docs/models.md")
    code = models[["nnx", "linen", "equinox"].index(library)]
    made = module(here, f"docs_{library}", code + "\n" + train)
    record = Store(here / "out" / "own").record(made.run.digest)
    assert record.status == "ok"
    assert {"train_accuracy", "test_accuracy"} <= record.metrics
