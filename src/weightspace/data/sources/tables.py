"""Tables in the layout of the Hugging Face hub: a column of encoded images and a column of labels.

Parquet files on disk and splits of the `datasets` library are both read as Arrow record batches by the same
function, so that a set has one digest whichever way it came.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weightspace.data.content import Loaded, assemble, check_classes_known
from weightspace.data.sources.images import CHUNK, Encoded, decode_images
from weightspace.data.sources.splits import TEST_NAMES, Columns
from weightspace.errors import DataError


@dataclasses.dataclass(frozen=True)
class Table:
    """One split as Arrow sees it."""

    schema: pa.Schema
    rows: int
    batches: Callable[[list[str]], Iterator[pa.RecordBatch]]
    files: tuple[str, ...] = ()


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

    for file, each in zip(files, opened, strict=True):
        if each.schema_arrow.names != opened[0].schema_arrow.names:
            raise DataError(f"{file} has other columns than {files[0]}; files of one part must have the same")
        if _features(each.schema_arrow) != _features(opened[0].schema_arrow):
            raise DataError(
                f"{file} describes its columns otherwise than {files[0]} (names of classes, or their order); "
                "files of one part must say the same"
            )
    rows = sum(file.metadata.num_rows for file in opened)
    return Table(opened[0].schema_arrow, rows, batches, tuple("/".join(file.parts[-3:]) for file in files))


def datasets_table(split: Any) -> Table:
    """A split that the `datasets` library has loaded."""

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        chosen = split.select_columns(columns).with_format("arrow")
        for table in chosen.iter(batch_size=CHUNK):
            yield from table.to_batches()

    return Table(split.features.arrow_schema, split.num_rows, batches)


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
            f"{_files_of(splits)}"
        )
    names = [_class_names(splits[split].schema, columns) for split in ("train", test)]
    parts = [_read(name, splits[split], columns) for split in ("train", test)]
    parts[1] = (parts[1][0], _renumbered(name, parts[1][1], names[1], names[0]))
    classes = columns.classes or (len(names[0]) if names[0] else None)
    if classes is not None and all(np.issubdtype(labels.dtype, np.integer) for _, labels in parts):
        # As for folders of classes: that a name is known does not make it one that was learnt.
        check_classes_known(name, parts[0][1], parts[1][1], ", or leave such examples out")
    return assemble(name, parts[0], parts[1], classes=classes)


def _renumbered(
    name: str, labels: np.ndarray, own: Sequence[str] | None, meant: Sequence[str] | None
) -> np.ndarray:
    """Labels of the test part by the training part's names of the classes."""
    if not own or not meant or list(own) == list(meant):
        return labels
    if lost := sorted(set(own) - set(meant)):
        raise DataError(
            f"{name} calls {len(lost)} classes of its test part by names that its training part has not: "
            f"{', '.join(map(str, lost[:4]))}; there they are {', '.join(map(str, meant[:10]))}; write both "
            "parts with one list of names"
        )
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= len(own):
        raise DataError(
            f"{name} has labels from {labels.min()} to {labels.max()} in its test part, but names for "
            f"{len(own)} classes; write a name for each"
        )
    return np.asarray([meant.index(each) for each in own])[labels.astype(np.int64)]


def _files_of(splits: Mapping[str, Table]) -> str:
    names = [name for table in splits.values() for name in table.files]
    return f" (of {len(names)} files: {', '.join(names[:4])})" if names else ""


def _read(name: str, table: Table, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    image = _find(name, "image", columns.image, table.schema)
    label = _find(name, "label", columns.label, table.schema)
    others = [each for each in table.schema.names if each not in (image, label) and not each.startswith("__")]
    if others and not columns.chosen:
        raise DataError(
            f"{name} has {len(others)} columns that would be left out: {', '.join(others)}; say which are "
            f"meant, as in …:image={image},label={label}"
        )
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


def _features(schema: pa.Schema) -> Any:
    """What the `datasets` library says of the columns; None where it says nothing."""
    try:
        return json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return None


def _class_names(schema: pa.Schema, columns: Columns) -> list[str] | None:
    """The names of the classes in the metadata that the `datasets` library writes, in the order of labels."""
    try:
        label = next(candidate for candidate in columns.label if candidate in schema.names)
        return _features(schema)[label].get("names") or None
    except (KeyError, TypeError, StopIteration, AttributeError):
        return None
