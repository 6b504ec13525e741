"""Which part of a set each Parquet file belongs to, in the layouts that the Hugging Face hub writes.

train-00000-of-00002.parquet, data/train-…, svhn-test.parquet          the part is the end of the name
CONFIG/train-00000-of-00001-<hash>.parquet                             likewise; several CONFIGs, several sets
CONFIG/train/0000.parquet                                              the folder (the hub's conversion)

Shards are read in the order of their numbers, and must all be there.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weightspace.errors import DataError

TEST_NAMES = ("test", "validation", "valid", "val")
_KNOWN = ("train", *TEST_NAMES)
_SHARD = re.compile(r"(?P<name>.+?)[-_](?P<number>\d+)-of-(?P<total>\d+)(?:-[0-9a-f]{8,})?")
_COUNTED = re.compile(r"(?P<name>.*?)[-_.]?(?P<number>\d+)")
_ENDING = re.compile(rf"(?:^|.*[-_.])(?P<part>{'|'.join(_KNOWN)})")
_PARTIAL = "partial-"


@dataclasses.dataclass(frozen=True)
class Columns:
    """Names of the two columns, in order of preference, and what is known of the labels.

    Attributes:
      image: Of the image column.
      label: Of the label column.
      classes: How many classes; None to take it from the table's metadata or the largest label.
      ten_is_zero: Whether labels 1 to 10 mean the digits 1 to 9 and 0, as in SVHN's original files.
      chosen: Whether the set's card or the user says which columns are meant; else others are refused.
    """

    image: tuple[str, ...] = ("image", "img", "png", "jpg")
    label: tuple[str, ...] = ("label", "labels", "fine_label", "target", "cls")
    classes: int | None = None
    ten_is_zero: bool = False
    chosen: bool = False

    def named(self, image: str | None, label: str | None) -> "Columns":
        """With the columns that a user names."""
        if image is None and label is None:
            return self
        changes: dict[str, Any] = {"image": (image,)} if image else {}
        changes |= {"label": (label,), "classes": None} if label else {}
        return dataclasses.replace(self, chosen=True, **changes)


class Piece(NamedTuple):
    """A file's place in a set.

    Attributes:
      file: The file.
      config: The set, as the folder is called; "" for the only one.
      part: `train`, `test`, …, or another name that the file says; None if it says none.
      number: Of the shard.
      total: How many shards there are; None if the name does not tell.
    """

    file: Path
    config: str
    part: str | None
    number: int
    total: int | None


def split_files(folder: Path, files: Sequence[Path] | None = None) -> dict[str, list[Path]]:
    """Parquet files by the name of their part, each part's in the order of its shards.

    Args:
      folder: The set's folder.
      files: Files in it; None for all that end in `.parquet`.

    Raises:
      DataError: If there are several sets, files of no part, or parts of which shards are missing.
    """
    pieces = [_piece(folder, file) for file in (folder.rglob("*.parquet") if files is None else files)]
    configs = sorted({piece.config for piece in pieces})
    if len(configs) > 1:
        shown = ", ".join(config or "the folder itself" for config in configs)
        raise DataError(
            f"{folder} holds several sets, in {shown}; name one of them, as {folder / configs[-1]}"
        )
    if lost := [piece.file.relative_to(folder).as_posix() for piece in pieces if piece.part is None]:
        raise DataError(
            f"{folder} holds {len(lost)} files that name no part ({', '.join(lost[:3])}); call them "
            "train-….parquet and test-….parquet"
        )
    parts: dict[str, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.number, piece.file.name)):
        parts.setdefault(str(piece.part), []).append(piece)
    for part, those in parts.items():
        _check_whole(folder, part, those)
    return {part: [piece.file for piece in those] for part, those in sorted(parts.items())}


def _piece(folder: Path, file: Path) -> Piece:
    above = [each for each in file.relative_to(folder).parts[:-1] if each != "data"]
    shard = _SHARD.fullmatch(file.stem)
    counted = None if shard else _COUNTED.fullmatch(file.stem)
    found = shard or counted
    name = found["name"] if found else file.stem
    number = int(found["number"]) if found else 0
    total = int(shard["total"]) if shard else None
    part = name if shard else None
    if ending := _ENDING.fullmatch(name.lower()):
        part = ending["part"]
    if above and (above[-1].lower() in _KNOWN or above[-1].startswith(_PARTIAL) or (counted and not name)):
        # The folder tells; names within it may say the same.
        folder_ = above.pop()
        part = folder_.lower() if folder_.lower() in _KNOWN else folder_
    return Piece(file, "/".join(above), part, number, total)


def _check_whole(folder: Path, part: str, pieces: Sequence[Piece]) -> None:
    names = ", ".join(piece.file.name for piece in pieces[:4])
    if part.startswith(_PARTIAL):
        raise DataError(
            f"{folder} holds '{part}', the beginning of a part that the hub converted no farther ({names}); "
            "get the whole set, or rename the folder if the beginning is meant"
        )
    totals = {piece.total for piece in pieces}
    numbers = [piece.number for piece in pieces]
    if len(totals) > 1 or len(set(numbers)) < len(numbers):
        raise DataError(
            f"{folder} holds files of '{part}' that do not go together: {names}; keep those of one set"
        )
    total = next(iter(totals))
    bare = total is None and all(piece.file.stem.isdecimal() for piece in pieces)
    wanted = range(total if total is not None else max(numbers) + 1)
    if (total is not None or bare) and (missing := sorted(set(wanted) - set(numbers))):
        raise DataError(
            f"{folder} lacks {len(missing)} of {len(wanted)} files of '{part}': number "
            f"{', '.join(map(str, missing[:4]))}; there are {names}; fetch the set again"
        )
