"""Status: how far each experiment is, from what is stored and what is being worked on."""

from collections import Counter
from pathlib import Path

import pandas as pd

from weightspace.store.base import Store, opened
from weightspace.store.schema import STATUSES, WAITING

RUNNING = "running"
COLUMNS = ("experiment", "runs", *STATUSES, RUNNING, WAITING)


def status(out: "str | Path | Store") -> pd.DataFrame:
    """Counts of runs and derived values by status, one row for each experiment that asked.

    A run is `running` while a living process works on its cohort, `waiting` if it is neither stored nor
    running. The runs of finished blocks of unfinished cohorts count as what they ended as.

    Raises:
      StoreError: If it is no results folder, or a file is of another version.
    """
    store = opened(out)
    known = _under_way(store) | {digest: record.status for digest, record in store.records().items()}
    asked: dict[str, set[str]] = {}
    for question in store.questions():
        asked.setdefault(question.experiment, set()).update(digest for _, digest in question.rows)
    rows = []
    for experiment, digests in sorted(asked.items()):
        counts = Counter(known.get(digest, WAITING) for digest in digests)
        rows.append((experiment, len(digests), *(counts[name] for name in COLUMNS[2:])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _under_way(store: Store) -> dict[str, str]:
    found: dict[str, str] = {}
    for work in store.unfinished():
        if work.lease().held_by() is not None:
            found |= dict.fromkeys((work.manifest() or {}).get("digests", ()), RUNNING)
        found |= work.statuses()
    return found
