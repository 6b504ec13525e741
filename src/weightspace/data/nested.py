"""What NumPy would lose of inputs and targets when it makes one array of several parts.

A list is read by what its parts hold, by place: masks of the parts are dropped, the labels of pandas rows are
not looked at, and whole numbers beside floats become float64, which merges those beyond 2⁵³. A table of mixed
columns goes the same way. Each of these is refused here, by name.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from weightspace.errors import DataError

_EXACT = 2**53
"""Up to here float64 holds each whole number."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def check_nested(what: str, given: Any) -> None:
    """Refuse masks, at any depth, and rows of tables whose labels are in different orders.

    Args:
      what: What the values are called.
      given: An array, a table, or nested lists of such.

    Raises:
      DataError: Says how many values are masked, or which labels differ.
    """
    masked = size = 0
    first: Any = None
    for part in _parts(given):
        if isinstance(part, np.ma.MaskedArray):
            masked, size = masked + int(np.ma.count_masked(part)), size + part.size
        labels = None if part is given else _labels(part)
        first = labels if first is None else first
        if labels is not None and _contradict(first, labels):
            one, other = (", ".join(map(str, each[:6])) for each in (first, labels))
            raise DataError(
                f"{what} are rows of tables with different labels ({one} and {other}), which would be read "
                "by place; give one table, pandas.DataFrame(rows), whose columns are aligned"
            )
    if masked:
        raise DataError(
            f"{what} have {masked} masked of {size} values, which would be read as if they were not; fill "
            "them (.filled(value)) or leave such examples out"
        )


def _parts(given: Any) -> Iterator[Any]:
    """What nested lists hold, at any depth; rows of plain numbers are passed over."""
    if not isinstance(given, list | tuple):
        yield given
    elif not all(issubclass(kind, _PLAIN) for kind in set(map(type, given))):
        for each in given:
            yield from _parts(each)


def _labels(part: Any) -> Any:
    """What a row of a table calls its values; None for what has no names."""
    found = getattr(part, "columns", getattr(part, "index", None))
    return found if hasattr(found, "equals") else None


def _contradict(one: Any, other: Any) -> bool:
    """Whether places mean different things: another order, or other names. Numbers may be times."""
    if one.equals(other):
        return False
    return set(one) == set(other) or any(isinstance(each, str) for each in (*one, *other))


def labels_of(given: Any) -> Any:
    """What the values of an example are called: the columns of a table, the labels of a list's first row."""
    if isinstance(given, list | tuple):
        return _labels(given[0]) if len(given) else None
    found = getattr(given, "columns", None)
    return found if hasattr(found, "equals") else None


def check_whole_kept(what: str, given: Any, array: np.ndarray) -> None:
    """Refuse whole numbers that float64 merges, where they stood beside floats.

    Args:
      what: What the values are called.
      given: What was handed over.
      array: What NumPy made of it.

    Raises:
      DataError: Says where.
    """
    if array.dtype.kind != "f" or not array.size:
        return
    if array.dtype.itemsize > 8:
        _check_long(what, array)
    if isinstance(given, np.ndarray):
        return
    with np.errstate(invalid="ignore"):
        large = np.abs(array) >= _EXACT
    if not large.any():
        return
    where = _whole_columns(given, large)
    if where or _holds_large(given):
        raise DataError(
            f"{what} mix floats with whole numbers beyond 2^53{where}, of which float64 would merge some; "
            "take an offset off first (a - a.min()), or give whole numbers alone"
        )


def _check_long(what: str, array: np.ndarray) -> None:
    """Longer floats become float64: more than a hundredth of what varies must not go by that."""
    with np.errstate(over="ignore", invalid="ignore"):
        taken = np.abs(array - array.astype(np.float64)).max(axis=0)
        lost = np.isfinite(taken) & (taken > 0.01 * (array.max(axis=0) - array.min(axis=0)))
    if lost.any() or not np.isfinite(array.astype(np.float64))[np.isfinite(array)].all():
        raise DataError(
            f"{what} are {array.dtype}, of which float64 does not hold what varies; take their mean off, or "
            "rescale them, first"
        )


def _whole_columns(given: Any, large: np.ndarray) -> str:
    """Which columns of whole numbers a table has that are too large; empty for none, and for no table."""
    names = getattr(given, "column_names", getattr(given, "columns", ()))
    kinds = getattr(getattr(given, "schema", None), "types", getattr(given, "dtypes", ()))
    if large.ndim != 2 or len(names) != large.shape[1] or len(kinds) != large.shape[1]:
        return ""
    whole = [str(kind).lower().removeprefix("u").startswith("int") for kind in kinds]
    found = [str(name) for j, name in enumerate(names) if whole[j] and large[:, j].any()]
    return f" (column {', '.join(found[:4])})" if found else ""


def _holds_large(given: Any) -> bool:
    """Whether whole numbers of nested lists, or of arrays in them, are too large."""
    if isinstance(given, list | tuple):
        return any(map(_holds_large, given))
    if isinstance(given, bool | int | np.integer):
        return abs(int(given)) > _EXACT
    dtype = getattr(given, "dtype", None)
    if getattr(dtype, "kind", "") not in ("i", "u") or not hasattr(given, "__array__"):
        return False
    values = np.asarray(given)
    return bool(values.size) and max(abs(int(values.min())), abs(int(values.max()))) > _EXACT
