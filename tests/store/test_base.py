"""The store: what is written comes back, whole or not at all, and bad folders are explained."""

import ast
import builtins
import errno
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from weightspace.errors import StoreError
from weightspace.store import base, schema
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.rows import RunRow
from weightspace.tree import equal

from .builders import WEIGHTS, cohort, digest, names, process, row, spec_text, tree, write


def test_a_run_comes_back(store):
    write(store, "c", 1, 2, error=None, provenance="p")
    record = Store(store.root, create=False).records()[digest(2)]
    assert (record.status, record.seconds, record.steps, record.provenance) == ("ok", 1.5, 10, "p")
    assert record.outputs == {WEIGHTS}
    assert record.readings == (5, 10)
    assert record.metrics == {"test_accuracy", "train_loss"}
    assert store.spec(digest(2)) == spec_text(2)
    back = store.output(digest(2), WEIGHTS)
    for name, array in tree(2)["fc"].items():
        np.testing.assert_array_equal(back["fc"][name], array)
        assert back["fc"][name].dtype == array.dtype
    np.testing.assert_array_equal(back["mask"], tree(2)["mask"])


def test_the_files_are_where_they_belong(store):
    write(store, "c", 1)
    store.write_derived("w", [row(2, readings=())], to_tensors(digest(2), WEIGHTS, np.ones(1)))
    store.ask("e", [({"dim": 1}, digest(1))], {})
    found = [name for name in names(store.root) if not name.startswith("asked/")]
    assert found == [
        *("arrays/c.safetensors", "arrays/w.safetensors", "derived/w.parquet", "history/c.parquet"),
        *("runs/c.parquet", "weightspace.json"),
    ]


def test_only_the_tensors_of_one_output_are_read(store, monkeypatch):
    write(store, "c", *range(20), outputs=(WEIGHTS, "0it.weights"))
    store.output(digest(0), WEIGHTS)
    read, original = [], base.Tensors.__getitem__
    monkeypatch.setattr(
        base.Tensors, "__getitem__", lambda self, name: read.append(name) or original(self, name)
    )
    store.output(digest(7), WEIGHTS)
    assert sorted(read) == sorted(to_tensors(digest(7), WEIGHTS, tree(7)))


def test_outputs_are_read_without_looking_through_all_files_again(store, monkeypatch):
    write(store, "c", 1, 2)
    store.records()
    monkeypatch.setattr(store._index, "_look", lambda: pytest.fail("looked through the folders"))
    assert equal(store.output(digest(2), WEIGHTS), tree(2))


def test_a_blank_output_has_the_types_and_shapes_and_no_memory(store):
    made = row(1, outputs=("basis",))
    basis = {"B": np.ones((300, 200), np.float32), "mask": np.ones(50, bool)}
    store.write_cohort("c", [made], {}, to_tensors(made.digest, "basis", basis))
    blank = store.blank(made.digest, "basis")
    for name, array in basis.items():
        assert (blank[name].shape, blank[name].dtype) == (array.shape, array.dtype)
        assert blank[name].strides == (0,) * array.ndim
        assert not blank[name].any()


def test_an_absent_output_or_run_is_named(store):
    write(store, "c", 1)
    with pytest.raises(StoreError, match=r"has no output 'end.weight'; did you mean 'end.weights'"):
        store.output(digest(1), "end.weight")
    with pytest.raises(StoreError, match=f"has no record of {digest(2)}"):
        store.output(digest(2), WEIGHTS)


def test_no_rows_no_history_no_arrays(store):
    store.write_cohort("none", [], {}, {})
    assert names(store.root) == ["weightspace.json"]
    store.write_cohort("bare", [row(1, scalars={}, outputs=(), readings=())], {}, {})
    record = store.records()[digest(1)]
    assert (record.outputs, record.readings, record.metrics) == (frozenset(), (), frozenset())
    assert names(store.root) == ["runs/bare.parquet", "weightspace.json"]


def test_points_without_metrics_are_kept(store):
    made = row(1, scalars={}, outputs=())
    store.write_cohort("c", [made], {"digest": [made.digest] * 2, "step": [5, 10]}, {})
    assert store.records()[digest(1)].readings == (5, 10)


def test_metrics_are_those_with_a_value_and_nan_is_one(store):
    rows = [row(1, scalars={"a": float("nan"), "b": None}), row(2, scalars={"b": 1.0})]
    history = pa.table(
        {
            "digest": [rows[0].digest, rows[1].digest],
            "step": pa.array([5, 5], pa.int32()),
            "x": pa.array([np.nan, None], pa.float32()),
            "y": [None, 1],
        }
    )
    arrays = cohort(1)[2] | cohort(2)[2]
    store.write_cohort("c", rows, history, arrays)
    records = store.records()
    assert records[digest(1)].metrics == {"a", "x"}
    assert records[digest(2)].metrics == {"b", "y"}


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_crash_between_the_files_shows_nothing_and_a_repeat_shows_all(store, monkeypatch, files):
    """The process dies after so many of the three files of a cohort."""
    write(store, "before", 1)
    left = [files]

    def dying(original):
        def write_(*arguments, **keywords):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return original(*arguments, **keywords)

        return write_

    with monkeypatch.context() as patch:
        for name in ("write_arrays", "write_parquet"):
            patch.setattr(base, name, dying(getattr(base, name)))
        with pytest.raises(KeyboardInterrupt):
            write(store, "c", 2)
    assert set(Store(store.root).records()) == {digest(1)}
    write(store, "c", 2)
    assert set(store.records()) == {digest(1), digest(2)}
    assert (store.root / "runs" / "c.parquet").exists()
    np.testing.assert_array_equal(store.output(digest(2), WEIGHTS)["mask"], tree(2)["mask"])


def test_a_killed_process_leaves_what_it_had_finished(store):
    code = """
import os, signal, sys
from tests.store.builders import write
from weightspace.store import base
store = base.Store(sys.argv[1])
write(store, "a", 1)
original = base.write_parquet
def dying(path, *rest):
    if path.parent.name == "runs":
        os.kill(os.getpid(), signal.SIGKILL)
    original(path, *rest)
base.write_parquet = dying
write(store, "b", 2)
"""
    killed = process(code, store.root)
    killed.communicate()
    assert killed.returncode == -9
    assert set(store.records()) == {digest(1)}


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(store):
    write(store, "c", 1)
    write(store, "c", 2)
    store.write_derived("c", [row(3, readings=(), outputs=())], {})
    assert set(store.records()) == {digest(1), digest(2), digest(3)}
    assert {"runs/c.parquet", "runs/c-2.parquet", "derived/c-3.parquet"} <= set(names(store.root))
    np.testing.assert_array_equal(store.output(digest(1), WEIGHTS)["mask"], tree(1)["mask"])


@pytest.mark.parametrize(
    ("rows", "history", "arrays", "says"),
    [
        ([row(1), row(1)], {}, cohort(1)[2], "the same digest"),
        ([row(1)], {}, {}, "lists the output 'end.weights', but no array"),
        ([row(1, outputs=())], {"digest": ["a"], "x": [1.0]}, {}, "needs the columns digest and step"),
        ([row(1, outputs=())], {"digest": ["a"], "step": [1, 2]}, {}, "must have one length"),
        ([row(1, outputs=())], {"digest": ["a"], "step": [1.5]}, {}, "steps whole numbers"),
        (
            [row(1, outputs=())],
            {"digest": ["a"], "step": [1], "x": ["y"]},
            {},
            "metric 'x' must be plain numbers",
        ),
        (
            [row(1, outputs=())],
            {"digest": ["a"], "step": [1], "status": [1.0]},
            {},
            "cannot be called 'status'",
        ),
    ],
)
def test_what_cannot_be_stored_as_it_is_is_refused_before_anything_is_written(
    store, rows, history, arrays, says
):
    with pytest.raises(StoreError, match=says):
        store.write_cohort("c", rows, history, arrays)
    assert names(store.root) == ["weightspace.json"]


def test_a_row_whose_spec_is_not_that_of_its_digest_cannot_be_made():
    with pytest.raises(StoreError, match="store it verbatim"):
        RunRow(digest(1), spec_text(2), "ok")
    with pytest.raises(StoreError, match="cannot be called 'seconds'"):
        row(1, scalars={"seconds": 1.0})
    with pytest.raises(ValueError, match="did you mean 'diverged'"):
        row(1, status="divergd")


def test_an_out_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    for create in (True, False):
        with pytest.raises(StoreError, match="out is a file, but results need a folder"):
            Store(tmp_path / "out", create=create)
    with pytest.raises(StoreError, match="a part of the path is a file"):
        Store(tmp_path / "out" / "deeper")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("code", "says"),
    [(errno.EACCES, "not allowed"), (errno.EROFS, "read-only"), (errno.ENOSPC, "disk is full")],
)
@pytest.mark.parametrize("exists", [True, False])
def test_an_out_that_cannot_be_written(tmp_path, monkeypatch, code, says, exists):
    if exists:
        Store(tmp_path / "out")
    refuse, original = OSError(code, os.strerror(code)), os.open

    def open_(path, flags, *rest, **keywords):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise refuse
        return original(path, flags, *rest, **keywords)

    monkeypatch.setattr(os, "open", open_)
    with pytest.raises(StoreError, match=says):
        Store(tmp_path / "out")
    if exists:
        assert Store(tmp_path / "out", create=False).records() == {}


def test_reading_asks_for_a_results_folder(tmp_path):
    with pytest.raises(StoreError, match=r"nowhere is not a results folder: it does not exist"):
        Store(tmp_path / "nowhere", create=False)
    with pytest.raises(StoreError, match=r"is not a results folder: it has no weightspace\.json"):
        Store(tmp_path, create=False)
    assert names(tmp_path) == []


def test_reading_writes_nothing(store, monkeypatch):
    write(store, "c", 1)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    opened = []
    original = builtins.open
    monkeypatch.setattr(builtins, "open", lambda *a, **k: opened.append(a) or original(*a, **k))
    reader = Store(store.root, create=False)
    reader.output(digest(1), WEIGHTS)
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before
    assert not [arguments for arguments in opened if len(arguments) > 1 and set(arguments[1]) & set("wax+")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps({"weightspace": json.dumps({"kind": "store", "schema": 99})}), "schema version 99"),
        (json.dumps({"weightspace": "other"}), "is not a file of weightspace"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
    ],
)
def test_a_folder_of_another_schema_is_refused(store, content, says):
    (store.root / "weightspace.json").write_text(content)
    for create in (True, False):
        with pytest.raises(StoreError, match=says):
            Store(store.root, create=create)


def test_two_processes_may_open_and_fill_one_folder(tmp_path):
    code = """
import sys
from tests.store.builders import write
from weightspace.store.base import Store
store = Store(sys.argv[1])
for number in range(int(sys.argv[2]), 20, 2):
    write(store, f"c{number}", number)
"""
    both = [process(code, tmp_path / "out", start) for start in (0, 1)]
    for one in both:
        one.communicate()
    assert [one.returncode for one in both] == [0, 0]
    store = Store(tmp_path / "out", create=False)
    assert set(store.records()) == {digest(number) for number in range(20)}


def test_the_store_sees_only_the_ground_below_it():
    """It knows no experiment, no model and no training."""
    # Of the package itself the provenance takes `compiler`, which is ground.
    allowed = {f"weightspace{name}" for name in ("", ".bits", ".digests", ".errors", ".spec", ".tree")}
    for path in Path(base.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        found = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        found |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        ours = {name for name in found if name.startswith("weightspace") and "weightspace.store" not in name}
        assert ours <= allowed, path
        assert not {"jax", "pickle", "flax"} & {name.split(".")[0] for name in found}, path


def test_schema_version_is_what_files_carry(store, monkeypatch):
    assert schema.SCHEMA == 1
    write(store, "c", 1)
    metadata = pa.parquet.read_metadata(store.root / "runs" / "c.parquet").metadata
    assert json.loads(metadata[b"weightspace"]) == {"kind": "runs", "schema": 1}
