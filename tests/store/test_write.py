"""Writing: whole or not at all, and one sentence for what went wrong."""

import errno
import os
import subprocess

import numpy as np
import pyarrow as pa
import pytest

from weightspace.errors import StoreError
from weightspace.store import write
from weightspace.store.arrays import Tensors, write_arrays
from weightspace.store.base import Store
from weightspace.store.schema import read_parquet
from weightspace.store.write import atomic, write_json, write_parquet

from .builders import cohort, digest, names
from .builders import write as write_runs


def write_half(path):
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_nothing_is_visible_before_the_end(tmp_path):
    path = tmp_path / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_content_is_flushed_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.fstat(fd).st_ino), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_json(tmp_path / "a.json", 1)
    assert calls == [(tmp_path / "a.json").stat().st_ino, "rename", tmp_path.stat().st_ino]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "not allowed"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "does not exist any more"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_reports_becomes_a_sentence(tmp_path, monkeypatch, code, says):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=says) as caught:
        write_json(tmp_path / "a.json", 1)
    assert str(tmp_path / "a.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_path_below_a_file_is_explained(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a part of the path is a file"):
        write_json(tmp_path / "file" / "a.json", 1)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A file system of one mebibyte."""
    folder = tmp_path_factory.mktemp("disk")
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        )
    except OSError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights that this process does not have")
    yield folder
    subprocess.run(["umount", folder], check=True)


LARGE = np.random.default_rng(0).random(400_000)


@pytest.mark.parametrize(
    "write_large",
    [
        lambda path: write_arrays(path, {"d/k": LARGE}.items(), "arrays"),
        lambda path: write_parquet(path, pa.table({"x": LARGE}), "history"),
        lambda path: write_json(path, LARGE.tolist()),
    ],
    ids=["safetensors", "parquet", "json"],
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(small_disk, write_large):
    with pytest.raises(StoreError, match="the disk is full"):
        write_large(small_disk / "large")
    assert list(small_disk.iterdir()) == []


def test_what_was_finished_survives_a_full_disk(small_disk):
    store = Store(small_disk / "out")
    write_runs(store, "first", 1)
    rows, history, arrays = cohort(2)
    large = {name: np.resize(LARGE, 400_000) for name in arrays}
    with pytest.raises(StoreError, match="the disk is full"):
        store.write_cohort("second", rows, history, large)
    assert set(Store(small_disk / "out").records()) == {digest(1)}
    write_runs(store, "second", 2)
    assert set(store.records()) == {digest(1), digest(2)}


def test_the_full_disk_of_a_library_without_error_codes(tmp_path, monkeypatch):
    def fail(*_):
        raise write.safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(write.safetensors.numpy, "save_file", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        write_arrays(tmp_path / "a.safetensors", {}.items(), "arrays")


def test_metadata_travels_with_the_file(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({"x": [1]}), "runs", {"note": "ü"})
    assert read_parquet(tmp_path / "a.parquet", "runs").schema.metadata[b"note"].decode() == "ü"
    write_arrays(tmp_path / "a.safetensors", {}.items(), "carry", {"step": 3})
    assert Tensors(tmp_path / "a.safetensors", "carry").info == {"step": 3}
