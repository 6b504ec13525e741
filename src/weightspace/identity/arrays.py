"""Arrays and tables by content: type, shape and every bit."""

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from weightspace.identity import classes

if TYPE_CHECKING:
    from weightspace.identity.follow import Description, Follower


def array(value: Any) -> "Description":
    """An array by its content, or None for anything else."""
    if isinstance(value, Tracer):
        return None
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(value, getattr(torch, "Tensor", ())):
        return _tensor(value)
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


def _tensor(value: Any) -> "Description":
    """A tensor of PyTorch, whatever memory it lies in; parameters are told apart by whether they learn."""
    held = value.detach().cpu()
    if str(held.dtype) == "torch.bfloat16":
        held = held.float()
    numbers = np.ascontiguousarray(held.numpy())
    digest = hashlib.sha256(numbers.tobytes()).hexdigest()
    return ["tensor", str(value.dtype), list(value.shape), digest, bool(value.requires_grad)]


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
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series, pandas.Index)):
        return None
    told = ["table", classes.instance_class(follower, value), _column(value, follower)]
    if isinstance(value, pandas.Index):
        return told
    return [*told, _column(value.index, follower), follower.describe(dict(value.attrs))]


def _column(value: Any, follower: "Follower") -> "Description":
    """The names, types and values of a column, an index, or the columns of a frame."""
    if value.ndim == 2:
        columns = [_column(value.iloc[:, number], follower) for number in range(value.shape[1])]
        return [_column(value.columns, follower), columns]
    kinds, held = value.dtype, value.to_numpy()
    told = array(held)  # None for what is no number
    items = [follower.describe(item) for item in held.tolist()] if told is None else told
    names = [follower.describe(name) for name in getattr(value, "names", (value.name,))]
    categories = getattr(kinds, "categories", None)
    order = [] if categories is None else [follower.describe(list(categories)), bool(kinds.ordered)]
    return [str(kinds), items, names, *order]
