"""Panels: one question asked of several networks and data sets."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from weightspace.errors import InputError
from weightspace.experiments.freedom.slices import Slices
from weightspace.frames import Frame
from weightspace.run import Row

LABEL = "panel"


@dataclasses.dataclass(frozen=True)
class Panel:
    """A network on its data, and what its rows are labelled with beyond their own labels."""

    slices: Slices
    labels: tuple[tuple[str, Any], ...] = ()

    def labelled(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows with the panel's labels."""
        for row in rows:
            yield dataclasses.replace(row, labels={**row.labels, **dict(self.labels)})

    def of(self, table: Frame) -> Frame:
        """Its rows of a table."""
        mine = table
        for label, value in self.labels:
            mine = mine[mine[label] == value]
        return mine


def check_panels(beside: tuple[str, ...]) -> None:
    """Raise unless each is a network and its data.

    Raises:
      InputError: If one has no slash.
    """
    for name in beside:
        model, slash, data = name.partition("/")
        if not (slash and model and data):
            raise InputError(f"beside has '{name}'; write a network and its data as resnet20/cifar10")


def panels_of(slices: Slices, beside: tuple[str, ...]) -> Iterator[Panel]:
    """The network of the slices, then those beside it, each with the label `panel`."""
    yield _panel(slices)
    for name in beside:
        model, _, data = name.partition("/")
        yield _panel(dataclasses.replace(slices, model=model, data=data))


def _panel(slices: Slices) -> Panel:
    return Panel(slices, ((LABEL, f"{slices.model} on {slices.data}"),))
