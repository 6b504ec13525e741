"""What users hand over as inputs and targets, read into plain arrays of few types, or refused by name.

Whatever NumPy would read only in part, or as something else, is refused with what to do: masked values,
objects, missing values of pandas, names of classes, dates, sparse and ragged things, tables whose rows do
not belong together.

inputs:  uint8 (images), float32, float64, and whole numbers as int32, or int64 where they do not fit
targets: class numbers int32 [n], floats [n] or [n, k]
"""

from typing import Any

import numpy as np

from weightspace.data.nested import check_nested, check_whole_kept, labels_of
from weightspace.errors import DataError

_KEPT = ("uint8", "float32", "float64")
_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
_SMALL = ("bfloat16", "float8")
"""Types of ml_dtypes, which NumPy knows by name only."""


def described(value: Any) -> str:
    """A value of a wrong kind in a few words."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and (hasattr(value, "__array__") or hasattr(value, "nnz")):
        return f"{kind} of shape {list(shape)}"
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    return f"{kind} of {len(value)}" if isinstance(value, list | tuple | dict | set) else kind


def check_rows_belong(name: str, part: str, x: Any, y: Any) -> None:
    """Refuse pandas tables that are in different orders: their rows would be matched by place.

    Raises:
      DataError: If both have an index and these differ.
    """
    one, other = (getattr(each, "index", None) for each in (x, y))
    if hasattr(one, "equals") and hasattr(other, "equals"):
        rows: Any = one
        if len(x) == len(y) and not rows.equals(other):
            raise DataError(
                f"{name}: inputs and targets of the {part} are tables with different indices, so their rows "
                "may not belong together; align them (y.loc[x.index]), or give x.to_numpy() and "
                "y.to_numpy()"
            )


def check_columns_agree(name: str, x: Any, x_test: Any) -> None:
    """Refuse tables of inputs whose columns differ in name or order: they would be matched by place.

    Raises:
      DataError: Says which.
    """
    one, other = labels_of(x), labels_of(x_test)
    if one is not None and other is not None and not one.equals(other):
        first, second = (", ".join(map(str, each)) for each in (one, other))
        raise DataError(
            f"{name}: inputs have columns {first} in the training part and {second} in the test part; "
            "give the same in the same order, x_test[x.columns]"
        )


def inputs(name: str, part: str, given: Any) -> np.ndarray:
    """Inputs in a type that is kept, with a last axis for grey uint8 images [n, h, w] and for scalars [n].

    Raises:
      DataError: If they are no plain array of real numbers.
    """
    x = _plain(f"{name}: inputs of the {part}", given, "real numbers")
    if x.ndim == 0:
        raise DataError(
            f"{name}: inputs of the {part} must be an array of real numbers [n, ...], but are one {x.dtype}"
        )
    if x.dtype.kind in "bui" and x.dtype != np.uint8:
        x = _whole(f"{name}: inputs of the {part}", x)
    else:
        x = little_endian(x, _floating(x))
    return x[..., None] if x.ndim == 1 or (x.ndim == 3 and x.dtype == np.uint8) else x


def targets(name: str, part: str, given: Any) -> np.ndarray:
    """Whole numbers [n] or [n, 1] as int32 [n]; floats as they are, half precision as float32.

    Raises:
      DataError: If they are neither, with what was probably meant.
    """
    what = f"{name}: targets of the {part}"
    y = _plain(what, given, "class numbers or floats")
    if y.ndim not in (1, 2):
        raise DataError(
            f"{what} must be class numbers [n] or floats [n] or [n, k], but are {y.dtype} {list(y.shape)}"
        )
    if y.dtype.kind == "f":
        return little_endian(y, _floating(y))
    if y.ndim == 2 and y.shape[1] != 1:
        raise DataError(
            f"{what} are whole numbers {list(y.shape)}, but a class is one number an example; {_columns(y)}"
        )
    if y.size:
        low, high = int(y.min()), int(y.max())
        if low < 0 or high > _INT32.max:
            raise DataError(f"{name}: labels of the {part} run from {low} to {high}; {renumbering(y)}")
    return little_endian(y.reshape(-1), "int32")


def renumbering(y: np.ndarray) -> str:
    """What to do with whole numbers that are no class numbers."""
    found = np.unique(y)
    if found.tolist() == [-1, 1]:
        return "for two classes give (y > 0).astype(int), for a regression floats, y.astype(float)"
    both = (
        "for a regression (mse) give floats, y.astype(float)",
        "number the classes from 0, np.unique(y, return_inverse=True)[1]",
    )
    return "; ".join(both if len(found) > max(20, len(y) // 10) else both[::-1])


def _columns(y: np.ndarray) -> str:
    if np.isin(y, (0, 1)).all():
        if (y.sum(axis=1) == 1).all():
            return "they are one-hot: give class numbers, y.argmax(axis=1)"
        return (
            "with several classes an example give floats, y.astype(float), and a loss that takes them (mse)"
        )
    return "give floats for a regression, y.astype(float)"


def little_endian(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in C order and the given type, little-endian."""
    return np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))


def _floating(array: np.ndarray) -> str:
    """Half precision as float32, more than double as float64."""
    if array.dtype.name in _KEPT:
        return array.dtype.name
    return "float64" if array.dtype.itemsize > 8 else "float32"


def _whole(what: str, x: np.ndarray) -> np.ndarray:
    low, high = (int(x.min()), int(x.max())) if x.size else (0, 0)
    if high > _INT64.max:
        raise DataError(f"{what} are whole numbers up to {high}, more than int64 holds; give floats")
    return little_endian(x, "int32" if _INT32.min <= low and high <= _INT32.max else "int64")


def _plain(what: str, given: Any, wanted: str) -> np.ndarray:
    """An array of real numbers, in the digits that were given."""
    check_nested(what, given)
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        raise DataError(f"{what} are sparse ({type(given).__name__}); give them dense, .toarray()")
    try:
        array = np.asarray(given)
    except Exception as error:
        if isinstance(given, list | tuple):
            problem = "are of unequal lengths or mixed kinds; pad or cut them to one shape"
        else:
            problem = f"cannot be read as an array ({type(given).__name__}: {_first_line(error)})"
        raise DataError(f"{what} {problem}") from error
    if array.dtype.kind == "V" and array.dtype.name.startswith(_SMALL):
        return array.astype(np.float32)
    if array.dtype.kind not in "buif":
        raise DataError(f"{what} must be {wanted}, but are {_shown(array)}; {_advice(array)}")
    check_whole_kept(what, given, array)
    return array


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shown(array: np.ndarray) -> str:
    if array.dtype.names:
        return f"records with fields {', '.join(array.dtype.names)}"
    if array.dtype.kind in "US":
        return f"text ({array.reshape(-1)[0]!s:.20})" if array.size else "text"
    if array.dtype.kind == "O":
        kinds = sorted({type(each).__name__ for each in array.reshape(-1)[:10_000].tolist()})
        return f"objects ({', '.join(kinds[:4])})"
    return str(array.dtype)


def _advice(array: np.ndarray) -> str:
    kind = array.dtype.kind
    large = "after taking an offset off whole numbers beyond 2^53, which floats merge"
    if array.dtype.names:
        kinds = {array.dtype[name].kind for name in array.dtype.names}
        advice = "stack the fields as columns, numpy.lib.recfunctions.structured_to_unstructured(a)"
        return f"{advice}, {large}" if "f" in kinds and kinds & {"i", "u"} else advice
    if kind in "US" or (kind == "O" and array.size and all(isinstance(each, str) for each in array.flat)):
        return "number names from 0, np.unique(a, return_inverse=True)[1]; read numbers with .astype(float)"
    if kind == "c":
        return "give real and imaginary parts as two columns"
    if kind in "mM":
        return "give times as numbers, a.astype('int64')"
    missing = sum(each is None or type(each).__name__ in ("NAType", "NaTType") for each in array.flat)
    if missing:
        return f"{missing} values are missing: fill them or leave such examples out, then .astype(float)"
    if any(isinstance(each, int | np.integer) and abs(int(each)) > 2**53 for each in array.flat):
        return f"convert them, .astype(float), {large}"
    return "convert them, .astype(float), where each is a number of its own"
