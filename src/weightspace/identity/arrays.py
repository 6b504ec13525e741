"""Arrays and tables by content: type, shape and every bit."""

import hashlib
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from weightspace.identity import classes
from weightspace.identity.homes import qualified_name

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower


def array(value: Any) -> "Description":
    """An array by its content, or None for anything else."""
    if isinstance(value, Tracer):
        return None
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return ["key", str(value.dtype), array(jax.random.key_data(value))]
    if isinstance(value, np.ma.MaskedArray):
        filled = array(np.asarray(value.fill_value))
        return ["masked", array(value.data), array(np.ma.getmaskarray(value)), filled]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return None
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        held = np.ascontiguousarray(np.asarray(value))
        digest = hashlib.sha256(held.tobytes()).hexdigest()
        kind = ["array", str(held.dtype), list(np.shape(value)), digest, isinstance(value, jax.Array)]
        # A weak type gives way to that of what it meets.
        return [*kind, "weak"] if getattr(value, "weak_type", False) else kind
    return None


def with_class(value: Any, told: "Description", follower: "Follower") -> "Description":
    """An array whose class is another than NumPy's, with that class and its attributes."""
    if not isinstance(value, np.ndarray) or type(value) is np.ndarray:
        return told
    return [
        "subclass",
        classes.instance_class(follower, value),
        told,
        follower.items(sorted(vars(value).items())),
    ]


def table(value: Any, follower: "Follower") -> "Description":
    """A frame, series or index of pandas by names, types and values, or None for anything else."""
    kind = qualified_name(type(value))
    if kind == "pandas.core.frame:DataFrame":
        columns = [value.iloc[:, number] for number in range(value.shape[1])]
        parts = [_column(each, follower) for each in columns]
        names = [_column(value.columns, follower), _column(value.index, follower)]
        return ["frame", *names, parts, follower.describe(dict(value.attrs))]
    if kind == "pandas.core.series:Series":
        said = [follower.describe(value.name), follower.describe(dict(value.attrs))]
        return ["series", _column(value, follower), _column(value.index, follower), *said]
    if kind.startswith("pandas.core.indexes."):
        return ["index", kind, _column(value, follower)]
    return None


def _column(value: Any, follower: "Follower") -> "Description":
    """The values of a column or index; those that are no numbers one by one."""
    kinds, held = value.dtype, value.to_numpy()
    known = array(held)
    told = [follower.describe(item) for item in held.tolist()] if known is None else known
    names = list(getattr(value, "names", ()))
    categories = getattr(kinds, "categories", None)
    order = [] if categories is None else [follower.describe(list(categories)), bool(kinds.ordered)]
    return [str(kinds), told, [follower.describe(name) for name in names], *order]
