"""Faults 22 and 25: nothing in a folder is left out without a word; the hub's layouts are read."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.data.conftest import encode, pictures, write_parquet
from weightspace.data import Folder, Hub, from_arrays, make_data
from weightspace.data.sources.layout import DataWarning, survey
from weightspace.data.sources.splits import split_files
from weightspace.errors import DataError

IMAGES = pictures(24, (4, 3, 1))


def put(home, place, number=0):
    file = home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode(IMAGES[number]))
    return file


@pytest.fixture
def animals(tmp_path):
    """Three cats and three dogs in each part, each also outdoors."""
    for part in ("train", "test"):
        for label, kind in enumerate(("cat", "dog")):
            for i in range(3):
                put(tmp_path / "set", f"{part}/{kind}/{i}.png", 6 * label + i)
                put(tmp_path / "set", f"{part}/{kind}/outdoor/{i}.png", 6 * label + 3 + i)
    return tmp_path / "set"


def test_images_below_class_folders_are_read(animals):
    loaded = Folder(str(animals)).loaded
    assert np.array_equal(loaded.train.x, IMAGES[:12])
    assert np.array_equal(loaded.train.y, [0] * 6 + [1] * 6)
    put(animals, "train/dog/outdoor/far/away/9.JPG", 20)
    deeper = Folder(str(animals)).loaded
    assert len(deeper.train.x) == 13
    assert np.bincount(deeper.train.y).tolist() == [6, 7]


def test_images_behind_links_are_read(animals, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, "a.png", 20)
    (animals / "train" / "dog" / "more").symlink_to(elsewhere, target_is_directory=True)
    assert Folder(str(animals)).loaded.train.x.shape[0] == 13
    (elsewhere / "round").symlink_to(animals, target_is_directory=True)
    assert len(survey(animals).parts["train"]) == 13


def test_what_is_no_data_is_passed_over(animals):
    for place in (
        ".DS_Store",
        "train/.DS_Store",
        "train/cat/Thumbs.db",
        "README.md",
        "LICENSE",
        ".git/a.png",
    ):
        (animals / place).parent.mkdir(exist_ok=True)
        (animals / place).write_text("")
    assert len(Folder(str(animals)).loaded.train.x) == 12


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("train/cat/notes.txt", r"would be left out \(1 .txt: train/cat/notes.txt\) beside 24 images"),
        ("train/cat/outdoor/9.heic", r"1 .heic: train/cat/outdoor/9.heic"),
        ("labels.csv", "1 .csv: labels.csv"),
        ("more.zip", "more.zip.*unpack archives"),
        ("train/loose.png", r"1 .png: train/loose.png\) in no folder of a class"),
        ("extra/cat/0.png", r"extra/cat/0.png\) outside train and test"),
        ("0.png", r"0.png\) outside train and test"),
        ("more.npz", "holds 1 .npz, 24 images, of which one alone would be read"),
        ("train-0.parquet", "holds 1 .parquet, 24 images"),
    ],
)
def test_files_that_would_be_left_out(animals, place, message):
    put(animals, place)
    with pytest.raises(DataError, match=message):
        make_data(animals).source.load()


def test_many_files_are_counted_and_a_few_named(animals):
    for i in range(7):
        put(animals, f"train/cat/{i}.txt")
    put(animals, "train/cat/7.tsv")
    with pytest.raises(DataError, match=r"7 .txt, 1 .tsv: .*0.txt, .*1.txt, .*2.txt, … \(8 files\)"):
        Folder(str(animals)).load()


def test_a_refusal_is_not_hidden_by_the_cache(animals):
    Folder(str(animals)).load()
    put(animals, "train/cat/notes.txt")
    with pytest.raises(DataError, match=r"notes.txt"):
        Folder(str(animals)).load()


def test_a_part_that_is_not_used_is_said_with_its_size(animals):
    put(animals, "val/cat/0.png")
    with pytest.warns(
        DataWarning, match=r"part 'val' of set \(1 images\) is not used: train is learnt from and test"
    ):
        Folder(str(animals)).load()
    with pytest.warns(DataWarning, match="'val'"):
        Folder(str(animals)).load()


def test_classes_of_both_parts(animals):
    put(animals, "train/bee/0.png")
    with pytest.raises(
        DataError, match="has no folder for 1 of 3 classes: bee; add their images, or empty folders"
    ):
        Folder(str(animals)).load()
    (animals / "test" / "bee").mkdir()
    loaded = Folder(str(animals)).loaded
    assert (loaded.classes, np.bincount(loaded.test.y).tolist()) == (3, [0, 6, 6])
    put(animals, "test/wolf/0.png")
    with pytest.raises(DataError, match="classes that train has not: wolf"):
        Folder(str(animals)).load()


def test_classes_without_parts_are_split_as_arrays_are(tmp_path):
    for i in range(6):
        put(tmp_path / "set", f"cat/{i}.png", i)
        put(tmp_path / "set", f"dog/{i}.png", 6 + i)
    with pytest.warns(DataWarning, match=r"set has no test part: a stratified fifth \(3 of 12 images\)"):
        loaded = Folder(str(tmp_path / "set")).loaded
    arrays = from_arrays(IMAGES[:12], np.repeat([0, 1], 6)).loaded
    assert loaded.digest == arrays.digest
    assert (loaded.classes, len(loaded.train.y), len(loaded.test.y)) == (2, 9, 3)
    put(tmp_path / "set", "bee/0.png")
    with pytest.warns(DataWarning, match="3 of 13 images"):
        assert Folder(str(tmp_path / "set")).loaded.classes == 3


@pytest.mark.parametrize(
    "places",
    [
        ("cat/0.png",),  # one class
        ("cat/0.png", "1.png"),  # outside
        ("Train/cat/0.png", "Test/cat/0.png"),
        ("training/0.png", "testing/1.png"),
        ("val-2/0.png", "cat/1.png"),
        ("fold1/cat/0.png", "fold2/cat/1.png"),
    ],
)
def test_what_may_be_parts_is_not_taken_for_classes(tmp_path, places):
    for i, place in enumerate(places):
        put(tmp_path / "set", place, i)
    with pytest.raises(DataError, match=r"it should hold .* <class>/ alone with images.*, but has 1 images"):
        Folder(str(tmp_path / "set")).load()


def test_images_of_several_frames(animals):
    frames = [Image.fromarray(image[..., 0]) for image in IMAGES[:3]]
    frames[0].save(animals / "train" / "cat" / "moves.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"an image of 3 frames \(.*moves.gif\), of which one would be read"):
        Folder(str(animals)).load()


def test_arrays_that_would_be_left_out(tmp_path):
    parts = {"x_train": IMAGES, "y_train": np.arange(24) % 2}
    np.savez(tmp_path / "a.npz", **parts, weights=np.ones(24), ids=np.ones(24))
    with pytest.raises(
        DataError, match="2 arrays that would be left out: ids, weights; known are classes, full_scale"
    ):
        Folder(str(tmp_path / "a.npz")).load()
    np.savez(tmp_path / "a.npz", **parts, classes=3, full_scale=200.0)
    loaded = Folder(str(tmp_path / "a.npz")).loaded
    assert (loaded.classes, loaded.full_scale) == (3, 200.0)
    np.savez(tmp_path / "a.npz", **parts, classes=[3, 4])
    with pytest.raises(DataError, match="classes must be one number"):
        Folder(str(tmp_path / "a.npz")).load()
    np.savez(tmp_path / "b.npz", **parts)
    with pytest.raises(DataError, match=r"holds 2 .npz, of which one alone"):
        Folder(str(tmp_path)).load()


LAYOUTS = {
    "converted": ("default/train/0000.parquet", "default/test/0000.parquet"),
    "named config": ("plain_text/train/0000.parquet", "plain_text/validation/0000.parquet"),
    "data": ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
    "config with shards": (
        "plain_text/train-00000-of-00001.parquet",
        "plain_text/test-00000-of-00001.parquet",
    ),
    "hashes": (
        "data/train-00000-of-00001-b42a775f407cee45.parquet",
        "data/test-00000-of-00001-4534a8a30b2fc4f7.parquet",
    ),
    "parts as folders": ("train/0000.parquet", "test/0000.parquet"),
    "prefixed": ("mnist-train.parquet", "mnist-test.parquet"),
    "capitals": ("default/Train/0000.parquet", "default/Test/0000.parquet"),
    "capital files": ("Train-00000-of-00001.parquet", "mnist-TEST.parquet"),
    "cached by the hub": (
        "snapshots/0a1b2c/data/train-00000-of-00001.parquet",
        "snapshots/0a1b2c/data/test-00000-of-00001.parquet",
    ),
    "both": ("train/train.parquet", "test/test-0.parquet"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_the_hub(tmp_path, name):
    for place, rows in zip(LAYOUTS[name], (slice(0, 16), slice(16, 24)), strict=True):
        write_parquet(tmp_path / place, IMAGES[rows], np.arange(24)[rows] % 3)
    if name == "converted":
        for part in ("train", "test"):  # what the hub's conversion puts there for its search
            (tmp_path / "default" / part / "index.duckdb").write_bytes(b"DUCK")
    if name == "cached by the hub":
        (tmp_path / "refs").mkdir()
        (tmp_path / "refs" / "main").write_text("0a1b2c\n")
        (tmp_path / "blobs").mkdir()
        (tmp_path / "blobs" / "77aa").write_bytes(b"what the snapshot's links lead to")
    labels = np.arange(24) % 3
    assert Folder(str(tmp_path)) == from_arrays(IMAGES[:16], labels[:16], IMAGES[16:], labels[16:])


def test_shards_are_read_by_number_and_must_all_be_there(tmp_path):
    for number in range(11):
        write_parquet(tmp_path / f"train-{number}-of-11.parquet", IMAGES[number : number + 1], [number % 2])
    write_parquet(tmp_path / "test.parquet", IMAGES[11:13], [0, 1])
    loaded = Folder(str(tmp_path)).loaded
    assert np.array_equal(loaded.train.x, IMAGES[:11])
    os.remove(tmp_path / "train-7-of-11.parquet")
    with pytest.raises(
        DataError, match=r"lacks 1 of 11 files of 'train': number 7; there are train-0-of-11.parquet"
    ):
        Folder(str(tmp_path)).load()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            ("default/train/0000.parquet", "default/train/0002.parquet"),
            "lacks 1 of 3 files of 'train': number 1",
        ),
        (
            ("train-0-of-1.parquet", "train-0-of-2.parquet"),
            "that do not go together: train-0-of-1.parquet, train-0-",
        ),
        (
            ("en/train/0000.parquet", "de/train/0000.parquet", "de/test/0000.parquet"),
            "several sets, in de, en; name",
        ),
        (("en/train.parquet", "de/test.parquet"), "several sets, in de, en"),
        (("train.parquet", "other/test.parquet"), "several sets, in the folder itself, other"),
        (
            ("default/partial-train/0000.parquet", "default/test/0000.parquet"),
            "holds 'partial-train', the beginning",
        ),
        (("train.parquet", "test.parquet", "mine.parquet"), r"1 files that name no part \(mine.parquet\)"),
        (("mine.parquet",), r"holds 1 files that name no part"),
    ],
)
def test_tables_that_would_be_left_out(tmp_path, places, message):
    for place in places:
        write_parquet(tmp_path / place, IMAGES[:4], [0, 1, 0, 1])
    with pytest.raises(DataError, match=message):
        Folder(str(tmp_path)).load()


def test_parts_beside_the_usual_ones(tmp_path):
    for part in ("train", "train_extra", "test", "validation"):
        write_parquet(tmp_path / f"{part}-00000-of-00001.parquet", IMAGES[:4], [0, 1, 0, 1])
    assert sorted(split_files(tmp_path)) == ["test", "train", "train_extra", "validation"]
    with pytest.warns(DataWarning, match=r"part '(train_extra|validation)'"):
        assert len(Folder(str(tmp_path)).loaded.train.x) == 4


def test_a_missing_part_names_the_files(tmp_path):
    write_parquet(tmp_path / "default" / "train" / "0000.parquet", IMAGES[:4], [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"but has train \(of 1 files: default/train/0000.parquet\)"):
        Folder(str(tmp_path)).load()


def test_parts_of_other_names_are_said(tmp_path):
    for part in ("Training", "Testing"):
        write_parquet(tmp_path / "default" / part / "0000.parquet", IMAGES[:4], [0, 1, 0, 1])
    message = r"but has Testing, Training \(of 2 files: default/Testing/0000.parquet, default/Training/0000"
    with pytest.raises(DataError, match=message):
        Folder(str(tmp_path)).load()


def test_of_several_snapshots_of_the_hub_main_is_meant(tmp_path):
    for snapshot, shift in (("aa", 0), ("bb", 8)):
        for part, start in (("train", 0), ("test", 4)):
            rows = slice(start + shift, start + shift + 4)
            write_parquet(tmp_path / "snapshots" / snapshot / f"{part}.parquet", IMAGES[rows], [0, 1, 0, 1])
    (tmp_path / "blobs").mkdir()
    with pytest.raises(DataError, match=r"2 snapshots, none of them called main; name one, as .*/aa"):
        Folder(str(tmp_path)).load()
    (tmp_path / "refs").mkdir()
    for snapshot, shift in (("bb", 8), ("aa", 0)):
        (tmp_path / "refs" / "main").write_text(snapshot)
        assert np.array_equal(Folder(str(tmp_path)).loaded.train.x, IMAGES[shift : shift + 4])


def named(names):
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    return {"huggingface": json.dumps({"info": {"features": features}})}


@pytest.mark.parametrize(
    ("train", "test", "labels"),
    [
        (["b", "a"], ["a", "b"], [1, 1, 0]),
        (["c", "a", "b"], ["a", "b", "c"], [1, 1, 2]),
        (["a", "b", "c"], ["b", "a"], [1, 1, 0]),
        (["a", "b"], None, [0, 0, 1]),
    ],
)
def test_classes_are_those_of_their_names(tmp_path, train, test, labels):
    known = [0, 1, len(train) - 1, 1]
    write_parquet(tmp_path / "train.parquet", IMAGES[:4], known, metadata=named(train))
    metadata = None if test is None else named(test)
    write_parquet(tmp_path / "test.parquet", IMAGES[4:7], [0, 0, 1], metadata=metadata)
    loaded = Folder(str(tmp_path)).loaded
    assert loaded.classes == len(train)
    assert loaded.test.y.tolist() == labels
    assert loaded.train.y.tolist() == known


def test_classes_that_no_name_tells_are_refused(tmp_path):
    write_parquet(tmp_path / "train.parquet", IMAGES[:4], [0, 1, 0, 1], metadata=named(["cat", "dog"]))
    write_parquet(tmp_path / "test.parquet", IMAGES[:4], [0, 1, 0, 1], metadata=named(["cat", "hound"]))
    with pytest.raises(DataError, match=r"names that its training part has not: hound; there they are cat"):
        Folder(str(tmp_path)).load()
    write_parquet(tmp_path / "test.parquet", IMAGES[:4], [0, 1, 2, 1], metadata=named(["dog", "cat"]))
    with pytest.raises(DataError, match=r"labels from 0 to 2 in its test part, but names for 2 classes"):
        Folder(str(tmp_path)).load()
    (tmp_path / "train.parquet").rename(tmp_path / "train-0.parquet")
    write_parquet(tmp_path / "train-1.parquet", IMAGES[:4], [0, 1, 0, 1], metadata=named(["dog", "cat"]))
    with pytest.raises(DataError, match=r"train-1.parquet describes its columns otherwise than"):
        Folder(str(tmp_path)).load()


def with_extra(file, **columns):
    rows = [{"bytes": encode(each), "path": None} for each in IMAGES[:4]]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 0, 1], **columns}), file)


def test_columns_that_would_be_left_out(tmp_path, monkeypatch):
    for part in ("train", "test"):
        with_extra(tmp_path / "set" / f"{part}.parquet", id=[1, 2, 3, 4], coarse=[0, 0, 1, 1])
    home = str(tmp_path / "set")
    with pytest.raises(
        DataError, match=r"2 columns that would be left out: id, coarse; .* …:image=image,label=label"
    ):
        Folder(home).load()
    assert make_data(f"{home}:label=label").source.loaded.train.y.tolist() == [0, 1, 0, 1]
    assert make_data(f"{home}:image=image,label=coarse").source.loaded.train.y.tolist() == [0, 0, 1, 1]
    assert Folder(home, label="label") != Folder(home, label="coarse")
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    assert make_data("hub:me/set:label=coarse").source == Hub("me/set", label="coarse")
    with pytest.raises(DataError, match=r"has no label column.*one should be called colour"):
        make_data(f"{home}:label=colour").source.load()


def test_shards_have_the_same_columns(tmp_path):
    with_extra(tmp_path / "train-0.parquet")
    with_extra(tmp_path / "train-1.parquet", id=[1, 2, 3, 4])
    with_extra(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train-1.parquet has other columns than"):
        Folder(str(tmp_path)).load()
