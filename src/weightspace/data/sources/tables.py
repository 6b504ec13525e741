"""Tables in the layout of the Hugging Face hub: a column of encoded images and a column of labels.

Parquet files on disk and splits of the `datasets` library are both read as Arrow record batches by the same
function, so that a set has one digest whichever way it came.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weightspace.data.content import Loaded, assemble
from weightspace.data.sources.images import CHUNK, Encoded, decode_images
from weightspace.errors import DataError

TEST_NAMES = ("test", "validation", "valid", "val")
_SPLIT = re.compile(r"(?:^|[-_.])(train|test|validation|valid|val)(?=[-_.]|$)")


@dataclasses.dataclass(frozen=True)
class Columns:
    """Names of the two columns, in order of preference, and what is known of the labels.

    Attributes:
      image: Of the image column.
      label: Of the label column.
      classes: How many classes; None to take it from the table's metadata or the largest label.
      ten_is_zero: Whether labels 1 to 10 mean the digits 1 to 9 and 0, as in SVHN's original files.
    """

    image: tuple[str, ...] = ("image", "img", "png", "jpg")
    label: tuple[str, ...] = ("label", "labels", "fine_label", "target", "cls")
    classes: int | None = None
    ten_is_zero: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """One split as Arrow sees it."""

    schema: pa.Schema
    rows: int
    batches: Callable[[list[str]], Iterator[pa.RecordBatch]]


def parquet_table(files: Sequence[Path]) -> Table:
    """A split that lies in Parquet files.

    Raises:
      DataError: If a file is not Parquet.
    """
    try:
        opened = [pq.ParquetFile(file) for file in files]
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{', '.join(map(str, files))} cannot be read as Parquet: {error}") from error

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        for file in opened:
            yield from file.iter_batches(batch_size=CHUNK, columns=columns)

    return Table(opened[0].schema_arrow, sum(file.metadata.num_rows for file in opened), batches)


def datasets_table(split: Any) -> Table:
    """A split that the `datasets` library has loaded."""

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        chosen = split.select_columns(columns).with_format("arrow")
        for table in chosen.iter(batch_size=CHUNK):
            yield from table.to_batches()

    return Table(split.features.arrow_schema, split.num_rows, batches)


def split_files(folder: Path) -> dict[str, list[Path]]:
    """Parquet files by the name of their split: `train-00000-of-00001.parquet`, `svhn-test.parquet`, ...

    Raises:
      DataError: If subfolders hold several sets.
    """
    files = sorted(folder.glob("*.parquet")) or sorted(folder.rglob("*.parquet"))
    found: dict[str, list[Path]] = {}
    for file in files:
        match = _SPLIT.search(file.stem)
        if match:
            found.setdefault(match[1], []).append(file)
    homes = {file.parent for file in found.get("train", [])}
    if len(homes) > 1:
        raise DataError(
            f"{folder} holds several sets, in {', '.join(sorted(map(str, homes)))}; name one of them"
        )
    return found


def read_tables(name: str, splits: Mapping[str, Table], columns: Columns) -> Loaded:
    """The training and the test part of a set.

    Args:
      name: What the set is called.
      splits: Tables by the name of their split; `train` and one of `TEST_NAMES`.
      columns: What the columns are called.

    Raises:
      DataError: For missing splits or columns, and what cannot be decoded.
    """
    test = next((split for split in TEST_NAMES if split in splits), None)
    if "train" not in splits or test is None:
        raise DataError(
            f"{name} needs a train and a test part, but has {', '.join(sorted(splits)) or 'neither'}"
        )
    parts = [_read(name, splits[split], columns) for split in ("train", test)]
    classes = columns.classes or _named_classes(splits["train"].schema, columns)
    return assemble(name, parts[0], parts[1], classes=classes)


def _read(name: str, table: Table, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    image = _find(name, "image", columns.image, table.schema)
    label = _find(name, "label", columns.label, table.schema)
    labels: list[np.ndarray] = []

    def chunks() -> Iterator[list[Encoded]]:
        for batch in table.batches([image, label]):
            labels.append(_labels(name, batch.column(label)))
            yield _encoded(name, batch.column(image))

    images = decode_images(chunks(), table.rows, name)
    targets = np.concatenate(labels)
    if columns.ten_is_zero and targets.min() >= 1 and targets.max() == 10:
        targets = targets % 10
    return images, targets


def _find(name: str, what: str, candidates: tuple[str, ...], schema: pa.Schema) -> str:
    for candidate in candidates:
        if candidate in schema.names:
            return candidate
    raise DataError(
        f"{name} has no {what} column: its columns are {', '.join(schema.names)}, and one should be called "
        f"{' or '.join(candidates)}"
    )


def _labels(name: str, column: pa.Array) -> np.ndarray:
    kind = column.type
    if column.null_count or not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    ):
        missing = f"{column.null_count} missing values" if column.null_count else f"values of type {kind}"
        raise DataError(f"{name} has {missing} in its label column; labels must be numbers, one an example")
    return column.to_numpy(zero_copy_only=False)


def _encoded(name: str, column: pa.Array) -> list[Encoded]:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.to_pylist()
    if not pa.types.is_struct(column.type) or column.type.get_field_index("bytes") < 0:
        raise DataError(f"{name} has an image column of type {column.type}, but it must hold encoded images")
    found = column.field("bytes").to_pylist()
    if any(item is None for item in found) and column.type.get_field_index("path") >= 0:
        paths = column.field("path").to_pylist()
        return [
            Path(path) if item is None and path else item for item, path in zip(found, paths, strict=True)
        ]
    return found


def _named_classes(schema: pa.Schema, columns: Columns) -> int | None:
    """The number of class names in the metadata that the `datasets` library writes."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        label = next(candidate for candidate in columns.label if candidate in features)
        names = features[label].get("names")
    except (KeyError, ValueError, TypeError, StopIteration, AttributeError):
        return None
    return len(names) if names else None
