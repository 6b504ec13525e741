"""The content of a data set: two splits of plain arrays, checked, in one form, named by a digest.

Whatever way a set came (hub, folder, arrays), it ends here in the same form, so that equal content has an
equal digest: inputs are uint8, float32, float64, int32 or int64 with the example first and the channel last,
targets are int32 class numbers or floats (`forms`). The digest covers types, shapes, values, number of
classes and full scale: all that the numbers of a training depend on, and neither name nor path.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from weightspace.data import forms, limits
from weightspace.data.split import held_out
from weightspace.digests import DIGEST_LENGTH
from weightspace.errors import DataError

IMAGE_SCALE = 255.0
_BLOCK = 1 << 26


class Split(NamedTuple):
    """Examples: a part of a data set.

    Attributes:
      x: Inputs [n, ...], uint8, floating, or other whole numbers.
      y: Class numbers [n], int32, or targets [n] or [n, k], floating.
    """

    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A data set as numpy arrays, memory-mapped where it lies in the cache.

    Attributes:
      train: The training part, before any validation examples are set aside.
      test: The test part.
      classes: How many classes; None for regression.
      full_scale: The largest value an input can take (255 for images); None for floating inputs without one.
      digest: Of all the above.
    """

    train: Split
    test: Split
    classes: int | None
    full_scale: float | None
    digest: str


def assemble(
    name: str,
    train: tuple[Any, Any],
    test: tuple[Any, Any] | None = None,
    *,
    classes: int | None = None,
    full_scale: float | None = None,
) -> Loaded:
    """Bring arrays into the one form, check them, and name them by their digest.

    Args:
      name: What error messages call the set.
      train: Inputs and targets.
      test: Inputs and targets; None to set a fixed fifth of `train` aside (`split.held_out`).
      classes: Number of classes; None for one more than the largest label, if targets are whole numbers,
        which must then not run from 1.
      full_scale: Largest value of an input; None for 255 if inputs are uint8.

    Raises:
      DataError: If the arrays do not form a data set.
    """
    if test is not None:
        forms.check_columns_agree(name, train[0], test[0])
    parts = [
        _tidy(name, f"{part} part", *pair) for part, pair in (("training", train), ("test", test)) if pair
    ]
    if len(parts) == 1:
        _check_part(name, "training", parts[0])
        whole = parts[0]
        rest, kept = held_out(whole.y)
        parts = [Split(whole.x[rows], whole.y[rows]) for rows in (rest, kept)]
    first, second = _alike(parts)
    if classes is None and all(part.y.dtype == np.int32 and len(part.y) for part in parts):
        classes = _count_classes(name, np.unique(np.concatenate([np.unique(part.y) for part in parts])))
        if test is not None:
            check_classes_known(name, first.y, second.y)
    if full_scale is None and first.x.dtype == np.uint8:
        full_scale = IMAGE_SCALE
    examine(name, first, second, classes)
    full_scale = None if full_scale is None else float(full_scale)
    return Loaded(first, second, classes, full_scale, digest(first, second, classes, full_scale))


def _count_classes(name: str, found: np.ndarray) -> int:
    """One more than the largest label; labels from 1 to k would make a class of none."""
    low, high = int(found[0]), int(found[-1])
    if low == 1 and len(found) == high and high > 1:
        raise DataError(
            f"{name}: labels run from 1 to {high}, so that there would be {high + 1} classes, the first "
            f"without an example; number the classes from 0, y - 1, or say classes={high + 1}; for a "
            "regression give floats, y.astype(float)"
        )
    return high + 1


def check_classes_known(name: str, train: Any, test: Any, advice: str = "") -> None:
    """Refuse test labels that no training example has: as a rule one part is numbered otherwise.

    Args:
      name: What error messages call the set.
      train: Class numbers of the training part.
      test: Class numbers of the test part.
      advice: What to do where it is meant.

    Raises:
      DataError: Says which classes, and how many examples they have.
    """
    known = np.unique(train)
    found = np.unique(test)
    strange = np.setdiff1d(found, known)
    if strange.size:
        which = ", ".join(map(str, strange[:6])) + (" …" if strange.size > 6 else "")
        raise DataError(
            f"{name}: the test part has classes that train has not: {which} "
            f"({int(np.isin(test, strange).sum())} of {len(test)} examples); labels run from {known[0]} to "
            f"{known[-1]} in the training part and from {found[0]} to {found[-1]} in the test part: number "
            f"both alike{advice or f', or say classes={max(known[-1], found[-1]) + 1} if that is meant'}"
        )


def digest(train: Split, test: Split, classes: int | None, full_scale: float | None) -> str:
    """SHA-256 of types, shapes and values, in C order and little-endian, cut to 128 bits."""
    arrays = [np.ascontiguousarray(array) for part in (train, test) for array in part]
    form = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = {"arrays": form, "classes": classes, "full_scale": full_scale}
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for array in arrays:
        found.update(array.data)
    return found.hexdigest()[:DIGEST_LENGTH]


def nbytes(loaded: Loaded) -> int:
    """The bytes of all arrays together."""
    return sum(array.nbytes for part in (loaded.train, loaded.test) for array in part)


def examine(name: str, train: Split, test: Split, classes: int | None) -> None:
    """Refuse what no training could make sense of.

    Raises:
      DataError: For empty or unequal parts, inputs or targets that are NaN or infinite, labels out of range,
        and sets that are too large to be held on the device.
    """
    parts = (("training", train), ("test", test))
    for part, split in parts:
        _check_part(name, part, split)
    for what, a, b in (("inputs", train.x, test.x), ("targets", train.y, test.y)):
        if a.shape[1:] != b.shape[1:] or a.dtype != b.dtype:
            raise DataError(
                f"{name}: {what} are {_form(a)} in the training part and {_form(b)} in the test part, "
                "but must be of one shape and type"
            )
    for part, split in parts:
        _check_targets(name, part, split.y, classes)
    limits.check_bytes(name, sum(array.nbytes for array in (*train, *test)))


def _form(array: Any) -> str:
    return f"{array.dtype} {list(array.shape[1:])}"


def _check_part(name: str, part: str, split: Split) -> None:
    if not len(split.x):
        raise DataError(f"{name}: the {part} part is empty")
    if len(split.x) != len(split.y):
        raise DataError(f"{name}: the {part} part has {len(split.x)} inputs but {len(split.y)} targets")
    for what, array in (("input", split.x), ("target", split.y)):
        bad = [
            start + int(row)
            for start, block in _blocks(array)
            for row in np.flatnonzero(~np.isfinite(block).reshape(len(block), -1).all(axis=1))
        ]
        if bad:
            more = f" ({len(bad)} such {what}s of {len(array)})" if len(bad) > 1 else ""
            raise DataError(
                f"{name}: {what} {bad[0]} of the {part} part is NaN or infinite{more}; remove or repair such "
                "examples"
            )


def _check_targets(name: str, part: str, y: Any, classes: int | None) -> None:
    if classes is None:
        if y.dtype.kind != "f":
            raise DataError(
                f"{name}: whole numbers as targets are class numbers, so the set must say how many classes"
            )
        return
    if y.dtype != np.int32 or y.ndim != 1:
        columns = y.ndim == 2 and y.shape[1] > 1
        raise DataError(
            f"{name}: labels of {classes} classes must be int32 [n], but are {_form(y)}; give whole numbers, "
            f"{'y.argmax(axis=1) where they are one-hot' if columns else 'y.astype(int)'}"
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"{name}: labels of the {part} part run from {low} to {high}, but must lie in "
            f"[0, {classes - 1}]; number the classes from 0"
        )


def _blocks(array: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Runs of rows of a floating array; nothing for whole numbers, which are always finite."""
    if array.dtype.kind == "f":
        rows = max(1, _BLOCK // max(1, array[0].nbytes))
        for start in range(0, len(array), rows):
            yield start, array[start : start + rows]


def _tidy(name: str, part: str, x: Any, y: Any) -> Split:
    forms.check_rows_belong(name, part, x, y)
    return Split(forms.inputs(name, part, x), forms.targets(name, part, y))


def _alike(parts: list[Split]) -> list[Split]:
    """Whole numbers of both parts in one type: the wider."""
    types = {part.x.dtype.name for part in parts}
    return [Split(part.x.astype("<i8"), part.y) for part in parts] if types == {"int32", "int64"} else parts
