"""Rows of one label set as one: several nodes may answer one row, each with columns of its own."""

from collections.abc import Sequence

from weightspace.frames import Frame

_RUN = "run"
_KIND = "kind"


def joined(rows: Frame, labels: Sequence[str]) -> Frame:
    """The rows, those that agree in all labels as one.

    The first of them gives `run`; the digests of the others are `run_1`, `run_2`, … in the order asked. A
    column that several have keeps its first value; those of the others are called `<name>_1`, … A row has
    finished where all of its nodes have: its status is the first that is none, its error the first there is.

    Args:
      rows: Rows of the table of results.
      labels: Which of its columns are labels.
    """
    labels = [name for name in labels if name in rows]
    if rows.empty or not labels or not rows.duplicated(labels).any():
        return rows
    place = rows.groupby(labels, dropna=False, sort=False).cumcount()
    found = rows[place == 0]
    columns = [name for name in rows if name not in labels and name != _KIND]
    kept = [name for name in rows if name in labels or name in columns]
    found = found[kept].reset_index(drop=True)
    for number in range(1, int(place.max()) + 1):
        more = rows[place == number]
        more = more[[*labels, *(name for name in columns if more[name].notna().any())]]
        beside = found[labels].merge(more, on=labels, how="left")
        found = _with(found, beside.drop(columns=labels), number)
    return found


def _with(found: Frame, more: Frame, number: int) -> Frame:
    """Columns of another node beside those that are there."""
    from weightspace.store.schema import FINISHED

    done = more["status"].isin(FINISHED) | more["status"].isna() if "status" in more else None
    own = found["status"]
    if done is not None:
        finished = own.isin(FINISHED)
        status = own.where(~finished | done, more["status"])
        # What diverged is a result, and says so where the others are sound.
        status = status.where(~((status == "ok") & (more["status"] == "diverged")), "diverged")
        found = found.assign(status=status)
    for name in (str(name) for name in more if name != "status"):
        if name == "seconds":
            found = found.assign(seconds=found[name].add(more[name], fill_value=0.0))
        elif name == _RUN:
            found = found.assign(**{f"{_RUN}_{number}": more[name]})
        elif name in found and (found[name].notna() & more[name].notna()).any() and name != "error":
            found = found.assign(**{f"{name}_{number}": more[name]})
        elif name in found:
            found = found.assign(**{name: found[name].where(found[name].notna(), more[name])})
        else:
            found = found.assign(**{name: more[name]})
    return found
