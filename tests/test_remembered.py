"""What follows from the code alone: what is kept is what is made; edited code or a damaged file has none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weightspace import remembered
from weightspace.cli import listing, main

PACKAGE = Path(remembered.__file__).parent


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Made:
    """Counts how often it is asked."""

    def __init__(self, value):
        self.value, self.times = value, 0

    def __call__(self):
        self.times += 1
        return self.value


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_a_value_is_made_once_for_each_key(cache):
    made = Made({"weights": [1, None, "ü"]})
    assert [remembered.remembered("kind", [1, "a"], made) for _ in range(3)] == [made.value] * 3
    assert made.times == 1
    remembered.remembered("kind", [2, "a"], made)
    remembered.remembered("other", [1, "a"], made)
    assert made.times == 3
    assert len(files(cache)) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"key": "other", "value": 3}', "\udcff"])
def test_a_damaged_file_counts_for_nothing_and_is_written_anew(cache, text):
    made = Made(7)
    remembered.remembered("kind", "key", made)
    (path,) = files(cache)
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert remembered.remembered("kind", "key", made) == 7
    assert made.times == 2
    assert json.loads(path.read_text())["value"] == 7


def test_what_is_raised_is_not_kept(cache):
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        remembered.remembered("kind", "key", fails)
    assert remembered.remembered("kind", "key", Made(1)) == 1


def test_where_nothing_can_be_written_all_is_made_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path / "file" / "within"))
    made = Made(1)
    assert [remembered.remembered("kind", "key", made) for _ in range(2)] == [1, 1]
    assert made.times == 2


def test_what_other_code_made_goes_when_it_is_old(cache):
    old, new = cache / "remembered" / "old", cache / "remembered" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    remembered.remembered("kind", "key", Made(1))
    assert not old.exists()
    assert new.exists()


def test_any_edited_added_or_removed_file_is_other_code(tmp_path):
    package = tmp_path / "package"
    (package / "models").mkdir(parents=True)
    (package / "models" / "fc.py").write_text("WIDTH = 300\n")
    digests = [remembered._digest.__wrapped__(package)]
    (package / "models" / "fc.py").write_text("WIDTH = 301\n")
    digests.append(remembered._digest.__wrapped__(package))
    (package / "other.py").write_text("")
    digests.append(remembered._digest.__wrapped__(package))
    (package / "models" / "fc.py").rename(package / "models" / "conv.py")
    digests.append(remembered._digest.__wrapped__(package))
    assert len(set(digests)) == 4
    assert digests[0] != remembered.code_digest() == remembered._digest.__wrapped__(PACKAGE)


def test_other_libraries_are_other_code(monkeypatch):
    before = remembered._digest.__wrapped__(PACKAGE / "cli")
    monkeypatch.setattr(remembered, "_version", lambda name: "9" if name == "flax" else "")
    assert remembered._digest.__wrapped__(PACKAGE / "cli") != before


def run(code, cache, package=PACKAGE.parent):
    environment = os.environ | {"PYTHONPATH": str(package), "WEIGHTSPACE_CACHE": str(cache)}
    words = [sys.executable, "-c", code]
    return subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout


LISTED = "import sys\nfrom weightspace.cli import main\nmain(['list', 'models', '--format', 'json'])\n"
LOADED = "print('loaded:', *({'flax', 'duckdb', 'pandas', 'matplotlib'} & {*sys.modules}) or ['none'])\n"
FEW = "from weightspace.models import zoo\nzoo.names = lambda: ('fc', 'mlp', 'conv4')\n"


def test_an_edited_network_is_counted_anew(tmp_path):
    """Of a copy of the package, whose network is edited between two listings."""
    copy = tmp_path / "src"
    shutil.copytree(PACKAGE, copy / "weightspace", ignore=shutil.ignore_patterns("__pycache__"))
    found = [json.loads(run(FEW + LISTED, tmp_path / "cache", copy))]
    cached = run(LISTED + LOADED, tmp_path / "cache", copy)  # which would count all
    assert json.loads(cached.rpartition("]")[0] + "]") == found[0]
    assert cached.endswith("loaded: none\n")
    file = copy / "weightspace" / "models" / "zoo" / "fc.py"
    text = file.read_text()
    assert "300, 100" in text
    file.write_text(text.replace("300, 100", "301, 100"))
    found.append(json.loads(run(FEW + LISTED, tmp_path / "cache", copy)))
    weights = [{row["name"]: row["weights"] for row in rows} for rows in found]
    assert weights[1]["fc"] - weights[0]["fc"] == 64 + 1 + 100
    assert weights[1]["mlp"] == weights[0]["mlp"]
    assert found[0][2] == found[1][2]  # why conv4 does not take the data


def test_networks_are_counted_by_the_data_that_they_are_to_take(cache, monkeypatch, capsys):
    """What is listed from the cache is what is counted, for each shape by itself."""
    monkeypatch.setattr("weightspace.models.zoo.names", lambda: ("fc", "mlp"))
    shown = []
    for data in ("digits", "cosine", "digits", "cosine"):
        assert main(["list", "models", "--data", data]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[:2] == shown[2:]
    assert shown[0] != shown[1]
    counted = listing._counted((8, 8, 1), 10, "float32")
    assert [f"{row['weights']:,}" in shown[0] for row in counted] == [True, True]


HEAVY = ("jax", "flax", "optax", "numpy", "pandas", "pyarrow", "duckdb", "matplotlib", "tyro", "rich")
IMPORTED = """
import contextlib, io, sys
from weightspace.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    try:
        main({!r})
    except SystemExit as end:
        assert not end.code
print([name for name in {!r} if name in sys.modules], len(out.getvalue()))
"""


def test_help_that_is_remembered_loads_no_library(tmp_path):
    code = IMPORTED.format(["run", "freedom.random", "--help"], HEAVY)
    first, second = (run(code, tmp_path) for _ in range(2))
    assert first.split("]")[1] == second.split("]")[1]
    assert "'jax'" in first
    assert second.startswith("[] ")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_an_overview_loads_no_library(tmp_path, arguments):
    assert run(IMPORTED.format(arguments, HEAVY), tmp_path).startswith("[] ")


def test_status_loads_neither_jax_nor_a_data_base(tmp_path):
    from weightspace.store.base import Store

    Store(tmp_path / "out").ask("mine", [({"seed": 0}, "0" * 32)], {})
    found = run(IMPORTED.format(["status", str(tmp_path / "out")], HEAVY), tmp_path)
    assert not {"jax", "flax", "optax", "duckdb", "matplotlib"} & {*found.split("'")}


def test_help_is_that_of_the_terminal_and_refusals_are_none(cache, capsys, monkeypatch):
    given = ["run", "freedom.random", "--help"]
    shown = []
    for columns in ("80", "60", "80"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit) as end:
            main(given)
        assert not end.value.code
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[2]
    assert shown[0] != shown[1]
    assert "--dims" in shown[0]
    count = len(files(cache))
    for wrong in (["run", "freedom.randon", "--help"], ["run", "freedom.random", "--preset", "no", "--help"]):
        assert main(wrong) == 2
        assert "did you mean" in capsys.readouterr().err or "no" in wrong
    assert len(files(cache)) == count


def test_help_of_a_users_experiment_is_made_each_time(cache, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "theirs_helped.py").write_text(
        "from weightspace.experiments import Experiment, Row\n"
        "class Mine(Experiment, name='mine.helped', presets={'quick': {}}):\n"
        "    '''Does it?'''\n"
        "    width: int = 3\n"
        "    '''Of it.'''\n"
        "    def ask(self):\n"
        "        yield []\n"
    )
    with pytest.raises(SystemExit) as end:
        main(["run", "theirs_helped:Mine", "--help"])
    assert end.value.code == 0
    assert "--width" in capsys.readouterr().out
    assert files(cache) == []
