"""Reasons: why runs have no result, in few words."""

from collections import Counter

import pandas as pd

from weightspace.store.schema import ERROR

NO_RESULT = ("failed", "blocked", "diverged")
"""Statuses that have a reason, the worst first."""
SHOWN = 3
_ENDS = {"did not end well": False, "have metrics without a value": True}
_LONGEST = 240


def shortly(text: object, longest: int = _LONGEST) -> str:
    """A reason on one line, cut where it is long."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def reasons(table: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Statuses, reasons and how many runs of a table ended so: the failed first, then the most frequent.

    Last come runs that are `ok` and have metrics without a value, with the reason for that.
    """
    error = f"{ERROR}_value" if f"{ERROR}_value" in table else ERROR
    partly = (table["status"] == "ok") & table[error].notna()
    ends = table[table["status"].isin(NO_RESULT) | partly].drop_duplicates("run")
    found = Counter(
        (status, "no reason is known" if pd.isna(text) else shortly(text))
        for status, text in zip(ends["status"], ends[error], strict=True)
    )
    ordered = sorted(found.items(), key=lambda item: ((*NO_RESULT, "ok").index(item[0][0]), -item[1]))
    return [(status, text, count) for (status, text), count in ordered]


def without_result(table: pd.DataFrame) -> str:
    """One sentence on the runs that failed, were blocked or diverged, or lack a metric; empty for none."""
    found = reasons(table)
    if not found:
        return ""
    some = "; ".join(f"{count} {status} ({text})" for status, text, count in found[:SHOWN])
    more = f"; {len(found) - SHOWN} more reasons in the column {ERROR}" if len(found) > SHOWN else ""
    total = sum(count for *_, count in found)
    ends = [what for what, said in _ENDS.items() if any((status == "ok") == said for status, *_ in found)]
    return f"{total} of {table['run'].nunique()} runs {' or '.join(ends)}: {some}{more}"
