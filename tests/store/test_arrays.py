"""Arrays: whatever goes in comes out with the same bits, type, shape and structure."""

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from weightspace.errors import StoreError
from weightspace.store.arrays import Tensors, from_tensors, kept_outputs, to_tensors, write_arrays
from weightspace.store.schema import DamagedError
from weightspace.store.write import write_safetensors
from weightspace.tree import equal

from .builders import truncate

TYPES = [
    *(bool, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, np.complex64, np.complex128),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4),
]


def round_trip(path, tree):
    write_arrays(path, to_tensors("d", "key", tree).items(), "arrays")
    return from_tensors("d", "key", Tensors(path, "arrays"))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (7,), (3, 5)])
def test_bits_type_and_shape_come_back(tmp_path, dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)) % 3).reshape(shape).astype(dtype)
    back = round_trip(tmp_path / "a.safetensors", array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(10)[::-2],
        np.arange(6, dtype=">f8"),
        np.asfortranarray(np.eye(3, 4) > 0),
        3,
        2.5,
        True,
    ],
    ids=["transposed", "strided", "big-endian", "fortran-bool", "int", "float", "plain-bool"],
)
def test_any_memory_layout_comes_back_by_value(tmp_path, array):
    np.testing.assert_array_equal(round_trip(tmp_path / "a.safetensors", array), array)


KEYS = ["a", "", "/", "~", "a/b", "~0", "~1", "~/", "01", "é x", ".", "{}"]


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"a": {}},
        {"a": {}, "b": {"c": {}, "d": np.ones(2)}},
        {"a": {"b": np.ones(1)}, "a/b": np.zeros(1), "a~1b": np.full(1, 2.0)},
        {key: np.full(2, number) for number, key in enumerate(KEYS)},
        {key: {key: np.full(2, number), "x": {}} for number, key in enumerate(KEYS)},
    ],
)
def test_nested_dicts_come_back_with_odd_keys_and_empty_parts(tmp_path, tree):
    assert equal(round_trip(tmp_path / "a.safetensors", tree), tree)


@pytest.mark.parametrize("first", KEYS)
def test_outputs_with_odd_names_are_told_apart(first):
    tensors = to_tensors("d", first, {"x": np.ones(1)})
    assert from_tensors("d", first, tensors)["x"] == 1
    for second in set(KEYS) - {first}:
        with pytest.raises(KeyError):
            from_tensors("d", second, tensors)


def test_masks_take_a_bit_an_entry(tmp_path):
    mask = np.random.default_rng(0).random((100, 800)) < 0.5
    write_arrays(tmp_path / "m.safetensors", to_tensors("d", "mask", mask).items(), "arrays")
    size = (tmp_path / "m.safetensors").stat().st_size
    assert mask.size / 8 <= size < mask.size / 8 + 1_000


def test_only_what_is_asked_for_is_read(tmp_path):
    arrays = {f"d/k/{number}": np.full(1_000, number) for number in range(50)}
    write_arrays(tmp_path / "a.safetensors", arrays.items(), "arrays")
    tensors = Tensors(tmp_path / "a.safetensors", "arrays")
    assert sorted(tensors) == sorted(arrays)
    assert tensors["d/k/7"].base is not None
    assert not tensors["d/k/7"].flags.writeable
    np.testing.assert_array_equal(tensors["d/k/7"], arrays["d/k/7"])


def test_views_outlive_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"d/k": np.arange(5)}.items(), "arrays")
    view = Tensors(path, "arrays")["d/k"]
    write_arrays(path, {"d/k": np.zeros(5)}.items(), "arrays")
    path.unlink()
    np.testing.assert_array_equal(view, np.arange(5))


def test_kept_outputs_are_known_without_reading_arrays(tmp_path):
    arrays = to_tensors("d", "a/b", {"x": np.ones(1)}) | to_tensors("d", "c", 1) | to_tensors("e", "c", {})
    write_arrays(tmp_path / "a.safetensors", arrays.items(), "arrays")
    assert kept_outputs(tmp_path / "a.safetensors") == {"d": {"a/b", "c"}, "e": {"c"}}


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"a": [1, 2]}, "d/key/a is of type list"),
        ({"a": None}, "d/key/a is of type NoneType"),
        ({1: np.ones(1)}, "keys are strings"),
        (np.array(["x"]), "only numbers"),
        (np.array([object()]), "only numbers"),
        (np.zeros(2, [("x", "f4")]), "only numbers"),
        (np.zeros(1, "datetime64[s]"), "only numbers"),
    ],
)
def test_what_is_no_tree_of_numbers_is_refused(tree, says):
    with pytest.raises(StoreError, match=says):
        to_tensors("d", "key", tree)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_are_damaged_not_misread(tmp_path, share):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"d/k": np.arange(500)}.items(), "arrays")
    truncate(path, share)
    with pytest.raises(DamagedError, match=r"a\.safetensors cannot be read"):
        Tensors(path, "arrays")


def test_a_file_for_something_else_is_refused(tmp_path):
    write_arrays(tmp_path / "a.safetensors", {}.items(), "carry")
    with pytest.raises(StoreError, match="not a file of weightspace for arrays"):
        Tensors(tmp_path / "a.safetensors", "arrays")


AWKWARD = {
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "strided": np.arange(20, dtype=np.float64)[::3],
    "every other column": np.arange(12, dtype=np.int32).reshape(3, 4)[:, ::2],
    "backwards": np.arange(5, dtype=np.uint8)[::-1],
    "both backwards": np.arange(6, dtype=np.int16).reshape(2, 3)[::-1, ::-1],
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "broadcast": np.broadcast_to(np.float32(3), (2, 3)),
    "empty": np.zeros((0, 3), np.float32),
    "empty within": np.zeros((3, 0, 2), np.int8),
    "scalar": np.array(2.5, np.float32),
    "bfloat16": np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16).T,
    "bfloat16 scalar": np.array(1.5, ml_dtypes.bfloat16),
    "big-endian": np.arange(6, dtype=">f4").reshape(2, 3).T,
    "big-endian integers": np.arange(4, dtype=">i8")[::2],
    "bits": (np.arange(20).reshape(4, 5) % 3 == 0).T,
    "bits backwards": (np.arange(13) % 2 == 0)[::-1],
    "bit": np.array(True),
    "complex": (np.arange(6) * 1j).reshape(2, 3).astype(np.complex64).T,
}


@pytest.mark.parametrize("name", AWKWARD)
def test_arrays_come_back_however_they_lie_in_memory(tmp_path, name):
    array = AWKWARD[name]
    path = tmp_path / "a.safetensors"
    write_arrays(path, [("d/x", array), ("d/y", np.ones(1))], "arrays")
    found = Tensors(path, "arrays")["d/x"]
    assert (found.shape, found.dtype) == (array.shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("name", AWKWARD)
def test_the_one_place_that_writes_forces_the_order(tmp_path, name):
    """Also for a caller that has made nothing of it, as an export."""
    array = AWKWARD[name]
    write_safetensors(tmp_path / "a", {"x": array}, "export")
    np.testing.assert_array_equal(load_file(tmp_path / "a")["x"].reshape(array.shape), array)
