"""Work in hand: what a restart finds is what was last written whole."""

import numpy as np
import pyarrow as pa
import pytest

from weightspace.errors import StoreError
from weightspace.store import schema, work
from weightspace.store.schema import StoreWarning

from .builders import cohort, names, truncate

MANIFEST = {"digests": ["a", "b"], "lanes": 2, "nested": {"x": [1, None, 0.5]}}


def test_a_cohort_that_was_not_begun_is_empty_and_leaves_no_trace(store):
    fresh = store.work("c")
    assert fresh.manifest() is None
    assert fresh.load_carry() is None
    assert fresh.done_blocks() == {}
    assert store.unfinished() == []
    assert names(store.root / "work") == []


def test_the_manifest_comes_back_and_makes_it_unfinished(store):
    store.work("c").write_manifest(MANIFEST)
    (again,) = store.unfinished()
    assert again.cohort == "c"
    assert again.manifest() == MANIFEST


def test_a_lease_alone_is_no_unfinished_cohort(store):
    with store.work("c").lease():
        assert store.unfinished() == []


def test_the_carry_comes_back_writable_with_its_information(store):
    flat = {"theta": np.arange(6, dtype=np.float32), "free": np.array([True, False]), "step/t": np.int32(7)}
    store.work("c").save_carry(flat, {"block": 3, "step": 700})
    back, info = store.work("c").load_carry()
    assert info == {"block": 3, "step": 700}
    assert set(back) == set(flat)
    for name, array in flat.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    back["theta"][0] = 9


def test_the_last_carry_counts_and_is_of_one_moment(store, monkeypatch):
    unfinished = store.work("c")
    unfinished.save_carry({"x": np.zeros(3)}, {"step": 1})
    unfinished.save_carry({"x": np.ones(3)}, {"step": 2})

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            unfinished.save_carry({"x": np.full(3, 2.0)}, {"step": 3})
    back, info = unfinished.load_carry()
    assert info == {"step": 2}
    np.testing.assert_array_equal(back["x"], np.ones(3))


def test_a_truncated_carry_is_named_and_counts_as_none(store):
    store.work("c").save_carry({"x": np.zeros(100)}, {})
    truncate(store.work("c").folder / "carry.safetensors")
    with pytest.warns(StoreWarning, match=r"carry\.safetensors cannot be read .*its block starts again"):
        assert store.work("c").load_carry() is None


def test_a_damaged_manifest_is_named_and_counts_as_none(store):
    store.work("c").write_manifest(MANIFEST)
    truncate(store.work("c").folder / "manifest.json")
    with pytest.warns(StoreWarning, match="formed anew"):
        assert store.work("c").manifest() is None


def test_blocks_come_back_as_they_were(store):
    unfinished = store.work("c")
    blocks = {0: cohort(1, 2), 7: cohort(3, readings=()), 11: ([], {}, {})}
    for number, block in blocks.items():
        unfinished.append_rows(number, *block)
    found = store.work("c").done_blocks()
    assert list(found) == [0, 7, 11]
    for number, (rows, history, arrays) in blocks.items():
        assert found[number][0] == rows
        assert found[number][1].to_pydict() == (history or {"digest": [], "step": []})
        assert set(found[number][2]) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[number][2][name], array)


def test_finished_blocks_become_the_cohorts_files(store):
    unfinished = store.work("c")
    unfinished.write_manifest(MANIFEST)
    unfinished.append_rows(0, *cohort(1))
    unfinished.append_rows(1, *cohort(2, scalars={"other": 1.0}))
    blocks = unfinished.done_blocks().values()
    rows = [row for block in blocks for row in block[0]]
    history = pa.concat_tables([block[1] for block in blocks], promote_options="default")
    arrays = {name: array for block in blocks for name, array in block[2].items()}
    store.write_cohort("c", rows, history, arrays)
    unfinished.finish()
    assert set(store.records()) == {row.digest for row in rows}
    np.testing.assert_array_equal(
        store.output(rows[1].digest, "end.weights")["mask"],
        cohort(2)[2][f"{rows[1].digest}/end.weights/mask"],
    )


@pytest.mark.parametrize("ending", ["safetensors", "history.parquet", "parquet"])
@pytest.mark.parametrize("harm", [truncate, lambda path: path.unlink()], ids=["truncated", "removed"])
def test_a_damaged_block_is_computed_again_and_the_others_are_kept(store, ending, harm):
    unfinished = store.work("c")
    unfinished.append_rows(0, *cohort(1))
    unfinished.append_rows(1, *cohort(2))
    harm(unfinished.folder / f"block-0.{ending}")
    if ending == "parquet" and not (unfinished.folder / "block-0.parquet").exists():
        assert list(unfinished.done_blocks()) == [1]
        return
    with pytest.warns(StoreWarning, match=r"block-0.* cannot be read .*computed again"):
        assert list(unfinished.done_blocks()) == [1]


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_block_cut_short_between_its_files_does_not_exist(store, monkeypatch, files):
    """The process dies after so many of the block's three files."""
    left = [files]

    def dying(original):
        def write(*arguments, **keywords):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return original(*arguments, **keywords)

        return write

    for name in ("write_arrays", "write_parquet"):
        monkeypatch.setattr(work, name, dying(getattr(work, name)))
    with pytest.raises(KeyboardInterrupt):
        store.work("c").append_rows(0, *cohort(1))
    assert store.work("c").done_blocks() == {}


def test_finish_removes_all_and_may_be_repeated(store):
    unfinished = store.work("c")
    with unfinished.lease():
        unfinished.write_manifest(MANIFEST)
        unfinished.append_rows(0, *cohort(1))
        unfinished.finish()
        unfinished.finish()
    assert list((store.root / "work").iterdir()) == []


def test_finish_is_complete_in_one_step_even_if_the_process_dies_then(store, monkeypatch):
    unfinished = store.work("c")
    unfinished.write_manifest(MANIFEST)
    unfinished.append_rows(0, *cohort(1))
    monkeypatch.setattr(work.shutil, "rmtree", lambda *_, **__: None)
    unfinished.finish()
    assert store.unfinished() == []
    assert store.work("c").done_blocks() == {}


def test_files_of_another_version_are_refused(store, monkeypatch):
    unfinished = store.work("c")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA", 99)
        unfinished.write_manifest(MANIFEST)
        unfinished.save_carry({"x": np.ones(1)}, {})
        unfinished.append_rows(0, *cohort(1))
    for read in (unfinished.manifest, unfinished.load_carry, unfinished.done_blocks, unfinished.statuses):
        with pytest.raises(StoreError, match="schema version 99, but this weightspace reads version 1"):
            read()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 129])
def test_names_that_are_no_file_names_are_refused(store, name):
    with pytest.raises(StoreError, match="cannot be the name of a file"):
        store.work(name)
