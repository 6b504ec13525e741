"""JSON as text, put together from pieces: what `json.dumps` gives of the whole, without a walk through it."""

import hashlib
import json
import math
from typing import Any

import numpy as np

_quoted = json.encoder.encode_basestring_ascii


def dumps(value: Any) -> str:
    """JSON values as text with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def of_plain(value: Any) -> str | None:
    """The text of a finite number, text, truth value or None, by its very type; None for anything else.

    >>> [of_plain(value) for value in (0.1, 3, True, None, "a", (), float("nan"))]
    ['0.1', '3', 'true', 'null', '"a"', None, None]
    """
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)
    if kind is bool:
        return "true" if value else "false"
    return "null" if value is None else None


def of_array(array: np.ndarray) -> dict[str, Any]:
    """An array by its content, as JSON values."""
    content = np.ascontiguousarray(array)
    digest = hashlib.sha256(content.tobytes()).hexdigest()
    return {"array": digest, "dtype": str(content.dtype), "shape": list(content.shape)}
