import json
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.conftest import pictures, write_parquet
from weightspace.data import Data, Folder, Hub, from_arrays, make_data
from weightspace.data.sources.catalogue import CARDS
from weightspace.data.sources.splits import Columns, split_files
from weightspace.data.sources.tables import datasets_table, parquet_table, read_tables
from weightspace.errors import DataError

IMAGES, LABELS = pictures(12, (4, 4, 3)), np.arange(12) % 10


def test_the_same_files_have_one_digest_whichever_way_they_are_read(hub_folder, monkeypatch):
    import datasets

    home, train, test = hub_folder
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(home.parent))
    named = Hub("mnist")
    files = {"train": [str(file) for file in sorted(home.glob("train*"))], "test": [str(*home.glob("test*"))]}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(home.parent.parent / "hf"))
    splits = {name: datasets_table(split) for name, split in loaded.items()}
    through = read_tables("mnist", splits, Columns())
    arrays = from_arrays(*train, *test)
    assert {named.loaded.digest, through.digest, Folder(str(home)).loaded.digest} == {arrays.loaded.digest}
    assert Data(named).digest == Data(arrays).digest
    assert np.array_equal(named.loaded.train.x, train[0])
    assert np.array_equal(named.loaded.test.y, test[1])


def test_a_repository_is_loaded_by_datasets(hub_folder, no_data, own_cache, monkeypatch, tmp_path):
    import datasets

    home, train, test = hub_folder
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    source = make_data(f"hub:{home}").source
    assert source == from_arrays(*train, *test)
    assert source.name == "mnist"
    # What was decoded once is found again without the library.
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert Hub(str(home)).loaded.digest == source.loaded.digest


def test_a_copy_of_a_repository_that_changes_is_read_anew(
    hub_folder, no_data, own_cache, monkeypatch, tmp_path
):
    import datasets

    home, train, test = hub_folder
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    before = Hub(str(home)).loaded.digest
    file = home / "test-00000-of-00001.parquet"
    state = file.stat()
    write_parquet(file, test[0], test[1][::-1])
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert Hub(str(home)).loaded.digest != before
    assert Hub(str(home)) == from_arrays(*train, test[0], test[1][::-1])


def test_columns_and_splits_as_on_the_hub(tmp_path, monkeypatch):
    """Each known set, in its own column names, with the hub's file names."""
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    for card in CARDS.values():
        if card.repository is None:
            continue
        labels = np.arange(12) % card.classes
        images = pictures(12, card.shape)
        home = tmp_path / card.name / (card.config or "data")
        held = "valid" if card.name == "tiny_imagenet" else "test"
        for part in ("train", held, "extra"):
            file = home / f"{part}-00000-of-00001.parquet"
            write_parquet(file, images, labels, image=card.image, label=card.label)
        loaded = Hub(card.name).loaded
        assert loaded.classes == card.classes
        assert loaded.full_scale == 255
        assert np.array_equal(loaded.train.x, images)
        assert np.array_equal(loaded.test.y, labels)


def test_tiny_imagenet_has_grey_images_among_coloured_ones(tmp_path, monkeypatch):
    """Its table of the hub: 64 × 64, 200 classes, the labelled validation part is the test part."""
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    colour, grey = pictures(6, (64, 64, 3)), pictures(6, (64, 64, 1), seed=1)
    mixed = [image for pair in zip(grey, colour, strict=True) for image in pair]
    labels = np.asarray([0, 199, 3, 7, 100, 198] * 2)
    for part in ("train", "valid"):
        file = tmp_path / "tiny_imagenet" / "data" / f"{part}-00000-of-00001.parquet"
        write_parquet(file, mixed, labels)
    data = make_data("tiny_imagenet")
    loaded = data.source.loaded
    assert (data.shape, data.classes, len(loaded.train.y), len(loaded.test.y)) == ((64, 64, 3), 200, 12, 12)
    assert np.array_equal(loaded.train.x[::2], np.repeat(grey, 3, axis=3))
    assert np.array_equal(loaded.test.x[1::2], colour)
    assert np.array_equal(loaded.test.y, labels)


def test_svhn_labels(tmp_path, monkeypatch):
    """Labels of the original files, 1 to 10 with 10 for the digit 0, become classes 0 to 9."""
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    original = np.arange(1, 13) % 10
    original[original == 0] = 10
    for part in ("train", "test"):
        write_parquet(tmp_path / "svhn" / f"{part}.parquet", IMAGES, original)
        write_parquet(tmp_path / "mnist" / f"{part}.parquet", IMAGES, original)
    loaded = Hub("svhn").loaded
    assert np.array_equal(loaded.train.y, np.arange(1, 13) % 10)
    assert loaded.classes == 10
    with pytest.raises(DataError, match=r"run from 1 to 10, but must lie in \[0, 9\]"):
        Hub("mnist").load()


def test_correct_svhn_labels_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    labels = np.arange(12) % 9 + 1
    for part in ("train", "test"):
        write_parquet(tmp_path / "svhn" / "cropped_digits" / f"{part}.parquet", IMAGES, labels)
        write_parquet(tmp_path / "svhn" / "full_numbers" / f"{part}.parquet", IMAGES, labels * 0)
    assert np.array_equal(Hub("svhn").loaded.train.y, labels)


def test_class_names_of_the_metadata_count_classes(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"names": list("abcdefghijkl"), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}.parquet", IMAGES, LABELS % 3, metadata=metadata)
    splits = {part: parquet_table(files) for part, files in split_files(tmp_path).items()}
    assert read_tables("mine", splits, Columns()).classes == 12


def test_offline_without_data_says_what_to_do(no_data, own_cache):
    with pytest.raises(
        DataError, match=r"mnist is not at WEIGHTSPACE_DATA/mnist and the hub cannot be reached"
    ) as info:
        make_data("mnist").check()
    assert "put its Parquet files there" in str(info.value)
    assert "\n" not in str(info.value)


def test_a_hub_without_an_address_is_not_asked(no_data, own_cache, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("datasets.load_dataset_builder", None)
    with pytest.raises(DataError, match=r"the hub cannot be reached; put its Parquet files there, go online"):
        Hub("mnist").load()


def test_a_missing_extra_is_named(no_data, own_cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'weightspace\[data\]'"):
        Hub("cifar10").load()


def test_an_empty_local_folder_is_no_data(tmp_path, own_cache, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="hub cannot be reached"):
        Hub("mnist").load()


def test_a_large_set_is_refused_before_it_is_fetched(no_data, own_cache, monkeypatch):
    import datasets

    class Builder:
        info = datasets.DatasetInfo(dataset_size=150 << 30)

    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_: Builder())
    with pytest.raises(DataError, match="imagenet-1k takes 150 GiB"):
        Hub("ILSVRC/imagenet-1k").load()


def table(tmp_path, **columns):
    for part in ("train", "test"):
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    return {part: parquet_table(files) for part, files in split_files(tmp_path).items()}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pixels": [b""], "label": [1]}, "no image column: its columns are pixels, label"),
        ({"image": [b""], "kind": [1]}, "no label column"),
        ({"image": [b""], "label": ["cat"]}, "values of type string"),
        ({"image": [b"", b""], "label": [1, None]}, "1 missing values"),
        ({"image": [[1, 2]], "label": [1]}, "must hold encoded images"),
    ],
)
def test_tables_of_another_form_are_refused(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        read_tables("mine", table(tmp_path, **columns), Columns())


def test_images_by_path(tmp_path):
    from tests.data.conftest import encode

    rows = []
    for number, image in enumerate(IMAGES):
        (tmp_path / f"{number}.png").write_bytes(encode(image))
        rows.append({"bytes": None, "path": str(tmp_path / f"{number}.png")})
    loaded = read_tables("mine", table(tmp_path, image=rows, label=LABELS.tolist()), Columns())
    assert np.array_equal(loaded.train.x, IMAGES)


def test_spoilt_parquet_and_several_sets(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        parquet_table([tmp_path / "train.parquet"])
    (tmp_path / "train.parquet").unlink()
    for name in ("a", "b"):
        write_parquet(tmp_path / name / "train.parquet", IMAGES, LABELS)
    with pytest.raises(DataError, match="holds several sets"):
        split_files(tmp_path)


def test_labels_of_the_test_part_alone_are_refused(tmp_path):
    """Whether the table names its classes or not: that a name is known makes no examples of it."""
    features = {"label": {"names": list("abcdefghij"), "_type": "ClassLabel"}}
    for metadata in (None, {"huggingface": json.dumps({"info": {"features": features}})}):
        home = tmp_path / str(metadata is None)
        write_parquet(home / "train.parquet", IMAGES, np.arange(12) % 4, metadata=metadata)
        write_parquet(home / "test.parquet", IMAGES, np.arange(12) % 4 + 1, metadata=metadata)
        with pytest.raises(DataError, match=r"has classes that train has not: 4 \(3 of 12 examples\)"):
            _ = Folder(str(home)).loaded
