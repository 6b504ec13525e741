"""A user's folder: Parquet files of the hub's layout, images by class, or arrays in one `.npz`.

FOLDER/train-00000-of-00001.parquet, test-00000-of-00001.parquet      columns image {bytes, path} and label
FOLDER/train/<class>/*.png, test/<class>/*.png                        classes in order of their names
FOLDER/anything.npz, or FILE.npz                                      x_train, y_train, x_test, y_test
"""

import zipfile
from pathlib import Path

import numpy as np

from weightspace.data import cache
from weightspace.data.base import Loaded, Source
from weightspace.data.content import assemble
from weightspace.data.sources.images import decode_images, in_chunks
from weightspace.errors import DataError
from weightspace.spec import spec, static

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
LAYOUTS = "train*.parquet and test*.parquet, train/<class>/ and test/<class>/ with images, or one .npz"
_TEST_FOLDERS = ("test", "validation", "valid", "val")


@spec
class Folder(Source):
    """A data set in a folder; its identity is what the files hold, not where they are.

    Attributes:
      path: The folder, or a `.npz` file.
    """

    path: str = static()

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
        return cache.cached(self.name, origin(path), lambda: read_folder(self.name, path))


def origin(path: Path) -> dict[str, object]:
    """What tells whether a folder has changed: its files with their sizes and times."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    states = [(file.relative_to(path).as_posix(), file.stat()) for file in files]
    return {
        "folder": str(path),
        "files": [[name, state.st_size, state.st_mtime_ns] for name, state in states],
    }


def read_folder(name: str, path: Path) -> Loaded:
    """Read a folder whatever its layout.

    Raises:
      DataError: If its layout is none of those known.
    """
    if path.is_file():
        return _read_npz(name, path)
    if next(path.rglob("*.parquet"), None):
        from weightspace.data.sources.tables import Columns, parquet_table, read_tables, split_files

        splits = {split: parquet_table(files) for split, files in split_files(path).items()}
        return read_tables(name, splits, Columns())
    archives = sorted(path.glob("*.npz"))
    if len(archives) == 1:
        return _read_npz(name, archives[0])
    if (path / "train").is_dir():
        return _read_classes(name, path)
    raise DataError(f"{path} holds no data set of a known layout; it should hold {LAYOUTS}")


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
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    return assemble(name, (arrays["x_train"], arrays["y_train"]), test)


def _read_classes(name: str, path: Path) -> Loaded:
    test = next((path / each for each in _TEST_FOLDERS if (path / each).is_dir()), None)
    if test is None:
        raise DataError(f"{path} has a folder train but none called test; images to test on are needed")
    classes = _class_folders(path / "train")
    if unknown := set(_class_folders(test)) - set(classes):
        raise DataError(f"{test} has classes that train has not: {', '.join(sorted(unknown))}")
    train = _read_images(name, path / "train", classes)
    return assemble(name, train, _read_images(name, test, classes), classes=len(classes))


def _class_folders(path: Path) -> list[str]:
    """Names of the classes in order: as numbers if all are, else as text."""
    names = [each.name for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")]
    return sorted(names, key=int) if all(each.isdecimal() for each in names) else sorted(names)


def _read_images(name: str, path: Path, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    files: list[Path] = []
    labels: list[int] = []
    for number, each in enumerate(classes):
        found = sorted(file for file in (path / each).glob("*") if file.suffix.lower() in SUFFIXES)
        files += found
        labels += [number] * len(found)
    return decode_images(in_chunks(files), len(files), name), np.asarray(labels, np.int32)
