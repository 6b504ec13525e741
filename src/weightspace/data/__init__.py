"""Data sets: names, folders, arrays and factories to `Data`. Sources are imported when they are used."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weightspace.data.sources.catalogue import CARDS
from weightspace.errors import DataError, InputError, unknown

if TYPE_CHECKING:
    from weightspace.data.base import Arrays, Data, Loaded, Partition, Source, Split
    from weightspace.data.sources.arrays import Stored, from_arrays
    from weightspace.data.sources.digits import Digits
    from weightspace.data.sources.folder import Folder
    from weightspace.data.sources.hub import Hub
    from weightspace.data.task import Task

DEFAULT = "digits"
_HUB = "hub:"
_HOMES = {
    "Arrays": "base",
    "Data": "base",
    "Digits": "sources.digits",
    "Folder": "sources.folder",
    "Hub": "sources.hub",
    "Loaded": "base",
    "Partition": "base",
    "Source": "base",
    "Split": "base",
    "Stored": "sources.arrays",
    "Task": "task",
    "from_arrays": "sources.arrays",
}

__all__ = [
    "DEFAULT",
    "Arrays",
    "Data",
    "Digits",
    "Folder",
    "Hub",
    "Loaded",
    "Partition",
    "Source",
    "Split",
    "Stored",
    "Task",
    "describe",
    "from_arrays",
    "make_data",
    "names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def names() -> tuple[str, ...]:
    """The sets known by name; `digits` comes with the package's dependencies, the others from disk or hub."""
    return tuple(CARDS)


def describe(name: str) -> dict[str, Any]:
    """What is known of a set without loading it: name, shape, classes, sizes, where it comes from.

    Raises:
      InputError: If there is none of that name.
    """
    card = CARDS.get(name.replace("-", "_"))
    if card is None:
        raise unknown("data set", name, names())
    from weightspace.data.sources.hub import local_folder

    local = card.repository is None or local_folder(card.name) is not None
    return {
        "name": card.name,
        "shape": card.shape,
        "classes": card.classes,
        "train": card.train,
        "test": card.test,
        "from": card.repository or "scikit-learn",
        "on_disk": local,
        "about": card.about,
    }


def make_data(given: str | Path = DEFAULT, **options: Any) -> "Data":
    """A data set by name, folder or factory.

    Args:
      given: A name (`mnist`), a folder or `.npz` file (`./my_images`), a repository of the hub
        (`hub:owner/name`), or `package.module:factory`, which returns `Data`, a `Source`, or the arguments of
        `from_arrays` as a tuple or dict.
      options: Fields of `Data`: `normalise`, `validation`, `subset`, `noise`.

    Raises:
      InputError: For an unknown name (with the nearest spelling) or a factory that returns something else.
      DataError: For a path that does not exist.
    """
    import dataclasses

    from weightspace.data.base import Data

    known = {field.name for field in dataclasses.fields(Data)} - {"source"}  # pyright: ignore[reportArgumentType]
    for option in options:
        if option not in known:
            raise unknown("option of a data set", option, known)
    made = _make_source(str(given))
    return dataclasses.replace(made, **options) if isinstance(made, Data) else Data(made, **options)


def _make_source(given: str) -> "Source | Data":
    from weightspace.data.sources.hub import Hub, local_folder

    name = given.replace("-", "_")
    if name == DEFAULT:
        from weightspace.data.sources.digits import Digits

        return Digits()
    if name in CARDS:
        return Hub(name)
    if given.startswith(_HUB):
        return Hub(given.removeprefix(_HUB))
    path = Path(given).expanduser()
    local = local_folder(given) if given and path.name == given else None
    if path.exists() or local is not None:
        from weightspace.data.sources.folder import Folder

        return Folder(str(path if path.exists() else local))
    if ":" in given:
        return _from_factory(given)
    if path.name != given or path.suffix:
        raise DataError(
            f"there is no folder or file {given}; give a folder with data, or one of: {', '.join(names())}"
        )
    raise unknown("data set", given, names())


def _from_factory(given: str) -> "Source | Data":
    from weightspace.code import import_object
    from weightspace.data.base import Data, Source
    from weightspace.data.sources.arrays import from_arrays

    target = import_object(given)
    made = target() if callable(target) else target
    name = given.partition(":")[2]
    if isinstance(made, Data | Source):
        return made
    if isinstance(made, tuple | list) and len(made) in (2, 4):
        return from_arrays(*made, name=name)
    if isinstance(made, dict) and {"x", "y"} <= set(made):
        arguments: dict[str, Any] = {"name": name} | made
        return from_arrays(**arguments)
    raise InputError(
        f"'{given}' gave {type(made).__name__}, but must give Data, a Source, (x, y), "
        "(x, y, x_test, y_test) or a dict of the arguments of from_arrays"
    )
