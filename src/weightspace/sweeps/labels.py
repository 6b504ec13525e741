"""Labels as the table has them: a row's own, and names of model and data that it does not say."""

from collections.abc import Iterable
from typing import Any

from weightspace.run import Row, Run


class Names:
    """Names of parts that many rows share, each put together once."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, str]] = {}

    def __call__(self, part: Any) -> str:
        """The name of a model or a data set."""
        if id(part) not in self._found:
            self._found[id(part)] = part, part.name
        return self._found[id(part)][1]


def pairs(rows: Iterable[Row]) -> list[tuple[dict[str, Any], str]]:
    """Labels of each row, with those of its run that it does not give: model, data, seed; and its digest."""
    name_of = Names()
    found: list[tuple[dict[str, Any], str]] = []
    for row in rows:
        labels, run = dict(row.labels), row.node
        if isinstance(run, Run):
            labels.setdefault("model", name_of(run.model))
            labels.setdefault("data", name_of(run.task.data))
            labels.setdefault("seed", run.seeds.base)
        found.append((labels, run.digest))
    return found
