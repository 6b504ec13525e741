"""A user's folder: Parquet files of the hub's layout, images by class, or arrays in one `.npz`.

FOLDER/train-00000-of-00001.parquet, test-00000-of-00001.parquet      columns image {bytes, path} and label
FOLDER/default/train/0000.parquet, default/test/0000.parquet          likewise (`splits`)
FOLDER/train/<class>/**/*.png, test/<class>/**/*.png                  classes in order of their names
FOLDER/<class>/*.png                                                  likewise; a fixed fifth is the test part
FOLDER/anything.npz, or FILE.npz                                      x_train, y_train, x_test, y_test

Whatever else lies there is refused, or known to be no data (`layout`).
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weightspace.data import cache
from weightspace.data.base import Loaded, Source
from weightspace.data.content import assemble
from weightspace.data.sources.images import decode_images, in_chunks
from weightspace.data.sources.layout import (
    WHOLE,
    Layout,
    is_junk,
    states,
    survey,
    warn_of_split,
    warn_of_unused,
)
from weightspace.data.sources.splits import Columns
from weightspace.errors import DataError
from weightspace.spec import spec, static

READER = 3
"""Raised when files are read otherwise than before, so that no cached set of older reading is met."""


@spec
class Folder(Source):
    """A data set in a folder; its identity is what the files hold, not where they are.

    Attributes:
      path: The folder, or a `.npz` file.
      image: The image column of Parquet files; None for one of the usual names.
      label: The label column, likewise. Where a column is named, all others are meant to be left out.
    """

    path: str = static()
    image: str | None = static(default=None)
    label: str | None = static(default=None)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.path).resolve().stem

    def load(self) -> Loaded:
        """From the cache, if no file has changed, else decoded.

        Raises:
          DataError: If there is no folder, or its layout is none of those known.
        """
        path = Path(self.path).expanduser().resolve()
        if not path.exists():
            raise DataError(f"there is no folder or file {path}; check the spelling")
        columns = Columns().named(self.image, self.label)
        return cached_folder(self.name, path, columns, {"image": self.image, "label": self.label})


def cached_folder(
    name: str, path: Path, columns: Columns, how: dict[str, Any], *, known: bool = False
) -> Loaded:
    """A folder from the cache, if no file has changed, else decoded.

    Args:
      name: What the set is called.
      path: The folder, or a `.npz` file.
      columns: Of Parquet files.
      how: What else changes the content.
      known: Whether a card says which parts are used; else others are warned of.

    Raises:
      DataError: If it holds no data set, or more than would be read.
    """
    layout = survey(path)
    if not known and layout.test is not None:
        warn_of_unused(name, layout)
    if layout.kind == "images" and WHOLE in layout.parts:
        warn_of_split(name, layout)
    origin = _origin(path, layout) | {key: value for key, value in how.items() if value is not None}
    return cache.cached(name, origin, lambda: _read(name, layout, columns))


def _origin(path: Path, layout: Layout) -> dict[str, Any]:
    """What tells whether a folder has changed: its files with their sizes, times and numbers."""
    base = layout.home if path.is_dir() else path.parent
    found = {"folder": str(path), "files": states(base, layout.files), "reader": READER}
    if layout.kind == "images":
        # An empty folder is a class too.
        found["classes"] = [_class_folders(base / part) for part in sorted(layout.parts)]
    return found


def _read(name: str, layout: Layout, columns: Columns) -> Loaded:
    if layout.kind == "npz":
        return _read_npz(name, layout.parts[""][0])
    if layout.kind == "images":
        return _read_classes(name, layout)
    from weightspace.data.sources.tables import parquet_table, read_tables

    used = {part: files for part, files in layout.parts.items() if part not in layout.unused}
    if "train" not in used or layout.test is None:
        used = layout.parts  # what there is, for the error
    return read_tables(name, {part: parquet_table(files) for part, files in used.items()}, columns)


def _read_npz(name: str, path: Path) -> Loaded:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as .npz of plain arrays: {error}") from error
    if not {"x_train", "y_train"} <= set(arrays) or ("x_test" in arrays) != ("y_test" in arrays):
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'nothing'}, but must hold x_train and y_train, and x_test "
            "and y_test unless a fixed fifth is to be set aside for testing"
        )
    known = {"x_train", "y_train", "x_test", "y_test", "classes", "full_scale"}
    if others := sorted(set(arrays) - known):
        raise DataError(
            f"{path} holds {len(others)} arrays that would be left out: {', '.join(others)}; known are "
            f"{', '.join(sorted(known))}"
        )
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    numbers: dict[str, Any] = {
        key: _number(path, key, arrays[key]) for key in ("classes", "full_scale") if key in arrays
    }
    return assemble(name, (arrays["x_train"], arrays["y_train"]), test, **numbers)


def _number(path: Path, key: str, array: np.ndarray) -> int | float:
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise DataError(f"{path}: {key} must be one number, but is {array.dtype} {list(array.shape)}")
    return array.reshape(()).item()


def _read_classes(name: str, layout: Layout) -> Loaded:
    if WHOLE in layout.parts:
        classes = _class_folders(layout.home)
        images = _read_images(name, layout.home, classes, layout.parts[WHOLE])
        return assemble(name, images, classes=len(classes))
    train, test = layout.home / "train", layout.home / str(layout.test)
    classes, tested = _class_folders(train), _class_folders(test)
    if unknown := set(tested) - set(classes):
        raise DataError(f"{test} has classes that train has not: {', '.join(sorted(unknown))}")
    part = _read_images(name, train, classes, layout.parts["train"])
    if absent := {classes[number] for number in np.unique(part[1])} - set(tested):
        raise DataError(
            f"{test} has no folder for {len(absent)} of {len(classes)} classes: "
            f"{', '.join(sorted(absent))}; add their "
            "images, or empty folders if there are none to test on"
        )
    tests = _read_images(name, test, classes, layout.parts[str(layout.test)])
    return assemble(name, part, tests, classes=len(classes))


def _class_folders(path: Path) -> list[str]:
    """Names of the classes in order: as numbers if all are, else as text."""
    names = [each.name for each in path.iterdir() if each.is_dir() and not is_junk(each.name)]
    return sorted(names, key=int) if all(each.isdecimal() for each in names) else sorted(names)


def _read_images(
    name: str, path: Path, classes: list[str], files: Sequence[Path]
) -> tuple[np.ndarray, np.ndarray]:
    """The images below the folders of classes, class by class, each in the order of their paths."""
    numbers = {each: number for number, each in enumerate(classes)}
    labelled = sorted((numbers[file.relative_to(path).parts[0]], file) for file in files)
    images = decode_images(in_chunks([file for _, file in labelled]), len(labelled), name)
    return images, np.asarray([number for number, _ in labelled], np.int32)
