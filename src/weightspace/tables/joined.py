"""Rows of one label set as one: several nodes may answer one row, each with columns of its own."""

from collections.abc import Sequence, Set

from weightspace.frames import Frame
from weightspace.tables.groups import grouped

_RUN = "run"
_KIND = "kind"
_EXPERIMENT = "experiment"


def completed(rows: Frame, labels: Sequence[str], given: Sequence[str]) -> Frame:
    """The rows, those that lack a label with its value in the rows that agree with them in the others.

    A training tells its model and data by itself; what is derived from it and asked beside it has neither.
    Where the rows that agree have several values, it is not known which is meant: none is taken.

    Args:
      rows: Rows of the table of results.
      labels: Which of its columns are labels.
      given: Those of them that may be lacking.
    """
    for name in (name for name in given if name in rows and rows[name].isna().any()):
        others = [label for label in labels if label in rows and label not in given]
        if not others or rows[name].isna().all():
            continue
        each = grouped(rows, others, sort=False)[name]
        alone = each.transform("nunique") == 1
        rows = rows.assign(**{name: rows[name].where(rows[name].notna() | ~alone, each.transform("first"))})
    return rows


def joined(rows: Frame, labels: Sequence[str]) -> Frame:
    """The rows, those that agree in all labels as one.

    The first of them gives `run`; the digests of the others are `run_1`, `run_2`, … in the order asked. A
    column that several kinds of node have keeps its first value, even where it is NaN; those of the others
    are called `<name>_1`, …, or `<name>_node1`, … where there is such a column. A row has finished where all
    of its nodes have: its status is the first that is none, its error the first there is.

    Args:
      rows: Rows of the table of results.
      labels: Which of its columns are labels.
    """
    labels = [name for name in labels if name in rows]
    if rows.empty or not labels or not rows.duplicated(labels).any():
        return rows
    sets = grouped(rows, labels, sort=False)
    place = sets.cumcount()
    columns = [name for name in rows if name not in labels and name not in (_KIND, _EXPERIMENT)]
    # What a kind of node measures at all: where it has no value, none of another kind may stand for it.
    # Without their name, nodes of a kind have one place among as many.
    kinds = (
        [rows[_KIND]]
        if _KIND in rows and _KIND not in labels
        else [place, place.groupby(sets.ngroup()).transform("max")]
    )
    measures = rows[columns].notna().groupby(kinds, dropna=False).transform("any")
    shown = rows[[name for name in rows if name in labels or name in columns or name == _EXPERIMENT]]

    def nodes(frame: Frame, number: int) -> Frame:
        return frame[place == number].set_axis(sets.ngroup()[place == number])

    found, measured = nodes(shown, 0), nodes(measures, 0)
    for number in range(1, int(place.max()) + 1):
        more = nodes(rows, number)
        more = more[[name for name in columns if more[name].notna().any()]].reindex(found.index)
        found = _with(found, more, number, measured, taken={*map(str, rows)})
        measured = measured | nodes(measures, number).reindex(found.index, fill_value=False)
    return found.reset_index(drop=True)


def _with(found: Frame, more: Frame, number: int, measured: Frame, taken: Set[str]) -> Frame:
    """Columns of another node beside those that are there.

    Args:
      found: The rows.
      more: The other node's columns, of the same rows.
      number: Of the node.
      measured: Which columns the rows' own nodes measure.
      taken: Names that columns have.
    """
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
        elif name == "error":
            found = found.assign(error=found[name].where(found[name].notna(), more[name]))
        else:
            apart = measured[name] & more[name].notna()
            if apart.any():
                free = _free(name, number, {*map(str, found), *taken})
                found = found.assign(**{free: more[name].where(apart)})
            if not apart.all():
                found = found.assign(**{name: found[name].where(measured[name], more[name])})
    return found


def _free(name: str, number: int, taken: Set[str]) -> str:
    """The name of another node's column: no column's own."""
    free = f"{name}_{number}"
    while free in taken:
        free = f"{name}_node{number}" if free == f"{name}_{number}" else f"{free}_"
    return free
