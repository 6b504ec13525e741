"""Tables as text: four digits, means with their spread, thresholds with their interval.

A column `x` with a column `x_sd` becomes `mean ± sd`, with its number of runs `x_n` where the column `n`
does not tell it. With `x_low` and `x_high` it becomes `estimate [low, high]`, and says where it is no more
than a bound.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from weightspace.store.exact import digits


class Column(NamedTuple):
    """A column as it is shown.

    Attributes:
      name: Its name.
      numeric: Whether it holds numbers.
      cells: Its values as text.
    """

    name: str
    numeric: bool
    cells: list[str]


def text(value: Any) -> str:
    """A value as text: four digits, no trailing zeros, nothing for what is absent.

    >>> text(0.123456), text(20490.0), text(float("nan")), text(float("inf")), text("a")
    ('0.1235', '20,490', '', '∞', 'a')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    return digits(value) if type(value) is int else str(value)


def with_spread(mean: float, sd: float) -> str:
    """A mean with its standard deviation, to two digits of the latter; alone where there is none.

    >>> with_spread(0.91234, 0.0123), with_spread(0.5, float("nan"))
    ('0.912 ± 0.012', '0.5')
    """
    if not math.isfinite(mean) or not math.isfinite(sd):
        return text(mean)
    if sd == 0:
        return f"{text(mean)} ± 0"
    places = min(max(1 - math.floor(math.log10(sd)), 0), 8)
    return f"{mean:.{places}f} ± {sd:.{places}f}"


def with_interval(value: float, low: float, high: float, censored: str) -> str:
    """An estimate with its interval.

    Args:
      value: The estimate.
      low: Lower end.
      high: Upper end.
      censored: `below` where the estimate is an upper bound, `above` where there is none.

    >>> with_interval(23.4, 18.0, float("inf"), ""), with_interval(4.0, 4.0, 4.0, "below")
    ('23 [18, ∞)', '≤ 4')
    """
    if censored == "above" or not math.isfinite(value):
        return f"not reached [{_three(low)}, ∞)" if math.isfinite(low) else "not reached"
    if math.isnan(low) or math.isnan(high):
        return _three(value)
    if censored == "below":
        return f"≤ {_three(value)}"
    end = f"{_three(high)}]" if math.isfinite(high) else "∞)"
    return f"{_three(value)} [{_three(low)}, {end}"


def _three(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def heading(name: str) -> str:
    """A column's name in words."""
    return name.replace("d_star", "d*").replace("_", " ")


def shortened(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """A table without the columns that say the same in every line, and what they say.

    Estimates stay; a table of one line stays whole, but for what is absent.
    """
    names = set(map(str, frame.columns))
    estimates = {name for name in names if {f"{name}_sd", f"{name}_low"} & names}
    kept, same = [], []
    for name in map(str, frame.columns):
        if len(frame) and frame[name].isna().all() and name not in estimates:
            continue
        alone = name not in estimates and name.rpartition("_")[0] not in estimates and name != "censored"
        if alone and len(frame) > 1 and frame[name].nunique(dropna=False) == 1:
            same.append(f"{heading(name)} {text(frame[name].iloc[0])}")
        else:
            kept.append(name)
    kept += [name for name in names if name.rpartition("_")[0] in estimates and name not in kept]
    return frame[[name for name in frame.columns if name in kept]], ", ".join(same)


def columns(frame: pd.DataFrame) -> list[Column]:
    """The columns of a table as they are shown."""
    names = set(map(str, frame.columns))
    found = []
    for name in map(str, frame.columns):
        values = list(frame[name])
        stem, _, end = name.rpartition("_")
        if stem in names and (end in ("sd", "n") or (end in ("low", "high") and f"{stem}_low" in names)):
            continue
        if name == "censored" and any(f"{other}_low" in names for other in names):
            continue
        found.append(_column(frame, name, values, names))
    return found


def _column(frame: pd.DataFrame, name: str, values: Sequence[Any], names: set[str]) -> Column:
    numeric = pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool
    if f"{name}_sd" in names:
        pairs = zip(values, frame[f"{name}_sd"], strict=True)
        cells = [with_spread(float(mean), float(sd)) for mean, sd in pairs]
        counts = _counts(frame, name, names)
        return Column(name, True, [f"{cell}{note}" for cell, note in zip(cells, counts, strict=True)])
    if {f"{name}_low", f"{name}_high"} <= names:
        censored = frame["censored"] if "censored" in names else [""] * len(frame)
        ends = zip(values, frame[f"{name}_low"], frame[f"{name}_high"], censored, strict=True)
        return Column(name, True, [with_interval(*end) for end in ends])
    return Column(name, numeric, [text(value) for value in values])


def _counts(frame: pd.DataFrame, name: str, names: set[str]) -> list[str]:
    """How many runs a mean is of, where the column `n` does not tell."""
    if f"{name}_n" not in names:
        return [""] * len(frame)
    whole = frame["n"] if "n" in names else [None] * len(frame)
    pairs = zip(frame[f"{name}_n"], whole, strict=True)
    return ["" if mine == every or pd.isna(mine) else f" (n = {int(mine)})" for mine, every in pairs]
