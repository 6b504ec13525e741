import os
import shutil

import numpy as np
import pytest

from tests.data.conftest import encode, pictures, write_parquet
from weightspace.data import Data, Folder, from_arrays, make_data
from weightspace.errors import DataError

X, TEST = pictures(12, (4, 3, 1)), pictures(6, (4, 3, 1), seed=1)
Y, TEST_Y = np.arange(12) % 3, np.arange(6) % 3


def as_parquet(home):
    write_parquet(home / "train-00000-of-00001.parquet", X, Y)
    write_parquet(home / "test-00000-of-00001.parquet", TEST, TEST_Y)


def as_images(home, test="test"):
    for part, images, labels in (("train", X, Y), (test, TEST, TEST_Y)):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            (home / part / str(label)).mkdir(parents=True, exist_ok=True)
            (home / part / str(label) / f"{number:03}.png").write_bytes(encode(image))


def as_npz(home):
    home.mkdir(parents=True)
    np.savez(home / "any.npz", x_train=X[..., 0], y_train=Y, x_test=TEST, y_test=TEST_Y.astype(np.uint8))


def expected():
    return from_arrays(X, Y, TEST, TEST_Y)


def by_class():
    order, test = np.argsort(Y, kind="stable"), np.argsort(TEST_Y, kind="stable")
    return from_arrays(X[order], Y[order], TEST[test], TEST_Y[test])


@pytest.mark.parametrize(
    ("write", "like"), [(as_parquet, expected), (as_images, by_class), (as_npz, expected)]
)
def test_layouts_hold_the_same_content(tmp_path, write, like):
    write(tmp_path / "mine")
    source = Folder(str(tmp_path / "mine"))
    assert source.name == "mine"
    assert source == like()
    assert Data(source).digest == Data(like()).digest
    assert make_data(tmp_path / "mine") == Data(source)


def test_one_file(tmp_path):
    as_npz(tmp_path / "mine")
    source = make_data(str(tmp_path / "mine" / "any.npz")).source
    assert source == expected()
    assert source.name == "any"


def test_a_second_load_reads_no_image(tmp_path, own_cache, monkeypatch):
    as_images(tmp_path / "mine")
    first = Folder(str(tmp_path / "mine")).loaded
    monkeypatch.setattr("weightspace.data.sources.folder.decode_images", None)
    assert Folder(str(tmp_path / "mine")).loaded.digest == first.digest


def test_a_changed_file_is_seen(tmp_path):
    as_images(tmp_path / "mine")
    before = Folder(str(tmp_path / "mine")).loaded.digest
    (tmp_path / "mine" / "train" / "0" / "000.png").write_bytes(encode(pictures(1, (4, 3, 1), seed=9)[0]))
    assert Folder(str(tmp_path / "mine")).loaded.digest != before


def _in_place(old, new):
    old.write_bytes(new)


def _put_there(old, new):
    (old.parent / "new").write_bytes(new)
    (old.parent / "new").rename(old)


@pytest.mark.parametrize("replace", [_in_place, _put_there])
@pytest.mark.parametrize("write", [as_npz, as_parquet, as_images])
def test_another_file_of_the_same_size_and_time_is_seen(tmp_path, write, replace):
    """As `cp -p`, `rsync -a` and archives of fixed times leave it."""
    write(tmp_path / "mine")
    file = next(
        f
        for f in sorted((tmp_path / "mine").rglob("*"))
        if f.is_file() and "test" not in str(f.relative_to(tmp_path))
    )
    before, state, old = Folder(str(tmp_path / "mine")).loaded.digest, file.stat(), file.read_bytes()
    replace(file, _other_of_that_size(file, old))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert Folder(str(tmp_path / "mine")).loaded.digest != before


def _other_of_that_size(file, old):
    """Another file of the same kind and size."""
    scratch = file.with_name("scratch")
    scratch.mkdir()
    for seed in range(100):
        other = scratch / file.name
        if file.suffix == ".npz":
            parts = {"y_train": Y, "x_test": TEST, "y_test": TEST_Y.astype(np.uint8)}
            np.savez(other, x_train=pictures(12, (4, 3), seed + 5), **parts)
        elif file.suffix == ".parquet":
            write_parquet(other, X, np.random.default_rng(seed).permutation(Y))
        else:
            other.write_bytes(encode(pictures(1, (4, 3, 1), seed + 5)[0]))
        new = other.read_bytes()
        if len(new) == len(old) and new != old:
            shutil.rmtree(scratch)
            return new
    raise AssertionError("no other file has this size")


def test_an_empty_folder_of_a_class_that_comes_later_is_seen(tmp_path):
    as_images(tmp_path / "mine")
    assert Folder(str(tmp_path / "mine")).loaded.classes == 3
    (tmp_path / "mine" / "train" / "3").mkdir()
    assert Folder(str(tmp_path / "mine")).loaded.classes == 4


def test_class_folders_are_ordered_as_numbers_or_names(tmp_path):
    for home, classes in ((tmp_path / "numbers", ("2", "10")), (tmp_path / "names", ("cat", "bee"))):
        for part in ("train", "val"):
            for shade, name in enumerate(classes):
                (home / part / name).mkdir(parents=True)
                (home / part / name / "a.png").write_bytes(encode(np.full((2, 2, 1), shade, np.uint8)))
    numbers, names = Folder(str(tmp_path / "numbers")).loaded, Folder(str(tmp_path / "names")).loaded
    assert dict(zip(numbers.train.x[:, 0, 0, 0].tolist(), numbers.train.y.tolist(), strict=True)) == {
        0: 0,
        1: 1,
    }
    assert dict(zip(names.train.x[:, 0, 0, 0].tolist(), names.train.y.tolist(), strict=True)) == {0: 1, 1: 0}


def test_classes_come_from_the_folders_not_the_labels(tmp_path):
    as_images(tmp_path / "mine")
    (tmp_path / "mine" / "train" / "3").mkdir()
    assert Folder(str(tmp_path / "mine")).loaded.classes == 4


def test_what_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="known layout; it should hold train"):
        Folder(str(empty)).load()
    with pytest.raises(DataError, match="there is no folder"):
        Folder(str(tmp_path / "absent")).load()
    as_images(tmp_path / "no_test", test="other")
    with pytest.raises(DataError, match="none called test"):
        Folder(str(tmp_path / "no_test")).load()
    as_images(tmp_path / "extra")
    (tmp_path / "extra" / "test" / "7").mkdir()
    with pytest.raises(DataError, match="classes that train has not: 7"):
        Folder(str(tmp_path / "extra")).load()
    (empty / "a.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        Folder(str(empty)).load()
    np.savez(empty / "a.npz", images=X)
    with pytest.raises(DataError, match="holds images, but must hold x_train"):
        Folder(str(empty)).load()
    np.savez(empty / "a.npz", x_train=np.array([{}], dtype=object), y_train=Y)
    with pytest.raises(DataError, match="plain arrays"):
        Folder(str(empty)).load()
    write_parquet(tmp_path / "half" / "train.parquet", X, Y)
    with pytest.raises(DataError, match="needs a train and a test part, but has train"):
        Folder(str(tmp_path / "half")).load()
