"""Reasons: why runs have no result, in few words."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from weightspace.store.schema import ERROR

if TYPE_CHECKING:
    import pandas as pd

    from weightspace.store.base import Store

NO_RESULT = ("failed", "blocked", "diverged")
"""Statuses that have a reason, the worst first."""
SHOWN = 3
_ENDS = {"did not end well": False, "have metrics without a value": True}
_LONGEST = 240


def shortly(text: object, longest: int = _LONGEST) -> str:
    """A reason on one line, cut where it is long."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def reasons_in(store: "Store") -> list[tuple[str, str, int]]:
    """As `reasons` of all that was asked in a store; of its runs the records alone are read."""
    records = store.records()
    asked = dict.fromkeys(digest for question in store.questions() for _, digest in question.rows)
    there = (records[digest] for digest in asked if digest in records)
    return _ordered((each.status, each.error) for each in there)


def reasons(table: "pd.DataFrame") -> list[tuple[str, str, int]]:
    """Statuses, reasons and how many runs of a table ended so: the failed first, then the most frequent.

    Last come runs that are `ok` and have metrics without a value, with the reason for that.
    """
    error = f"{ERROR}_value" if f"{ERROR}_value" in table else ERROR
    ends = table[table["status"].isin((*NO_RESULT, "ok"))].drop_duplicates("run")
    texts = ends[error].astype(object).where(ends[error].notna(), None)
    return _ordered(zip(ends["status"], texts, strict=True))


def _ordered(ends: Iterable[tuple[str, str | None]]) -> list[tuple[str, str, int]]:
    """Of statuses and errors those that say that something is missing, counted."""
    found = Counter(
        (status, "no reason is known" if text is None else shortly(text))
        for status, text in ends
        if status in NO_RESULT or (status == "ok" and text is not None)
    )
    ordered = sorted(found.items(), key=lambda item: ((*NO_RESULT, "ok").index(item[0][0]), -item[1]))
    return [(status, text, count) for (status, text), count in ordered]


def without_result(table: "pd.DataFrame") -> str:
    """One sentence on the runs that failed, were blocked or diverged, or lack a metric; empty for none."""
    found = reasons(table)
    if not found:
        return ""
    some = "; ".join(f"{count} {status} ({text})" for status, text, count in found[:SHOWN])
    more = f"; {len(found) - SHOWN} more reasons in the column {ERROR}" if len(found) > SHOWN else ""
    total = sum(count for *_, count in found)
    ends = [what for what, said in _ENDS.items() if any((status == "ok") == said for status, *_ in found)]
    return f"{total} of {table['run'].nunique()} runs {' or '.join(ends)}: {some}{more}"
