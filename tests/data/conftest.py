"""A cache for the whole folder, or for one test where it asks; images and tables written on the spot."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from weightspace.data import cache


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path / "cache"))
    return cache.folder()


def run_python(code, *arguments):
    """What a new process prints."""
    source = str(Path(cache.__file__).parents[2])
    command = [sys.executable, "-c", code, *arguments]
    environment = os.environ | {"PYTHONPATH": source}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("WEIGHTSPACE_DATA", raising=False)


def encode(pixels, suffix="png"):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(buffer, format=suffix)
    return buffer.getvalue()


def pictures(count, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_parquet(file, images, labels, *, image="image", label="label", metadata=None):
    """A table of the hub's layout."""
    rows = [{"bytes": encode(each), "path": f"{row}.png"} for row, each in enumerate(images)]
    table = pa.table({image: rows, label: pa.array(list(map(int, labels)), pa.int64())})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), file, row_group_size=100)


@pytest.fixture
def hub_folder(tmp_path):
    """Twenty training and eight test images of ten classes, in two Parquet files of training."""
    train, test = pictures(20, (6, 5, 3)), pictures(8, (6, 5, 3), seed=1)
    labels, test_labels = np.arange(20) % 10, np.arange(8)
    home = tmp_path / "home" / "mnist"
    write_parquet(home / "train-00000-of-00002.parquet", train[:13], labels[:13])
    write_parquet(home / "train-00001-of-00002.parquet", train[13:], labels[13:])
    write_parquet(home / "test-00000-of-00001.parquet", test, test_labels)
    return home, (train, labels), (test, test_labels)
