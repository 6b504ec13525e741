"""Housekeeping: merging and dropping change what files there are, never what is read."""

import os
import threading
import time

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import StoreError
from weightspace.store import compact as module
from weightspace.store import index
from weightspace.store.base import Store
from weightspace.store.compact import clean, compact
from weightspace.store.lease import Lease
from weightspace.store.read import history, results
from weightspace.store.schema import StoreWarning
from weightspace.tree import equal

from .builders import WEIGHTS, cohort, digest, names, row, tree, truncate, write


def fill(store, count=12):
    for number in range(0, count, 2):
        scalars = {"x": float(number)} if number % 4 else {"x": float(number), "y": 1.0}
        write(store, f"c{number}", number, number + 1, scalars=scalars)
    store.write_derived("w0", [row(100, outputs=(), readings=())], {})
    store.write_derived("w1", [row(101, outputs=(), readings=(), scalars={"z": 1.0})], {})
    store.ask("e", [({"dim": number}, digest(number)) for number in (*range(count), 100, 101)], {})


def content(store):
    """All that can be read, in a form that can be compared."""
    fresh = Store(store.root, create=False)
    records = {
        name: (
            record.status,
            record.outputs,
            record.readings,
            record.metrics,
            record.written,
            fresh.spec(name),
        )
        for name, record in fresh.records().items()
    }
    outputs = {(name, key): fresh.output(name, key) for name, found in records.items() for key in found[1]}
    return results(fresh), history(fresh), records, outputs


def assert_same(before, after):
    for frame, other in zip(before[:2], after[:2], strict=True):
        pd.testing.assert_frame_equal(frame, other, check_like=True)
    assert before[2] == after[2]
    assert before[3].keys() == after[3].keys()
    assert all(equal(value, after[3][name]) for name, value in before[3].items())


def test_everything_is_read_as_before_from_fewer_files(store):
    fill(store)
    before = content(store)
    done = compact(store.root)
    assert (done.before, done.after) == (8, 2)
    assert_same(before, content(store))
    files = [
        name for name in names(store.root) if name.split("/")[0] in ("runs", "derived", "history", "arrays")
    ]
    assert len(files) == 4
    assert compact(store.root) == module.Compaction(2, 2)


def test_an_open_store_follows(store):
    fill(store)
    reader = Store(store.root, create=False)
    assert equal(reader.output(digest(3), WEIGHTS), tree(3))
    compact(store.root)
    assert equal(reader.output(digest(3), WEIGHTS), tree(3))
    assert reader.spec(digest(5))
    assert len(reader.records()) == 14


@pytest.mark.parametrize("steps", range(12))
def test_a_crash_at_any_step_loses_nothing(store, monkeypatch, steps):
    """The process dies after so many files were written or removed."""
    fill(store, 6)
    before = content(store)
    left = [steps]

    def dying(original):
        def act(*arguments, **keywords):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return original(*arguments, **keywords)

        return act

    with monkeypatch.context() as patch:
        for name in ("write_arrays", "write_parquet"):
            patch.setattr(module, name, dying(getattr(module, name)))
        patch.setattr(module.Path, "unlink", dying(module.Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            compact(store.root)
    assert_same(before, content(store))
    compact(store.root)
    assert_same(before, content(store))
    assert len([name for name in names(store.root) if name.startswith("runs/")]) == 1


def test_superseded_records_are_dropped(store):
    write(store, "a", 1, status="failed", outputs=(), readings=())
    write(store, "b", 1, readings=(1, 2))
    write(store, "c", 1, readings=(3, 4))
    before = content(store)
    compact(store.root)
    assert_same(before, content(store))
    assert len(names(store.root / "runs")) == 1
    assert len(history(store.root)) == 2


def test_a_lone_file_is_rewritten_only_if_something_in_it_is_superseded(store):
    write(store, "a", 1, 2)
    before = names(store.root)
    assert compact(store.root) == module.Compaction(1, 1)
    assert names(store.root) == before


def test_large_files_are_left_alone_and_merged_ones_stay_small(store):
    write(store, "large", *range(200, 210))
    fill(store)
    compact(store.root, most_rows=6)
    sizes = sorted(
        pd.read_parquet(path, columns=["digest"]).shape[0] for path in (store.root / "runs").iterdir()
    )
    assert sizes == [6, 6, 10]
    assert (store.root / "runs" / "large.parquet").exists()
    assert compact(store.root, most_bytes=1) == module.Compaction(4, 4)


def test_damaged_files_are_left_for_the_user_to_see(store):
    fill(store, 6)
    truncate(store.root / "runs" / "c0.parquet")
    truncate(store.root / "arrays" / "c2.safetensors")
    truncate(store.root / "history" / "c4.parquet")
    with pytest.warns(StoreWarning):
        before = content(store)
    with pytest.warns(StoreWarning):
        compact(store.root)
    assert (store.root / "runs" / "c0.parquet").exists()
    with pytest.warns(StoreWarning, match=r"c0\.parquet"):
        assert_same(before, content(store))


def test_reading_goes_on_while_files_are_merged(store):
    fill(store, 24)
    expected = content(store)
    stop, failures, rounds = threading.Event(), [], [0]

    def read():
        reader = Store(store.root, create=False)
        while not stop.is_set():
            try:
                assert len(results(reader)) == 26
                assert set(results(reader)["status"]) == {"ok"}
                assert len(history(reader)) == 48
                assert equal(reader.output(digest(rounds[0] % 24), WEIGHTS), tree(rounds[0] % 24))
                rounds[0] += 1
            except BaseException as error:
                failures.append(error)
                return

    thread = threading.Thread(target=read)
    thread.start()
    for most_rows in (3, 5, 9, 17, 33):
        compact(store.root, most_rows=most_rows)
        write(store, f"again{most_rows}", 0, 1, scalars={"x": 0.0, "y": 1.0})
    stop.set()
    thread.join()
    assert not failures
    assert rounds[0] > 0
    found = content(store)
    assert found[3].keys() == expected[3].keys()


@pytest.mark.parametrize(
    ("look", "values"),
    [("read_parquet", {}), ("kept_outputs", {"readings": ()}), ("open_parquet", {"outputs": ()})],
    ids=["rows", "arrays", "history"],
)
def test_files_merged_in_the_middle_of_a_look_lose_nothing(store, monkeypatch, look, values):
    """The reader comes to rows, or from the rows to their arrays or history, and these are gone."""
    for number in range(3):
        write(store, f"c{number}", number, **values)
    before = content(store)[2]
    original, due = getattr(index, look), [True]

    def late(path, *rest):
        if path.stem == "c2" and due:  # the last one, whose loss nothing after it would tell
            due.pop()
            compact(store.root)
        return original(path, *rest)

    reader = Store(store.root, create=False)
    monkeypatch.setattr(index, look, late)
    found = reader.records()
    assert {name: record.outputs for name, record in found.items()} == {
        name: r[1] for name, r in before.items()
    }
    assert {name: record.readings for name, record in found.items()} == {
        name: r[2] for name, r in before.items()
    }


def test_two_cannot_keep_house_at_once(store):
    fill(store, 2)
    with Lease(store.root / "work" / ".housekeeping"):
        for act in (compact, clean):
            with pytest.raises(StoreError, match="being worked on"):
                act(store.root)


def test_clean_drops_arrays_and_keeps_the_tables(store):
    fill(store)
    tables = content(store)[:2]
    size = sum(path.stat().st_size for path in (store.root / "arrays").iterdir())
    assert clean(store.root) == size
    assert list((store.root / "arrays").iterdir()) == []
    for frame, other in zip(tables, content(store)[:2], strict=True):
        pd.testing.assert_frame_equal(frame, other)
    assert all(record.outputs == set() for record in store.records().values())
    assert clean(store.root) == 0


def test_clean_keeps_what_it_is_told_to(store):
    write(store, "a", 1, outputs=(WEIGHTS, "end.state", "trajectory.basis"))
    write(store, "b", 2, outputs=("trajectory.basis",))
    size = sum(path.stat().st_size for path in (store.root / "arrays").iterdir())
    freed = clean(store.root, keep="end.*")
    assert freed == size - sum(path.stat().st_size for path in (store.root / "arrays").iterdir())
    records = store.records()
    assert records[digest(1)].outputs == {WEIGHTS, "end.state"}
    assert records[digest(2)].outputs == set()
    assert equal(store.output(digest(1), WEIGHTS), tree(1))
    with pytest.raises(StoreError, match=r"no output 'trajectory\.basis'"):
        store.output(digest(1), "trajectory.basis")


def test_an_open_store_notices_what_was_dropped(store):
    write(store, "a", 1, outputs=(WEIGHTS, "trajectory.basis"))
    reader = Store(store.root, create=False)
    assert equal(reader.output(digest(1), "trajectory.basis"), tree(1))
    for keep in (WEIGHTS, ()):
        clean(store.root, keep=keep)
        with pytest.raises(StoreError, match=r"no output 'trajectory\.basis'"):
            reader.output(digest(1), "trajectory.basis")


def test_dropped_outputs_can_be_recorded_again(store):
    write(store, "a", 1)
    clean(store.root)
    write(store, "a", 1)
    assert equal(store.output(digest(1), WEIGHTS), tree(1))
    compact(store.root)
    assert equal(store.output(digest(1), WEIGHTS), tree(1))


def test_clean_waits_for_those_who_work(store):
    fill(store, 2)
    work = store.work("c")
    work.write_manifest({"digests": []})
    with work.lease(), pytest.raises(StoreError, match=f"process {os.getpid()} on .*then clean"):
        clean(store.root)
    clean(store.root)
    assert work.manifest() is not None


def test_clean_removes_what_crashes_left_if_it_is_old(store):
    fill(store, 2)
    left = [
        store.root / "runs" / ".c.parquet.1-ab.tmp",
        store.root / "asked" / "e" / ".q.parquet.1-ab.tmp",
        store.root / "history" / "orphan.parquet",
    ]
    for path in left:
        path.write_bytes(b"x" * 10)
    begun = store.root / "work" / ".c-0123"
    begun.mkdir()
    (begun / "block-0.parquet").write_bytes(b"x" * 7)
    arrays = sum(path.stat().st_size for path in (store.root / "arrays").iterdir())
    assert clean(store.root) == arrays
    assert all(path.exists() for path in (*left, begun))
    old = time.time() - 7200
    for path in (*left, begun):
        os.utime(path, (old, old))
    assert clean(store.root) == 37
    assert not any(path.exists() for path in (*left, begun))
    assert len(history(store.root)) == 4


def test_masks_stay_packed_when_merged(store):
    mask = np.random.default_rng(0).random(80_000) < 0.5
    for number in range(3):
        rows, columns, _ = cohort(number, outputs=("mask",))
        store.write_cohort(f"c{number}", rows, columns, {f"{digest(number)}/mask": mask})
    compact(store.root)
    (path,) = (store.root / "arrays").iterdir()
    assert path.stat().st_size < 3 * mask.size / 8 + 2_000
    np.testing.assert_array_equal(store.output(digest(2), "mask"), mask)
