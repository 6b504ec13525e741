"""Labels as the table has them: a row's own, and names of model and data that it does not say."""

from collections.abc import Iterable
from typing import Any

from weightspace.run import Row, Run


def pairs(rows: Iterable[Row]) -> list[tuple[dict[str, Any], str]]:
    """Labels of each row, with those of its run that it does not give: model, data, seed; and its digest."""
    names: dict[int, str] = {}

    def name_of(part: Any) -> str:
        if id(part) not in names:  # which the rows keep alive
            names[id(part)] = part.name
        return names[id(part)]

    found: list[tuple[dict[str, Any], str]] = []
    for row in rows:
        labels, run = dict(row.labels), row.node
        if isinstance(run, Run):
            labels.setdefault("model", name_of(run.model))
            labels.setdefault("data", name_of(run.task.data))
            labels.setdefault("seed", run.seeds.base)
        found.append((labels, run.digest))
    return found
