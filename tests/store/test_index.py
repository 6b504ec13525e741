"""The index: which record counts, and what damaged and foreign files do."""

import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspace.errors import StoreError
from weightspace.store import index, rows, schema
from weightspace.store.base import Store
from weightspace.store.schema import StoreWarning

from .builders import WEIGHTS, cohort, digest, truncate, write


@pytest.fixture
def clock(monkeypatch):
    """Each cohort is written a second after the one before."""
    now = [1000.0]

    def tick():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(rows.time, "time", tick)


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("ok", "ok", "second"),
        ("diverged", "ok", "second"),
        ("ok", "failed", "first"),
        ("diverged", "blocked", "first"),
        ("failed", "ok", "second"),
        ("blocked", "failed", "second"),
    ],
)
def test_finished_before_failed_and_newer_before_older(store, clock, first, second, counts):
    write(store, "z", 1, status=first, error="first")
    write(store, "a", 1, status=second, error="second")
    assert store.records()[digest(1)].error == counts


def test_a_completed_record_replaces_the_one_that_lacked_something(store, clock):
    write(store, "c", 1, outputs=(), readings=())
    assert store.records()[digest(1)].outputs == set()
    write(store, "c", 1, outputs=(WEIGHTS,), readings=(1, 2, 3))
    assert store.records()[digest(1)].outputs == {WEIGHTS}
    assert store.records()[digest(1)].readings == (1, 2, 3)


def test_files_are_read_once_and_only_new_ones_later(store, monkeypatch):
    opened, original = [], index.read_parquet
    monkeypatch.setattr(
        index, "read_parquet", lambda path, *rest: opened.append(path.name) or original(path, *rest)
    )
    for number in range(3):
        write(store, f"c{number}", number)
    store.records()
    assert sorted(opened) == ["c0.parquet", "c1.parquet", "c2.parquet"]
    opened.clear()
    assert store.records() is store.records()
    assert opened == []
    write(store, "c3", 3)
    assert len(store.records()) == 4
    assert opened == ["c3.parquet"]


def test_a_removed_file_is_forgotten(store):
    write(store, "a", 1)
    write(store, "b", 2)
    store.records()
    (store.root / "runs" / "a.parquet").unlink()
    assert set(store.records()) == {digest(2)}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98])
def test_truncated_rows_are_named_skipped_and_can_be_written_again(store, share):
    write(store, "good", 1)
    write(store, "bad", 2, 3)
    truncate(store.root / "runs" / "bad.parquet", share)
    with pytest.warns(StoreWarning, match=r"bad\.parquet cannot be read .*its runs count as not done"):
        assert set(store.records()) == {digest(1)}
    store.records()  # named once
    write(store, "bad", 2, 3)
    assert set(store.records()) == {digest(1), digest(2), digest(3)}
    assert not (store.root / "runs" / "bad-2.parquet").exists()


def test_a_flipped_byte_in_the_rows_is_noticed(store):
    write(store, "bad", *range(40))
    path = store.root / "runs" / "bad.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(StoreWarning, match=r"bad\.parquet cannot be read"):
        assert store.records() == {}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_arrays_take_the_outputs_and_leave_the_scalars(store, share):
    write(store, "c", 1)
    truncate(store.root / "arrays" / "c.safetensors", share)
    with pytest.warns(StoreWarning, match=r"c\.safetensors cannot be read .*outputs count as not kept"):
        record = store.records()[digest(1)]
    assert record.outputs == set()
    assert record.readings == (5, 10)
    with pytest.raises(StoreError, match="has no output"):
        store.output(digest(1), WEIGHTS)


def test_arrays_that_were_dropped_are_no_damage(store):
    write(store, "c", 1)
    (store.root / "arrays" / "c.safetensors").unlink()
    assert store.records()[digest(1)].outputs == set()


@pytest.mark.parametrize("harm", [truncate, lambda path: path.unlink()], ids=["truncated", "removed"])
def test_a_damaged_history_takes_the_points_and_leaves_the_rest(store, harm):
    write(store, "c", 1)
    harm(store.root / "history" / "c.parquet")
    with pytest.warns(StoreWarning, match=r"history/c\.parquet cannot be read .*not recorded"):
        record = store.records()[digest(1)]
    assert record.readings == ()
    assert record.outputs == {WEIGHTS}


def test_folders_that_did_not_change_a_moment_ago_are_not_looked_through_again(store, monkeypatch):
    write(store, "a", 1)
    parts = ("runs", "derived", "history", "arrays")
    old = time.time() - 10
    for part in parts:
        os.utime(store.root / part, (old, old))
    looks, original = [], store._index._look
    monkeypatch.setattr(store._index, "_look", lambda: looks.append(1) or original())
    for _ in range(3):
        assert len(store.records()) == 1
    assert len(looks) == 1
    write(store, "b", 2)
    assert len(store.records()) == 2
    store.records()
    assert len(looks) == 3  # the folder is too young to tell
    for part in parts:
        os.utime(store.root / part, (old, old))
    store.records()
    monkeypatch.setattr(index, "RECENT", 0.0)
    store.records()
    assert len(looks) == 5


def test_damage_after_a_first_look_is_noticed(store, monkeypatch):
    monkeypatch.setattr(index, "RECENT", 0.0)
    write(store, "c", 1)
    assert store.records()[digest(1)].outputs == {WEIGHTS}
    truncate(store.root / "arrays" / "c.safetensors")
    with pytest.warns(StoreWarning, match="outputs count as not kept"):
        assert store.records()[digest(1)].outputs == set()


@pytest.mark.parametrize("folder", ["runs", "history", "arrays", "derived"])
def test_a_file_of_another_version_is_refused_with_both_versions(store, monkeypatch, folder):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA", 99)
        if folder == "derived":
            store.write_derived("c", *cohort(1, readings=(), outputs=())[::2])
        else:
            write(store, "c", 1)
    if folder in ("history", "arrays"):
        # Only this one of the cohort's files is of the other version.
        ours = Store(store.root.parent / "ours")
        write(ours, "c", 1)
        (ours.root / "runs" / "c.parquet").replace(store.root / "runs" / "c.parquet")
        other = {"history": "arrays/c.safetensors", "arrays": "history/c.parquet"}[folder]
        (ours.root / other).replace(store.root / other)
    says = rf"{folder}/c\.\w+ has schema version 99, but this weightspace reads version 1"
    with pytest.raises(StoreError, match=says):
        store.records()


@pytest.mark.parametrize("metadata", [None, {"weightspace": "[]"}, {"weightspace": '{"kind": "history"}'}])
def test_a_parquet_file_that_is_not_ours_is_refused(store, metadata):
    pq.write_table(
        pa.table({"digest": ["a"]}).replace_schema_metadata(metadata), store.root / "runs" / "strange.parquet"
    )
    with pytest.raises(StoreError, match=r"strange\.parquet is not a file of weightspace for runs"):
        store.records()


def test_a_row_whose_spec_was_changed_is_named_and_skipped(store):
    write(store, "c", 1, 2)
    path = store.root / "runs" / "c.parquet"
    table = pq.read_table(path)
    specs = table["spec"].to_pylist()
    changed = pa.array([specs[0], specs[1].replace("2", "3")])
    pq.write_table(table.set_column(1, "spec", changed), path)
    with pytest.warns(StoreWarning, match=f"the spec of {digest(2)} has another digest"):
        assert set(store.records()) == {digest(1)}


def test_temporary_files_are_passed_over(store):
    write(store, "c", 1)
    (store.root / "runs" / ".x.parquet.1-2.tmp").write_bytes(b"half")
    (store.root / "runs" / ".x.parquet").write_bytes(b"half")
    assert set(store.records()) == {digest(1)}


def test_thousands_of_points_are_kept_once_for_all_runs_of_a_cohort(store):
    write(store, "c", *range(50), readings=tuple(range(2_000)))
    records = store.records()
    assert records[digest(0)].readings == tuple(range(2_000))
    assert len({id(record.readings) for record in records.values()}) == 1


def test_two_thousand_runs_are_read_by_opening_two_files(store, monkeypatch):
    write(store, "c", *range(2_000), outputs=())
    opened, original = [], schema.pq.ParquetFile
    monkeypatch.setattr(
        schema.pq, "ParquetFile", lambda path, **k: opened.append(path) or original(path, **k)
    )
    assert len(store.records()) == 2_000
    assert opened == [store.root / folder / "c.parquet" for folder in ("runs", "history")]
