"""What goes wrong in real runs: full and read-only disks, damaged and foreign files, wrong words, bad data.

Each time: one line, the right exit status, what was finished stays readable, and the same command after the
repair trains only what is missing. `test_run` has the wrong words of `run` that were thought of first.
"""

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import time
import warnings
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspace.cli import main
from weightspace.experiments.answered import Answered
from weightspace.store.base import Store
from weightspace.store.lease import Lease
from weightspace.store.read import results
from weightspace.store.schema import StoreWarning
from weightspace.sweeps import execute

RANDOM = [
    "run", "freedom.random", "--preset", "smoke", "--model", "fc:widths=8", "--dims", "4", "--seeds", "1",
    "--epochs", "1", "--no-reference", "--format", "svg",
]  # fmt: skip
BURN_IN = ["run", "freedom.burn-in", *RANDOM[2:], "--burn-in", "4"]
KEEP_NONE = ("--keep", "none")
FULL = r"weightspace: cannot write .*: the disk is full; free some space .* what is finished is kept"


@dataclasses.dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    def check_refused(self, message):
        """Status 2 and one line that says what is wrong."""
        assert self.status == 2
        (line,) = self.err.splitlines()
        assert re.match(r"weightspace: \S", line)
        assert re.search(message, line), line
        assert "Traceback" not in self.out


@pytest.fixture(autouse=True)
def light(monkeypatch, tmp_path_factory):
    """A cache of our own, and no figures: drawing takes longer than these runs."""
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(Answered, "panels", [])


@pytest.fixture
def run(capfd):
    """Without the estimate, which takes longer than these runs, unless it is asked for."""

    def run(arguments, out, *more, estimate=False):
        with warnings.catch_warnings():
            warnings.simplefilter("default", StoreWarning)
            status = main([*arguments, *more, "--out", str(out), *([] if estimate else ["--yes"])])
        return Ended(status, *capfd.readouterr())

    return run


@pytest.fixture
def read(capfd):
    def read(command, out):
        with warnings.catch_warnings():
            warnings.simplefilter("default", StoreWarning)
            status = main([command, str(out)])
        return Ended(status, *capfd.readouterr())

    return read


@pytest.fixture
def trained(monkeypatch):
    """The runs that this process has trained, by digest."""
    found, original = [], execute._Training.go

    def go(self):
        results = original(self)
        found.extend(row.digest for row in results.rows)
        return results

    monkeypatch.setattr(execute._Training, "go", go)
    return found


def mount(*arguments):
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path):
    """A file system of two mebibytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", folder):
        pytest.skip("mounting a small file system needs rights that this process does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder, leave):
    """Fill a file system, up to some bytes."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - leave))
    return filler


def stored(out):
    """What is on record of each run, with when and by whom it was written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        records = Store(out, create=False).records()
    return {d: (r.status, r.seconds, r.provenance, r.written) for d, r in records.items()}


def statuses(out):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        return Counter(results(out)["status"])


def test_a_disk_that_was_full_before(run, trained, disk):
    filler = fill(disk, 0)
    run(RANDOM, disk / "out").check_refused(FULL)
    assert trained == []
    filler.unlink()
    assert run(RANDOM, disk / "out").status == 0
    assert statuses(disk / "out") == {"ok": 1}


def test_a_disk_that_fills_up(run, read, trained, disk):
    """From no room at all to room for almost everything: each attempt comes a file further."""
    out = disk / "out"
    assert run(RANDOM, out).status == 0
    finished, reached = stored(out), set()
    del trained[:]
    for leave in range(0, 48, 4):
        filler = fill(disk, 1024 * leave)
        ended = run(RANDOM, out, "--seeds", "2")
        reached |= {path.name for path in out.glob("work/*/*")}
        if len(stored(out)) > 1:
            break
        ended.check_refused(FULL)
        assert stored(out) == finished
        assert read("results", out).status == 0
        # Whether the question of two seeds was noted before the disk was full is a matter of bytes.
        assert statuses(out) in ({"ok": 1}, {"ok": 1, "waiting": 1})
        assert all(Lease(folder).held_by() is None for folder in out.glob("work/*"))
        filler.unlink()
    assert {"manifest.json", "block-0.parquet"} <= reached
    (disk / "filler").unlink(missing_ok=True)
    attempts = list(trained)
    assert run(RANDOM, out, "--seeds", "2").status == 0
    assert trained == attempts, "what a full disk had left of a block was trained again"
    after = stored(out)
    assert finished.items() < after.items()
    assert statuses(out) == {"ok": 2}
    assert not list(out.glob("work/*"))


def test_a_folder_on_a_disk_that_became_read_only(run, read, trained, disk):
    out = disk / "out"
    assert run(RANDOM, out).status == 0
    finished = stored(out)
    assert mount("-o", "remount,ro", disk)
    run(RANDOM, out, "--seeds", "2").check_refused("cannot write .*out: the file system is read-only")
    run(RANDOM, disk / "new").check_refused("cannot write .*new: the file system is read-only")
    for command in ("results", "status"):
        assert read(command, out).status == 0
    assert stored(out) == finished
    assert mount("-o", "remount,rw", disk)
    del trained[:]
    assert run(RANDOM, out, "--seeds", "2").status == 0
    assert len(trained) == 1
    assert finished.items() < stored(out).items()


def truncate(path, share=0.7):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def test_truncated_rows(run, read, trained, tmp_path):
    assert run(RANDOM, tmp_path, "--dims", "4", "8").status == 0
    before = stored(tmp_path)
    damaged = min((tmp_path / "runs").glob("*.parquet"))
    truncate(damaged)
    ended = read("results", tmp_path)
    assert ended.status == 0
    (line,) = ended.err.splitlines()
    assert re.match(rf"weightspace: \S*{damaged.name} cannot be read .*its runs count as not done$", line)
    kept = stored(tmp_path)
    assert statuses(tmp_path) == {"ok": 1, "waiting": 1}
    del trained[:]
    assert run(RANDOM, tmp_path, "--dims", "4", "8").status == 0
    assert set(trained) == before.keys() - kept.keys()
    assert kept.items() < stored(tmp_path).items()
    assert read("results", tmp_path).err == ""


def test_a_truncated_output_that_another_run_needs(run, read, trained, tmp_path):
    assert run(BURN_IN, tmp_path, *KEEP_NONE).status == 0
    finished, (arrays,) = stored(tmp_path), (tmp_path / "arrays").glob("*.safetensors")
    (parent,) = (digest for digest, record in Store(tmp_path).records().items() if record.outputs)
    truncate(arrays)
    ended = read("results", tmp_path)
    assert ended.status == 0
    assert re.match(r"weightspace: \S*safetensors cannot be read .*outputs count as not kept\n$", ended.err)
    del trained[:]
    assert run(BURN_IN, tmp_path, *KEEP_NONE).status == 0
    assert trained == [], "the finished run was trained again for an input that it needs no more"
    assert run(BURN_IN, tmp_path, *KEEP_NONE, "--dims", "4", "8").status == 0
    assert len(trained) == 2
    assert parent in trained
    after = stored(tmp_path)
    assert {d: r for d, r in finished.items() if d != parent}.items() < after.items()
    assert statuses(tmp_path) == {"ok": 2}


OURS = {"weightspace": json.dumps({"kind": "runs", "schema": 1})}


@pytest.mark.parametrize("command", ["run", "results", "report"])
def test_a_foreign_table_among_the_rows(run, read, trained, tmp_path, command):
    assert run(RANDOM, tmp_path).status == 0
    finished, foreign = stored(tmp_path), tmp_path / "runs" / "foreign.parquet"
    pq.write_table(pa.table({"price": [1.0]}), foreign)
    ended = run(RANDOM, tmp_path) if command == "run" else read(command, tmp_path)
    ended.check_refused("foreign.parquet is not a file of weightspace for runs; move it out")
    foreign.unlink()
    del trained[:]
    assert run(RANDOM, tmp_path).status == 0
    assert trained == []
    assert stored(tmp_path) == finished


@pytest.mark.parametrize(
    ("table", "message"),
    [({"price": [1.0]}, "no column 'digest'"), ({"digest": [7]}, "no column 'digest' of type string")],
)
def test_a_table_with_our_stamp_and_other_columns_is_passed_over(run, tmp_path, table, message):
    assert run(RANDOM, tmp_path).status == 0
    finished = stored(tmp_path)
    pq.write_table(pa.table(table).replace_schema_metadata(OURS), tmp_path / "runs" / "strange.parquet")
    ended = run(RANDOM, tmp_path)
    assert ended.status == 0
    assert re.match(rf"weightspace: \S*strange.parquet cannot be read \(it has {message}.*\n$", ended.err)
    assert stored(tmp_path) == finished


def test_a_damaged_marker(run, trained, tmp_path):
    assert run(RANDOM, tmp_path).status == 0
    finished = stored(tmp_path)
    (tmp_path / "weightspace.json").write_text("")
    run(RANDOM, tmp_path).check_refused("weightspace.json cannot be read")
    (tmp_path / "weightspace.json").unlink()
    del trained[:]
    assert run(RANDOM, tmp_path).status == 0
    assert trained == []
    assert stored(tmp_path) == finished


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--dims -3", r"dimension d is -3, but must lie in \[1"),
        ("--dims", "no dimension d to sweep"),
        ("--optimiser", "no optimiser to sweep; give at least one"),
        ("--lanes 0", "lanes is 0"),
        ("--lanes -2", "lanes is -2"),
        ("--format pgn", "unknown figure format 'pgn'; did you mean 'png'"),
        ("--loss-levels nan", "nan has no place"),
        ("--levels 2", "accuracy level is 2.0"),
        ("--lr nan", "lr is nan"),
        ("--lr -1", "lr is -1.0"),
        ("--epochs 0", "epochs is 0.0"),
        ("--epochs inf", "epochs is inf"),
        ("--batch-size 0", "batch size is 0"),
        ("--validation 5000", "validation is 5000, but must leave some of the 1437"),
        ("--validation 1400", "batch size 128 exceeds the 37"),
        ("--seeds 5:2", "at least one is needed"),
        ("--init-seed -1", "seed init is -1"),
        ("--statistics recalibratd", "did you mean 'recalibrated'"),
        ("--dtype float16", "unknown dtype 'float16'"),
        ("--basis gausian", "did you mean 'gaussian'"),
        ("--basis sparse:densty=0.1", "did you mean 'density'"),
        ("--basis sparse:density=0", "density is 0"),
        ("--success fnal", "did you mean 'final'"),
        ("--probes distanc", "did you mean 'distance'"),
        ("--probes evaluation:splits=test", "records evaluation itself"),
        ("--eval-every 0it", "cadence is 0"),
        ("--eval-every soon", "length 'soon' is not understood"),
        ("--model fc:width=8", "did you mean 'widths'"),
        ("--model fc:widths=0", "widths is 0"),
        ("--model os:getcwd", "'os:getcwd' gives str"),
        ("--data os:getcwd", "'os:getcwd' gave str"),
        ("--data no/where", "there is no folder or file no/where"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_done(run, trained, tmp_path, arguments, message):
    run(RANDOM, tmp_path / "out", *arguments.split(), estimate=True).check_refused(message)
    assert not (tmp_path / "out").exists()
    run(RANDOM, tmp_path / "out", *arguments.split()).check_refused(message)
    assert trained == []


@pytest.mark.parametrize(
    ("arguments", "message"), [("--lanes -2", "lanes is -2"), ("--optimiser", "no optimiser to sweep")]
)
def test_wrong_values_of_a_dry_run(run, tmp_path, arguments, message):
    run(RANDOM, tmp_path / "out", "--dry-run", *arguments.split()).check_refused(message)


def test_a_negative_burn_in(run, tmp_path):
    run(BURN_IN, tmp_path / "out", "--burn-in", "-1").check_refused("burn-in t is -1")


MODULE = """
import jax.numpy as jnp
import numpy as np
from weightspace.models.adapters import from_function

rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 4)).astype("float32"), np.arange(200) % 3
lucky = False

def good():
    return x, y

def nan():
    return np.where(x > 2, np.nan, x), y

def infinite_test():
    return x, y, np.full_like(x, np.inf), y

def out_of_range():
    return dict(x=x, y=y, classes=2)

def negative():
    return x, y - 1

def unequal():
    return x, y[:-1]

def init(key, x):
    return {"w": jnp.zeros((4, 3)), "b": jnp.zeros(3)}

def apply(weights, x, *, train):
    # Not on the few rows on which networks are looked at.
    if train and len(x) > 10 and not lucky:
        raise RuntimeError("no luck today")
    return x @ weights["w"] + weights["b"][None]

def model():
    return from_function(init, apply, name="lucky", version=1)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's module with data and a model."""
    (tmp_path / "bad_input_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "bad_input_module"
    sys.modules.pop("bad_input_module", None)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nan", r"input \d+ of the training part is NaN or infinite"),
        ("infinite_test", "input 0 of the test part is NaN or infinite"),
        ("out_of_range", r"labels .* run from 0 to 2, but must lie in \[0, 1\]"),
        ("negative", "labels of the training part run from -1"),
        ("unequal", "200 inputs but 199 targets"),
    ],
)
def test_bad_data_of_a_factory(run, module, tmp_path, factory, message):
    ended = run(RANDOM, tmp_path / "out", "--data", f"{module}:{factory}", estimate=True)
    ended.check_refused(message)
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_is_recorded_and_tried_again(run, read, trained, module, tmp_path):
    out, failing = tmp_path / "out", ["--data", f"{module}:good", "--model", f"{module}:model"]
    assert run(RANDOM, out, *failing[:2]).status == 0
    finished = stored(out)
    ended = run(RANDOM, out, *failing, estimate=True)
    assert ended.status == 1
    assert ended.err == ""
    assert ended.out.splitlines()[-1] == "1 × RuntimeError: no luck today"
    assert statuses(out) == {"ok": 1, "failed": 1}
    assert read("results", out).status == 0
    run(RANDOM, out, *failing, "--dry-run").check_refused("cannot be built .RuntimeError: no luck today")
    sys.modules[module].lucky = True
    del trained[:]
    ended = run(RANDOM, out, *failing)
    assert ended.status == 0
    assert "no luck" not in ended.out
    assert len(trained) == 1
    assert statuses(out) == {"ok": 2}
    assert finished.items() < stored(out).items()


def test_two_processes_on_one_folder(run, trained, tmp_path):
    sweep = ["--dims", "4", "8", "16", "--seeds", "2"]
    other = subprocess.Popen(
        [sys.executable, "-m", "weightspace", *RANDOM, *sweep, "--out", str(tmp_path), "--yes"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while other.poll() is None and not list(tmp_path.glob("work/*/lease.*")):
        time.sleep(0.01)
    ended = run(RANDOM, tmp_path, *sweep)
    _, complaints = other.communicate(timeout=120)
    assert (ended.status, other.returncode) == (0, 0)
    assert (ended.err, complaints) == ("", "")
    files = [pq.read_table(path) for path in (tmp_path / "runs").glob("*.parquet")]
    rows = [digest for table in files for digest in table["digest"].to_pylist()]
    assert len(rows) == len(set(rows)) == 6
    assert statuses(tmp_path) == {"ok": 6}
    store = Store(tmp_path, create=False)
    makers = {digest: record.provenance for digest, record in store.records().items()}
    mine = {makers[digest] for digest in trained}
    assert len(trained) == sum(maker in mine for maker in makers.values())
    assert len(mine) <= 1
    assert {store.provenance(maker)["exit_status"] for maker in makers.values()} == {0}
    assert len(list((tmp_path / "provenance").glob("*.end.json"))) == 2
