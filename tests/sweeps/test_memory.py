"""Blocks that fit, cohorts that are cut, jobs that fail."""

import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from weightspace.errors import InputError, NoResultWarning
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.sweeps import cohorts, execute, memory
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.cohorts import form, group, prepare
from weightspace.sweeps.requests import Request, readings_of
from weightspace.training.block import BlockKey, block_for


def request(run):
    return Request(run, (EVALUATION,), readings_of(run, Watch("10it")))


def bytes_of(run):
    resolved, probes, groups = prepare(request(run), {})
    key = BlockKey.of(resolved, probes, groups, run.precision, 1, 1)
    return memory.run_bytes(key, resolved, block_for(key).feed(run))


def test_a_basis_counts_four_bytes_an_entry():
    small, large = bytes_of(small_run(0, dim=10)), bytes_of(small_run(0, dim=110))
    size = 64 * 16 + 16 + 160 + 10
    # 100 more columns, and 100 more entries of θ and of its momentum.
    assert large - small == 4 * 100 * size + 2 * 4 * 100


def test_lanes_are_halved_until_they_fit(monkeypatch):
    monkeypatch.setattr(memory, "device_bytes", lambda _: 1000 / memory.SHARE)
    assert memory.lanes_that_fit(16, 10, 1) == 16
    assert memory.lanes_that_fit(16, 100, 1) == 4
    with pytest.raises(InputError, match="one run needs"):
        memory.lanes_that_fit(16, 2000, 1)


def test_runs_of_one_structure_form_one_cohort_and_large_ones_are_cut(monkeypatch):
    runs = [request(small_run(s, dim=d, lr=lr)) for d in (2, 3) for s in range(3) for lr in (0.1, 0.2)]
    found = group(runs, {}, 1, "cpu")
    assert sorted(len(c.requests) for c in found) == [6, 6]
    monkeypatch.setattr(cohorts, "LARGEST", 4)
    assert sorted(len(c.requests) for c in group(runs, {}, 2, "cpu")) == [2, 2, 4, 4]


def test_a_cohort_s_name_is_that_of_its_members():
    a, b = request(small_run(0)), request(small_run(1))
    assert form([a, b], 1).name == form([a, b], 1).name
    assert form([a, b], 1).name != form([a], 1).name
    assert form([a], 1).name != form([a], 2).name


def test_out_of_memory_halves_the_lanes(tmp_path, monkeypatch):
    import jax

    original, lanes_tried = execute._Worker._train_block, []

    def crowded(self, requests, lanes, devices):
        lanes_tried.append(lanes)
        if lanes > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return original(self, requests, lanes, devices)

    monkeypatch.setattr(execute._Worker, "_train_block", crowded)
    rows = [Row({"seed": s}, small_run(s, dim=2), Watch("10it", (EVALUATION,))) for s in range(4)]
    table = sweep(rows, tmp_path, lanes=4)
    assert set(table["status"]) == {"ok"}
    assert lanes_tried[:3] == [4, 2, 1]


def test_a_program_that_fails_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    original = execute._Worker._train_block

    def broken(self, requests, lanes, devices):
        if requests[0].node.space.basis.dim == 3:
            raise RuntimeError("no such kernel")
        return original(self, requests, lanes, devices)

    monkeypatch.setattr(execute._Worker, "_train_block", broken)
    rows = [Row({"dim": d, "seed": 0}, small_run(0, dim=d), Watch("10it", (EVALUATION,))) for d in (2, 3)]
    with pytest.warns(NoResultWarning, match="1 failed .RuntimeError: no such kernel"):
        table = sweep(rows, tmp_path).set_index("dim")
    assert dict(table["status"]) == {2: "ok", 3: "failed"}
    assert np.isfinite(table.loc[2, "test_loss"])
    failed = Store(tmp_path).record(rows[1].node.digest)
    assert "no such kernel" in failed.error
    monkeypatch.undo()
    again = sweep(rows, tmp_path).set_index("dim")
    assert dict(again["status"]) == {2: "ok", 3: "ok"}
