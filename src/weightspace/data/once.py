"""What is found out about a source once a process: how it is decoded, and whether a type keeps its digits."""

import functools
from typing import Any

import numpy as np

from weightspace.data.content import examine
from weightspace.data.digits import (
    Decoded,
    Decoding,
    decoded,
    decoding,
    is_marked,
    lost_columns,
    merged_columns,
)
from weightspace.errors import InputError

_LOOKED_AT = 10_000_000
"""Input values that are rounded on trial."""


@functools.lru_cache(maxsize=16)
def decoding_of(source: Any, rule: str) -> Decoding:
    """How its inputs are decoded."""
    return decoding(rule, source.loaded.train.x, source.loaded.full_scale)


@functools.lru_cache(maxsize=16)
def marked(source: Any, rule: str) -> bool:
    """Whether its digest says how inputs are decoded."""
    return is_marked(rule, source.loaded.train.x, source.loaded.full_scale)


@functools.lru_cache(maxsize=2)
def decoded_of(source: Any, rule: str) -> Decoded:
    """Its inputs, decoded on the host."""
    loaded = source.loaded
    return decoded(rule, loaded.train.x, loaded.test.x, loaded.full_scale)


@functools.lru_cache(maxsize=16)
def range_of(source: Any) -> tuple[int, int]:
    """The least and the largest of whole numbers."""
    parts = (source.loaded.train.x, source.loaded.test.x)
    return min(int(x.min()) for x in parts), max(int(x.max()) for x in parts)


@functools.lru_cache(maxsize=16)
def check_digits(source: Any, rule: str, dtype: str) -> None:
    """Raise unless its values stay apart in a type."""
    x, y = _computed(source, rule, dtype), source.loaded.train.y
    for what, values, find, advice in (
        ("inputs", x, lost_columns, "use normalise='standard'"),
        ("inputs", x, merged_columns, "give names as whole numbers, x.astype(int), and amounts normalised"),
        ("targets", y, lost_columns, "take their mean off and divide by their deviation"),
    ):
        # Targets are compared with outputs in float32 at least.
        if (what == "inputs" or dtype == "float32") and (columns := find(values, dtype)):
            where = f"column {columns[0]} of the " if values.ndim > 1 and values.shape[-1] > 1 else ""
            raise InputError(
                f"{where}{what} of {source.name} reach {np.abs(values).max():g}, where {dtype} merges values "
                f"that differ; {advice}, or train with precision "
                f"{'float64' if dtype == 'float32' else 'float32'}"
            )


def _computed(source: Any, rule: str, dtype: str) -> Any:
    """Inputs as a model is to see them, before they are rounded to the type."""
    x, found = source.loaded.train.x, decoding_of(source, rule)
    if found.wide:
        return decoded_of(source, rule).train
    if rule == "none" or dtype == "float32":
        return x
    rows = x[:: max(1, x.size // _LOOKED_AT)]
    return ((rows.astype(np.float64) - found.shift) * found.scale).astype(np.float32)


@functools.lru_cache(maxsize=16)
def examined(source: Any) -> None:
    """Raise for values that no run can take: a cohort checks each of its runs."""
    loaded = source.loaded
    examine(source.name, loaded.train, loaded.test, loaded.classes)
