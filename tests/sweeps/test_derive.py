"""Derived values are jobs: kept as they are done, shared by processes, failing with a traceback."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import weightspace as ws
from weightspace.errors import NoResultWarning
from weightspace.node import Derived, Found
from weightspace.run import Row
from weightspace.spec import spec, static
from weightspace.store.base import Store
from weightspace.store.read import results, sql
from weightspace.store.status import status
from weightspace.sweeps import derive
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.engines.base import DerivedJob

SCRIPT = """
import sys
from weightspace.sweeps import derive
from weightspace.sweeps.ask import sweep
from tests.sweeps.test_derive import rows, slowly
derive.STORE_SECONDS = float(sys.argv[4])
derive.computed = slowly(sys.argv[3])
sweep(rows(int(sys.argv[2])), sys.argv[1])
"""


@spec
class Value(Derived):
    """Its number, and an array of it."""

    number: int

    def compute(self):
        return Found({"number": int(self.number)}, {"array": np.full(3, self.number)})


def rows(count):
    return [Row({"seed": n}, Value(n)) for n in range(count)]


def slowly(log, before=lambda: None):
    """Computing a value, with a rest and a line in a log."""
    computed = derive.computed

    def logged(request, *rest):
        before()
        time.sleep(0.02)
        found = computed(request, *rest)
        with Path(log).open("a") as file:
            file.write(f"{request.node.number}\n")
        return found

    return logged


def launch(out, count, log, seconds):
    arguments = [sys.executable, "-c", SCRIPT, str(out), str(count), str(log), str(seconds)]
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": path})


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def lines(log):
    return Path(log).read_text().split() if Path(log).exists() else []


@pytest.mark.parametrize(("count", "seconds"), [(200, 0.3), (60, 1000)])
def test_kill_9_among_many_loses_nothing_and_computes_nothing_twice(tmp_path, count, seconds, monkeypatch):
    """Whether some were stored already, or all lie in work folders."""
    out, log = tmp_path / "out", tmp_path / "log"
    process = launch(out, count, log, seconds)
    wait_for(lambda: len(lines(log)) >= 40)
    process.send_signal(signal.SIGKILL)
    process.wait()
    monkeypatch.setattr(derive, "computed", slowly(log))
    before = lines(log)
    assert len(before) < count
    table = sweep(rows(count), out)
    assert table["status"].tolist() == ["ok"] * count
    assert table["number"].tolist() == list(range(count))
    # The value in hand when the process died may not have been written yet, no other.
    counts = Counter(lines(log))
    assert set(counts) == set(map(str, range(count)))
    assert sum(counts.values()) <= count + 1
    assert all(counts[number] == 1 for number in before[:-1])
    store = Store(out)
    for row in rows(count)[::20]:
        np.testing.assert_array_equal(store.output(row.node.digest, "array"), np.full(3, row.node.number))
    assert not list(out.glob("work/*"))
    assert len(list(out.glob("derived/*.parquet"))) < 20


def test_two_processes_on_one_folder_share_them(tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    processes = [launch(out, 120, log, 0.5) for _ in range(2)]
    assert [process.wait(240) for process in processes] == [0, 0]
    assert Counter(lines(log)) == dict.fromkeys(map(str, range(120)), 1)
    assert status(out)["ok"].tolist() == [120]


def test_an_interruption_ends_the_sweep_and_keeps_what_is_finished(tmp_path, monkeypatch):
    log = tmp_path / "log"

    def third():
        if len(lines(log)) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(derive, "computed", slowly(log, third))
        with pytest.raises(KeyboardInterrupt):
            sweep(rows(6), tmp_path / "out")
    assert results(tmp_path / "out")["status"].tolist().count("ok") == 3
    monkeypatch.setattr(derive, "computed", slowly(log))
    assert sweep(rows(6), tmp_path / "out")["status"].tolist() == ["ok"] * 6
    assert Counter(lines(log)) == dict.fromkeys("012345", 1)


def test_a_damaged_value_in_a_work_folder_is_computed_again(tmp_path):
    out = tmp_path / "out"
    (row,) = rows(1)
    work = Store(out).work(f"derived-{row.node.digest}")
    work.write_manifest({"digests": [row.node.digest]})
    (work.folder / "value.parquet").write_bytes(b"")
    with pytest.warns(UserWarning, match="this value is computed again"):
        assert sweep([row], out)["number"].tolist() == [0]


def test_a_folder_after_a_kill_says_how_far_it_is(tmp_path):
    out, asked = tmp_path / "out", rows(3)
    store = Store(out)
    store.ask("runs", [({"seed": 0}, row.node.digest) for row in asked], {})
    for row in asked[:2]:
        work = store.work(f"derived-{row.node.digest}")
        work.write_manifest({"digests": [row.node.digest]})
        (job,) = DerivedJob((_request(row),), out, "", 0.0).requests
        work.save_value(*derive.computed(job, store, "p"))
    (line,) = status(out).to_dict("records")
    assert (line["ok"], line["waiting"]) == (2, 1)


def _request(row):
    return derive.Request(row.node)


@spec
class Raises(Derived):
    what: str = static()

    def compute(self):
        return _raise(self.what)


def _raise(what):
    if what == "name":
        return undefined_name  # pyright: ignore
    if what == "own":
        raise Exception("plain \udc80 one")  # noqa: TRY002
    if what == "store":
        return {"metric": 1.0}
    raise {"type": TypeError, "key": KeyError, "memory": MemoryError, "stop": StopIteration}[what]("here")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("name", "NameError: name 'undefined_name' is not defined"),
        ("type", "TypeError: here"),
        ("key", "KeyError: 'here'"),
        ("memory", "MemoryError: here"),
        ("stop", "StopIteration: here"),
        ("own", "Exception: plain \\? one"),
        ("store", "StoreError: a metric cannot be called 'metric'"),
    ],
)
def test_whatever_is_raised_is_a_failure_with_a_traceback_and_the_rest_goes_on(tmp_path, what, says):
    broken, fine = Raises(what), Value(1)
    with pytest.warns(NoResultWarning, match=says.partition(":")[0]):
        table = sweep([Row({"seed": 0}, broken), Row({"seed": 1}, fine)], tmp_path / "out")
    assert table["status"].tolist() == ["failed", "ok"]
    assert str(table["error"][0]).replace("?", "?").startswith(says.replace("\\", ""))
    store = Store(tmp_path / "out")
    text = store.traceback(broken.digest)
    assert "Traceback" in text
    assert ("_raise" in text) == (what != "store")
    assert store.traceback(fine.digest) is None
    found = sql(store, "SELECT digest FROM runs WHERE traceback IS NOT NULL")["digest"]
    assert found.tolist() == [broken.digest]
    # A later sweep tries it again.
    with pytest.warns(NoResultWarning):
        sweep([Row({"seed": 0}, broken)], tmp_path / "out")


@spec
class Mixed(Derived):
    """Numbers of every library, as today's plain dict."""

    def compute(self):
        return {
            "float32": np.float32(0.5), "float64": np.float64(0.25), "jax": jnp.float32(2),
            "zero_d": np.array(3.5), "int64": np.int64(7), "flag": np.bool_(True), "bf16": jnp.bfloat16(1.5),
            "vector": np.ones(1),
            "tree": {"a": np.zeros(2)},
        }  # fmt: skip


def test_numbers_of_any_library_are_columns_and_arrays_outputs(tmp_path):
    (line,) = sweep([Row({"seed": 0}, Mixed())], tmp_path).to_dict("records")
    numbers = {"float32": 0.5, "float64": 0.25, "jax": 2.0, "zero_d": 3.5, "int64": 7, "flag": 1, "bf16": 1.5}
    assert {name: line[name] for name in numbers} == numbers
    assert Store(tmp_path).record(Mixed().digest).outputs == {"vector", "tree"}


@spec
class Takes(Derived):
    given: Any

    def compute(self):
        assert isinstance(self.given, np.ndarray)
        return {"type": str(self.given.dtype), "twice": 2 * float(self.given)}


def test_a_number_that_another_node_takes_is_an_output_too(tmp_path):
    rows = [Row({"seed": n}, Takes(Mixed().output(name))) for n, name in enumerate(("float32", "int64"))]
    table = sweep([Row({"seed": 9}, Mixed()), *rows], tmp_path)
    assert table["twice"].tolist()[1:] == [1.0, 14.0]
    assert table["type"].tolist()[1:] == ["float32", "int64"]


def test_an_output_that_is_not_there_is_said_and_not_sought_for_ever(tmp_path):
    with pytest.warns(NoResultWarning, match="Mixed gives no output 'vectr'.* did you mean 'vector'"):
        table = sweep([Row({"seed": 0}, Takes(Mixed().output("vectr")))], tmp_path)
    assert table["status"].tolist() == ["blocked"]


def test_jobs_are_divided_among_the_workers_of_an_engine(tmp_path):
    class Several:
        workers = 3

        def __init__(self):
            self.sizes = []

        def imap(self, jobs, progress):
            from weightspace.sweeps.engines.base import work_on

            for job in jobs:
                self.sizes.append(len(job.digests))
                yield work_on(job, progress)

    engine = Several()
    table = sweep(rows(20), tmp_path / "out", engine=engine)
    assert table["number"].tolist() == list(range(20))
    assert engine.sizes == [2] * 10


def test_arrays_do_not_pile_up_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(derive, "MOST_BYTES", 100)
    seen, original = [], derive._Values.store_all
    monkeypatch.setattr(
        derive._Values, "store_all", lambda self: (seen.append(len(self.rows)), original(self))
    )
    sweep(rows(12), tmp_path / "out")
    assert max(seen) == 5  # of 24 bytes each
    assert ws.results(tmp_path / "out")["status"].tolist() == ["ok"] * 12
