"""A killed sweep goes on where it was, to the same bits; two processes share the work."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.builders import small_run, users_environment
from weightspace.probes import Evaluation, Snapshot
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.store.read import history
from weightspace.sweeps import execute
from weightspace.sweeps.ask import sweep
from weightspace.tree import equal

pytestmark = pytest.mark.optimised
SCRIPT = """
import sys
import weightspace.sweeps.execute as execute
from weightspace import platform
platform.use_cpu_devices(2)
execute.SAVE_SECONDS = 0.0
execute.CALL_SECONDS = 0.05
from tests.sweeps.test_resume import rows
from weightspace.sweeps.ask import sweep
sweep(rows(int(sys.argv[2])), sys.argv[1], lanes=1)
"""


def rows(count):
    probes = (Evaluation(("test",)), Snapshot("end"))
    runs = [small_run(s, dim=8, length="4000it", lr=0.02) for s in range(count)]
    return [Row({"seed": run.seeds.base}, run, Watch("500it", probes)) for run in runs]


def launch(out, count, environment):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(out), str(count)], env=environment)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def weights(out, count):
    store = Store(out)
    return [store.output(row.node.digest, "snapshot(end).weights") for row in rows(count)]


def test_kill_9_in_the_middle_changes_no_bit(tmp_path):
    sweep(rows(4), tmp_path / "whole", lanes=1)
    out = tmp_path / "killed"
    process = launch(out, 4, users_environment())
    wait_for(lambda: list(out.glob("work/*/carry.safetensors")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    (work,) = Store(out).unfinished()
    saved = work.load_carry()
    assert saved is not None
    assert 0 < saved[1]["t"] < 4000
    steps = []
    original = execute._Training._restore

    def watched(self, fresh):
        carry = original(self, fresh)
        steps.append(self.t)
        return carry

    execute._Training._restore = watched
    try:
        sweep(rows(4), out, lanes=1)
    finally:
        execute._Training._restore = original
    assert max(steps) > 0, "the restart began again instead of resuming"
    assert all(equal(a, b) for a, b in zip(weights(tmp_path / "whole", 4), weights(out, 4), strict=True))
    one, two = (history(p, "runs").sort_values(["run", "step", "metric"]) for p in (tmp_path / "whole", out))
    np.testing.assert_array_equal(one["value"].to_numpy(), two["value"].to_numpy())
    assert not list(out.glob("work/*"))


def test_two_processes_on_one_folder_share_the_work(tmp_path):
    first = launch(tmp_path, 4, os.environ)
    wait_for(lambda: list(tmp_path.glob("work/*/lease.*")))
    second = launch(tmp_path, 4, os.environ)
    assert first.wait(240) == 0
    assert second.wait(240) == 0
    store = Store(tmp_path)
    assert {store.record(row.node.digest).status for row in rows(4)} == {"ok"}
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 1
