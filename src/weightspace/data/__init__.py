"""Data sets: names, folders, arrays and factories to `Data`. Sources are imported when they are used."""

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weightspace.data.sources.catalogue import CARDS
from weightspace.errors import DataError, InputError, nearest, unknown
from weightspace.named import check_may_run, handed_over, resolve

if TYPE_CHECKING:
    from weightspace.data.base import Data, Loaded, Source, Split
    from weightspace.data.cosine import CosineProduct
    from weightspace.data.examples import Arrays, Examples, Partition
    from weightspace.data.sources.arrays import Stored, from_arrays
    from weightspace.data.sources.digits import Digits
    from weightspace.data.sources.folder import Folder
    from weightspace.data.sources.hub import Hub
    from weightspace.data.sources.layout import DataWarning
    from weightspace.data.sources.selected import Selected
    from weightspace.data.task import Task

DEFAULT = "digits"
_COSINE = "cosine"
_HUB = "hub:"
_HOMES = {
    "Arrays": "examples",
    "CosineProduct": "cosine",
    "Data": "base",
    "DataWarning": "sources.layout",
    "Digits": "sources.digits",
    "Examples": "examples",
    "Folder": "sources.folder",
    "Hub": "sources.hub",
    "Loaded": "base",
    "Partition": "examples",
    "Selected": "sources.selected",
    "Source": "base",
    "Split": "base",
    "Stored": "sources.arrays",
    "Task": "task",
    "from_arrays": "sources.arrays",
}

__all__ = [
    "DEFAULT",
    "Arrays",
    "CosineProduct",
    "Data",
    "DataWarning",
    "Digits",
    "Examples",
    "Folder",
    "Hub",
    "Loaded",
    "Partition",
    "Selected",
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
    """The sets known by name.

    `digits` comes with the package's dependencies, `cosine` is drawn, the others come from disk or hub.
    """
    return (*CARDS, _COSINE)


def describe(name: str) -> dict[str, Any]:
    """What is known of a set without loading it: name, shape, classes, sizes, where it comes from.

    Raises:
      InputError: If there is none of that name.
    """
    if name == _COSINE:
        return _drawn()
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


def _drawn() -> dict[str, Any]:
    from weightspace.data.cosine import CosineProduct

    made = CosineProduct()
    return {
        "name": _COSINE,
        "shape": made.shape,
        "classes": None,
        "train": made.size,
        "test": made.test_size,
        "from": "drawn",
        "on_disk": True,
        "about": "product of two cosines on a plane in ten dimensions (Loukas et al., 2021), a regression",
    }


def make_data(given: Any = DEFAULT, **options: Any) -> "Data | CosineProduct":
    """A data set by name, folder or factory.

    >>> make_data("cosine:frequency=0.25,examples=200").size
    200

    Args:
      given: A name (`mnist`), with the classes to keep as in `cifar10:classes=0,5` and as many of each as in
        `mnist:classes=3,6,train_each=100`, or with corrupted test images as in
        `cifar10:corruption=fog,severity=3` (`folder=` reads published ones); `cosine`, with its options
        likewise; a folder or `.npz` file (`./my_images`), a repository of the hub (`hub:owner/name`), of
        both also the columns that are meant
        (`hub:owner/name:image=img,label=coarse`; of the hub also `config=`), or `package.module:factory`,
        which returns `Data`, a `Source`, or the arguments of `from_arrays` as a tuple or dict. `Data` and a
        `Source` are taken as they are.
      options: Fields of `Data`: `normalise`, `validation`, `subset`, `noise`, `noise_seed`.

    Raises:
      InputError: For an unknown name (with the nearest spelling) or a factory that returns something else.
      DataError: For a path that does not exist (with the nearest name), or a file of a kind that is not read.
    """
    import dataclasses

    from weightspace.data.base import Data

    check_may_run("the data set", str(given))
    given = given if (handed := handed_over(given)) is None else handed
    known = {field.name for field in dataclasses.fields(Data)} - {"source"}  # pyright: ignore[reportArgumentType]
    for option in options:
        if option not in known:
            raise unknown("option of a data set", option, known)
    base, _, text = str(given).partition(":")
    if base == _COSINE and isinstance(given, str | Path):
        return _cosine(text, options)
    made = _of_object(given) if not isinstance(given, str | Path) else _make_source(str(given))
    return dataclasses.replace(made, **options) if isinstance(made, Data) else Data(made, **options)


def _cosine(text: str, options: dict[str, Any]) -> "CosineProduct":
    import dataclasses

    from weightspace.data.cosine import CosineProduct
    from weightspace.options import read_options

    given = [name for name, value in options.items() if value not in (None, 0) and name != "normalise"]
    if given:
        raise InputError(f"cosine is drawn for each run, so it takes no {given[0]}")
    fields = [field.name for field in dataclasses.fields(CosineProduct)]  # pyright: ignore[reportArgumentType]
    return CosineProduct(**read_options(_COSINE, CosineProduct, fields, text))


def _of_object(given: Any) -> "Source | Data":
    """What was given instead of a name: a source or a set as it is, all else refused with what to do."""
    from weightspace.data.base import Data, Source
    from weightspace.data.forms import described

    if isinstance(given, Data | Source):
        return given
    arrays = hasattr(given, "shape") or isinstance(given, tuple | list | dict)
    advice = (
        "make a source of arrays, Data(from_arrays(x, y))" if arrays else "give a name, a folder or a factory"
    )
    raise InputError(f"make_data is given {described(given)}; {advice}, or one of: {', '.join(names())}")


def _make_source(given: str) -> "Source | Data":
    from weightspace.data.sources.hub import Hub, local_folder

    base, _, text = given.partition(":")
    if not given:
        raise unknown("data set", given, names())
    if text and base.replace("-", "_") in CARDS:
        return _selected(base, text)
    whole, columns = _columns(given)
    if columns and (whole.startswith(_HUB) or Path(whole).expanduser().exists()):
        return _with_columns(whole, columns)
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
        from weightspace.data.sources.kinds import check_readable

        found = local if local is not None and not path.exists() else path
        check_readable(found)
        return Folder(str(found))
    if ":" in given:
        return _from_factory(given)
    if path.name == given and not path.suffix:
        here = nearest(
            given, [each.name for each in Path.cwd().iterdir() if each.is_dir() or each.suffix == ".npz"]
        )
        hint = f"; did you mean {here}, which is here?" if here else ""
        raise InputError(
            f"{unknown('data set', given, names())} Nor is there a folder or .npz file of this name in this "
            f"folder{hint}"
        )
    near = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = nearest(path.name, near)
    hint = f"; did you mean {path.parent / guess}? Or" if guess else ";"
    raise DataError(
        f"there is no folder or file {given}{hint} give a folder with data, an .npz file, or one of: "
        f"{', '.join(names())}"
    )


def _columns(given: str) -> tuple[str, str]:
    """`PLACE:image=img,label=cls` as its two parts; the second is empty where there are no such options."""
    place, _, text = given.rpartition(":")
    return (place, text) if place and "=" in text else (given, "")


def _with_columns(place: str, text: str) -> "Source":
    from weightspace.data.sources.folder import Folder
    from weightspace.data.sources.hub import Hub
    from weightspace.options import read_options

    if place.startswith(_HUB):
        return Hub(place.removeprefix(_HUB), **read_options(place, Hub, ("config", "image", "label"), text))
    return Folder(place, **read_options(place, Folder, ("image", "label"), text))


def _selected(base: str, text: str) -> "Source":
    from weightspace.data.sources.options import with_options

    return with_options(base, text, _make_source(base))


def _from_factory(given: str) -> "Source | Data":
    from weightspace.data.base import Data, Source
    from weightspace.data.sources.arrays import from_arrays

    target = resolve(given)
    try:
        made = target() if callable(target) else target
    except Exception as error:
        raise InputError(f"'{given}' raised {type(error).__name__}: {error}") from error
    name = given.partition(":")[2]
    if isinstance(made, Data | Source):
        return made
    if isinstance(made, tuple | list) and len(made) in (2, 4):
        return from_arrays(*made, name=name)
    if isinstance(made, dict) and {"x", "y"} <= set(made):
        known = inspect.signature(from_arrays).parameters
        for key in made:
            if key not in known:
                raise unknown(f"entry of the dict that '{given}' gives", str(key), known)
        arguments: dict[str, Any] = {"name": name} | made
        return from_arrays(**arguments)
    raise InputError(
        f"'{given}' gave {type(made).__name__}, but must give Data, a Source, (x, y), "
        "(x, y, x_test, y_test) or a dict of the arguments of from_arrays"
    )
