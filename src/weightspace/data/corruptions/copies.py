"""Corrupted copies of a test part: made here, or read from a folder in the layout of CIFAR-10-C."""

import functools
import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from weightspace.data.content import Split
from weightspace.data.corruptions import SEVERITIES, WAYS, corrupted, digital
from weightspace.errors import DataError, check_choice, check_number, nearest
from weightspace.spec import Spec, spec, static

LABELS = "labels.npy"
_PIECE = 1 << 20


@spec
class Corruption(Spec):
    """What is done to the images of a test part.

    Attributes:
      corruption: One of `WAYS`; of a folder, any of its files.
      severity: 1 to 5.
      seed: Of what is drawn.
      content: SHA-256 of the file and of the labels of a folder of published images; None for images that are
        made here.
      folder: Where it is; no part of the identity.
    """

    version: ClassVar[int] = 2
    """2: images of a full scale of their own."""

    corruption: str = static()
    severity: int = static()
    seed: int = static(default=0)
    content: str | None = static(default=None, neutral=None)
    folder: str | None = static(default=None, neutral=None)

    @classmethod
    def published(cls, folder: str | Path, corruption: str, severity: int) -> "Corruption":
        """That of a folder: `<corruption>.npy` [5 n, height, width, channels], uint8, and `labels.npy` [5 n].

        Raises:
          DataError: If there is no such folder or file, or they are of other kinds or lengths.
        """
        place = Path(folder).expanduser().absolute()
        files = [_file(place, f"{corruption}.npy"), _file(place, LABELS)]
        _stacked(files[0], files[1])
        return cls(corruption, severity, content=_content(files), folder=str(place))

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """All but the place of the folder."""
        return {name: value for name, value in super().canonical.items() if name != "folder"}

    def validate(self) -> None:
        """A known corruption, a severity."""
        check_number("severity", self.severity, least=1, most=len(SEVERITIES))
        check_number("seed of a corruption", self.seed, least=0)
        if self.folder is None:
            check_choice("corruption", self.corruption, WAYS)

    def check(self, test: Split) -> None:
        """Refuse, before anything is trained, a test part that this cannot be done to.

        Raises:
          DataError: If images of a folder are of another shape, its labels are of other classes, or JPEG
            cannot be written.
        """
        if self.folder is not None:
            place = Path(self.folder)
            _fitting(_file(place, f"{self.corruption}.npy"), _file(place, LABELS), test)
        elif self.corruption == "jpeg_compression":
            digital.check_jpeg(np.shape(test.x)[-1])

    def of(self, test: Split, white: float | None = None) -> Split:
        """A test part's corrupted copy; of a folder its images and labels, which must be of the same kind.

        Args:
          test: The test part.
          white: What its images have where they are white, the set's full scale; None for 255. A folder's
            images are taken as they are.

        Raises:
          DataError: If the images are no such, or a folder has changed or is not what it should be.
        """
        if self.folder is None:
            white = 255 if white is None else white
            x = corrupted(np.asarray(test.x), self.corruption, self.severity, self.seed, white)
            return Split(x, test.y)
        place = Path(self.folder)
        files = [_file(place, f"{self.corruption}.npy"), _file(place, LABELS)]
        if _content(files) != self.content:
            raise DataError(f"{files[0]} has changed since it was named; make the question anew")
        return _read(files[0], files[1], self.severity, test)


def files_of(folder: str | Path) -> tuple[str, ...]:
    """The corruptions that a folder has files of, in the order of `WAYS`, others after them."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise DataError(f"there is no folder {place}; give the one with labels.npy and <corruption>.npy")
    there = sorted(each.stem for each in place.glob("*.npy") if each.name != LABELS)
    if not there:
        raise DataError(f"{place} has no <corruption>.npy; give a folder in the layout of CIFAR-10-C")
    return tuple(sorted(there, key=lambda name: [*WAYS, name].index(name)))


def _file(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; give the one with labels.npy and <corruption>.npy")
    if not (folder / name).is_file():
        guess = nearest(name, [each.name for each in folder.glob("*.npy")])
        hint = f"; did you mean {guess}?" if guess else ""
        raise DataError(f"{folder} has no file {name}{hint}")
    return folder / name


def _content(files: list[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                found.update(piece)
    return found.hexdigest()


def _read(images: Path, labels: Path, severity: int, test: Split) -> Split:
    """The part of one severity; all five are stacked in the files."""
    x, y = _fitting(images, labels, test)
    size = len(x) // len(SEVERITIES)
    part = slice((severity - 1) * size, severity * size)
    return Split(np.asarray(x[part]), np.asarray(y[part]).astype(np.asarray(test.y).dtype))


def _fitting(images: Path, labels: Path, test: Split) -> tuple[np.ndarray, np.ndarray]:
    """Both files, of images and classes as those of the set."""
    x, y = _stacked(images, labels)
    shape = tuple(np.shape(test.x)[1:])
    if tuple(x.shape[1:]) != shape:
        raise DataError(
            f"{images} holds {x.dtype} of shape {x.shape}, but must hold uint8 of shape (5 n, "
            f"{', '.join(map(str, shape))}), as the set's own images are"
        )
    known, found = np.unique(test.y), np.unique(y)
    if not np.isin(found, known).all():
        raise DataError(f"{labels} has the label {np.setdiff1d(found, known)[0]}, which the set has not")
    return x, y


def _stacked(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both files, of the right kinds and of one length."""
    x, y, count = _array(images), _array(labels), len(SEVERITIES)
    if x.ndim != 4 or x.dtype != np.uint8:
        raise DataError(
            f"{images} holds {x.dtype} of shape {x.shape}, but must hold uint8 of shape (5 n, height, width, "
            "channels)"
        )
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(f"{labels} holds {y.dtype} of shape {y.shape}, but must hold whole numbers (5 n,)")
    if len(x) != len(y) or not len(x) or len(x) % count:
        raise DataError(
            f"{images} has {len(x):,} images and {labels.name} {len(y):,} labels; both must be of one "
            f"length, {count} severities of as many images each (50,000 for CIFAR-10)"
        )
    return x, y


def _array(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read as an array of numpy: {error}") from error
