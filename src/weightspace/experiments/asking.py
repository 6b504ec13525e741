"""Asking: what an experiment yields, as the lists of rows that a sweep takes and answers with their table.

Rows may come one by one or in lists. They are named after their runs, and rows of one label set join: that
two nodes of one kind would be one row is refused before anything is trained.
"""

import dataclasses
import functools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from weightspace.errors import InputError
from weightspace.frames import Frame
from weightspace.run import Row, Run
from weightspace.store.settings import SEED
from weightspace.sweeps.labels import Names
from weightspace.tables.vocabulary import VOCABULARY


def in_batches(ask: Callable[[Any], Any]) -> Callable[[Any], Generator[list[Row], Frame, None]]:
    """Rows that are yielded one by one become a list, as a sweep takes it; a list gives the table back."""

    @functools.wraps(ask)
    def batches(self: Any) -> Generator[list[Row], Frame, None]:
        asking: Iterator[Any] = iter(_iterable(self, ask(self)))
        single: list[Row] = []
        seen: dict[Any, str] = {}
        table: Any = None
        try:
            while True:
                # A list has a table for its answer; plain iterators have no way to be told one.
                item = next(asking) if table is None else asking.send(table)  # pyright: ignore[reportAttributeAccessIssue]
                table = None
                if isinstance(item, Row):
                    single += _named([item])
                    continue
                rows = _named(_rows(self, item))
                batch, single = [*single, *rows], []
                _check_apart(self, batch, seen)
                table = yield batch
                if not hasattr(asking, "send"):
                    table = None
        except StopIteration:
            pass
        _check_apart(self, single, seen)
        _check_by(self, [dict(labels) for labels, _ in seen])
        if single:
            yield single

    return batches


def _iterable(experiment: Any, asked: Any) -> Iterable[Any]:
    if not isinstance(asked, Iterable) or isinstance(asked, str | Mapping):
        raise InputError(
            f"{type(experiment).__name__}.ask gave {asked!r:.80}; yield rows from it: yield Row(labels, node)"
        )
    return asked


def _named(rows: list[Row]) -> list[Row]:
    """Rows with the model, data and seed of their runs; a derived value has those that its runs agree in."""
    found = []
    name_of = Names()
    for row in rows:
        runs = _runs_of(row.node)
        every = [
            {"model": name_of(r.model), "data": name_of(r.task.data), "seed": r.seeds.base} for r in runs
        ]
        shared = {
            name: every[0][name] for name in (every or [{}])[0] if len({each[name] for each in every}) == 1
        }
        found.append(dataclasses.replace(row, labels={**shared, **row.labels}))
    return found


def _runs_of(node: Any) -> list[Run]:
    """The run itself, or the nearest that a derived value is made of."""
    if isinstance(node, Run):
        return [node]
    found: dict[str, Run] = {}
    pending, seen = list(node.parents), set[str]()
    while pending:
        parent = pending.pop()
        if isinstance(parent, Run):
            found[parent.digest] = parent
        elif parent.digest not in seen:
            seen.add(parent.digest)
            pending += parent.parents
    return list(found.values())


def _check_apart(experiment: Any, rows: Iterable[Row], seen: dict[Any, str]) -> None:
    """Rows of one label set join, so that their nodes are of several kinds; nothing has been trained yet."""
    for row in rows:
        key = (frozenset(row.labels.items()), type(row.node))
        if seen.setdefault(key, row.node.digest) != row.node.digest:
            told = ", ".join(f"{name} {value}" for name, value in row.labels.items())
            raise InputError(
                f"{experiment.name} has two nodes of kind {type(row.node).__name__} for one row ({told}); "
                "give a label that tells them apart"
            )


def _check_by(experiment: Any, asked: Sequence[Mapping[str, Any]]) -> None:
    """The class tells lines apart by labels that rows have, or that they have in other settings.

    A table of the question's own columns may make others.
    """
    if not asked or experiment.columns_by() is not None:
        return
    labels = {name for row in asked for name in row if name not in ("model", "data", SEED)}
    known = VOCABULARY.with_words(experiment.words).labels
    absent = [name for name in experiment.by if not any(name in row for row in asked)]
    wrong = [name for name in absent if name not in known]
    several = any(len({row.get(name) for row in asked}) > 1 for name in labels)
    if wrong or (absent and len(absent) == len(experiment.by) and several):
        name = (wrong or absent)[0]
        raise InputError(
            f"{experiment.name} tells its lines apart by '{name}', which no row has; rows have "
            f"{', '.join(sorted(labels)) or 'no labels'}"
        )


def _rows(experiment: Any, item: Any) -> list[Row]:
    if isinstance(item, list | tuple) and all(isinstance(row, Row) for row in item):
        return list(item)
    raise InputError(
        f"{type(experiment).__name__}.ask yielded {item!r:.80} of type {type(item).__name__}; yield "
        "Row(labels, node), or a list of rows"
    )
