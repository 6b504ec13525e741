"""What a folder holds: every file is read, known to be no data, or refused by name.

Skipped without a word are hidden files and folders (`.DS_Store`, `.git`), `Thumbs.db`, `desktop.ini`,
`__MACOSX`, and papers: README, LICENSE, CITATION, `*.md`, `*.py`, `*.bib`, `*.cff`, `dataset_info.json` and
its like, and the `index.duckdb` that the hub's conversion puts beside its Parquet files. Of a folder of the
hub's own cache (`refs`, `blobs`, `snapshots`) the snapshot that is meant is read. Parts that are there but
not read (a validation part beside a test part) are warned of, with their size.
"""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weightspace.data.sources.kinds import advice, check_readable
from weightspace.data.sources.splits import TEST_NAMES, split_files
from weightspace.data.split import EVERY
from weightspace.errors import DataError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
LAYOUTS = (
    "train*.parquet and test*.parquet, train/<class>/ and test/<class>/ with images, <class>/ alone with "
    "images, or one .npz"
)
WHOLE = ""
"""The part of a folder of images in one piece, which holds the folders of classes itself."""
_PARTS = ("train", "training", *TEST_NAMES, "tests", "testing", "eval", "dev", "holdout", "extra")
"""Names of folders that are parts rather than classes."""
_JUNK = ("thumbs.db", "desktop.ini", "__macosx")
_PAPER = re.compile(
    r"(readme|licen[cs]e|citation|notice|copying)(\..*)?|.*\.(md|rst|py|bib|cff)"
    r"|(dataset_infos?|dataset_dict|state)\.json|(partial-)?index\.duckdb",
    re.IGNORECASE,
)
_NAMED = 3
"""How many names an error gives."""


class DataWarning(UserWarning):
    """Part of what was given is not used."""


class Layout(NamedTuple):
    """The files of a data set.

    Attributes:
      kind: `npz`, `parquet` or `images`.
      home: The folder.
      parts: Files by the name of their part, in order; one called "" where there are no parts.
      files: All files that are no papers.
    """

    kind: str
    home: Path
    parts: dict[str, list[Path]]
    files: list[Path]

    @property
    def test(self) -> str | None:
        """The part to test on, if there is one."""
        return next((part for part in TEST_NAMES if part in self.parts), None)

    @property
    def unused(self) -> dict[str, list[Path]]:
        """Parts that are not read."""
        return {} if self.kind == "npz" else {
            part: files for part, files in self.parts.items() if part not in ("train", self.test, WHOLE)
        }  # fmt: skip


def survey(path: Path) -> Layout:
    """What there is at a path.

    Raises:
      DataError: If it is none of the known layouts, or holds files that would be left out.
    """
    if path.is_file():
        check_readable(path)
        return Layout("npz", path, {"": [path]}, [path])
    path = _of_hub_cache(path)
    files = list(walk(path))
    kinds = {
        "parquet": [file for file in files if file.suffix.lower() == ".parquet"],
        "npz": [file for file in files if file.suffix.lower() == ".npz"],
        "images": [file for file in files if file.suffix.lower() in IMAGES],
    }
    found = [kind for kind, those in kinds.items() if those]
    others = [file for file in files if not any(file in those for those in map(set, kinds.values()))]
    if len(found) > 1 or len(kinds["npz"]) > 1:
        counts = ", ".join(
            f"{len(kinds[kind])} {'images' if kind == 'images' else f'.{kind}'}" for kind in found
        )
        raise DataError(
            f"{path} holds {counts}, of which one alone would be read; name the file or folder meant"
        )
    if not found:
        there = f"; it holds {named(path, files)}: the first {advice(files[0])}" if files else ""
        raise DataError(f"{path} holds no data set of a known layout; it should hold {LAYOUTS}{there}")
    _refuse(
        path, others, f"beside {len(kinds[found[0]])} {found[0]} files: move them away, or unpack archives"
    )
    if found[0] == "parquet":
        return Layout("parquet", path, split_files(path, kinds["parquet"]), files)
    if found[0] == "npz":
        return Layout("npz", path, {"": kinds["npz"]}, files)
    return Layout("images", path, _image_parts(path, kinds["images"]), files)


def _of_hub_cache(path: Path) -> Path:
    """The snapshot of a folder of the hub's cache, `datasets--owner--name`; any other folder as it is.

    Raises:
      DataError: If there are several and none is called main.
    """
    home = path / "snapshots"
    if not home.is_dir() or not any((path / each).is_dir() for each in ("refs", "blobs")):
        return path
    there = sorted(each.name for each in home.iterdir() if each.is_dir())
    main = path / "refs" / "main"
    meant = main.read_text().strip() if main.is_file() else ""
    if meant not in there and len(there) != 1:
        raise DataError(
            f"{path} is a folder of the hub's cache with {len(there)} snapshots, none of them called main; "
            f"name one, as {home / (there or ['…'])[0]}"
        )
    return home / (meant if meant in there else there[0])


def warn_of_unused(name: str, layout: Layout) -> None:
    """Say which parts are there but not read."""
    for part, files in layout.unused.items():
        what = "images" if layout.kind == "images" else "files"
        tell_unused(name, part, f"{len(files)} {what}", layout.test or "test")


def tell_unused(name: str, part: str, size: str, test: str) -> None:
    """Warn of a part that is not read."""
    text = f"the part '{part}' of {name} ({size}) is not used: train is learnt from and {test} is tested on"
    warnings.warn(
        DataWarning(f"{text}; validation examples are drawn from train (validation=)"), stacklevel=4
    )


def warn_of_split(name: str, layout: Layout) -> None:
    """Say once which examples are tested on where a folder has no test part."""
    count = len(layout.parts[WHOLE])
    warnings.warn(
        DataWarning(
            f"{name} has no test part: a stratified fifth ({-(-count // EVERY)} of {count} images) is held "
            "out for testing, the same each time; make train/<class>/ and test/<class>/ to choose yourself"
        ),
        stacklevel=4,
    )


def walk(folder: Path) -> Iterator[Path]:
    """All files that may be data, in order, through links to folders, each folder once."""
    seen: set[str] = set()
    for home, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(home)
        folders[:] = [] if real in seen else sorted(each for each in folders if not is_junk(each))
        if real in seen:
            continue
        seen.add(real)
        yield from (
            Path(home) / each for each in sorted(files) if not (is_junk(each) or _PAPER.fullmatch(each))
        )


def states(base: Path, files: Sequence[Path]) -> list[list[Any]]:
    """What tells whether files are as they were: name, size, both times and number in the file system.

    A copy that keeps the time (`cp -p`, `rsync -a`, an archive of fixed times) changes the second time, which
    nobody sets, or the number.
    """
    found = [(file.relative_to(base).as_posix(), file.stat()) for file in files]
    return [[name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino] for name, at in found]


def is_junk(name: str) -> bool:
    """Whether a file or folder is no data by its name: hidden, or what a desktop leaves."""
    return name.startswith(".") or name.lower() in _JUNK


def named(folder: Path, files: Sequence[Path]) -> str:
    """A few names and how many there are."""
    few = ", ".join(file.relative_to(folder).as_posix() for file in files[:_NAMED])
    return f"{few}, … ({len(files)} files)" if len(files) > _NAMED else few


def _refuse(path: Path, files: Sequence[Path], where: str) -> None:
    if files:
        kinds = ", ".join(f"{count} {kind or 'without ending'}" for kind, count in _kinds(files))
        raise DataError(f"{path} holds files that would be left out ({kinds}: {named(path, files)}) {where}")


def _kinds(files: Sequence[Path]) -> list[tuple[str, int]]:
    return Counter(file.suffix.lower() for file in files).most_common(4)


def _image_parts(path: Path, images: Sequence[Path]) -> dict[str, list[Path]]:
    """Images by the folder under `path`; within, they lie in folders of classes."""
    tops: dict[str, list[Path]] = {}
    for image in images:
        parts = image.relative_to(path).parts
        tops.setdefault(parts[0] if len(parts) > 1 else "", []).append(image)
    shown = ", ".join(
        f"{len(files)} images {f'in {top}/' if top else 'outside folders'}" for top, files in tops.items()
    )
    if not (path / "train").is_dir():
        if _are_classes(path, images, tops):
            return {WHOLE: list(images)}
        raise DataError(
            f"{path} holds no data set of a known layout; it should hold {LAYOUTS}, but has {shown}"
        )
    if not any((path / part).is_dir() for part in TEST_NAMES):
        raise DataError(
            f"{path} has a folder train but none called test; images to test on are needed (there are "
            f"{shown})"
        )
    parts = {top: tops.get(top, []) for top in ("train", *TEST_NAMES) if (path / top).is_dir()}
    _refuse(
        path,
        [image for top, files in tops.items() if top not in parts for image in files],
        "outside train and test",
    )
    loose = [image for top in parts for image in parts[top] if len(image.relative_to(path).parts) < 3]
    _refuse(path, loose, "in no folder of a class; move them into train/<class>/ and test/<class>/")
    return parts


def _are_classes(path: Path, images: Sequence[Path], tops: dict[str, list[Path]]) -> bool:
    """Whether a folder holds folders of classes and nothing else: two at least, images right within each.

    Folders that are called like parts, in whatever letters, are none, and those of deeper images may be parts
    under other names: no guess is made.
    """
    deep = any(len(image.relative_to(path).parts) != len(("class", "image")) for image in images)
    parts = [top for top in tops if re.split(r"[^a-z]", top.lower())[0] in _PARTS]
    return len(tops) > 1 and not deep and not parts
