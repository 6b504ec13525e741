"""More kinds of charts: bars side by side in panes, and arrays as pictures."""

import dataclasses
from typing import Any, ClassVar

from weightspace.figures.chart import Chart


@dataclasses.dataclass(frozen=True)
class Bars(Chart):
    """Means as bars with ranges as lines, side by side for each arm at each place.

    Takes a table with columns `mean least greatest n`, as `Layers`.

    Attributes:
      x: The column whose values are places.
      arm: The column whose values have a bar each at every place.
      facet: The column that has a pane for each value.
      facets: Its values from left to right, those that there are.
      first: The place that stands first.
      name: Of its files.
      title: Above it.
      y: The text of the vertical axis.
      caption: What is seen, with `{n}`.
    """

    draws: ClassVar[str] = "bars"
    x: str
    arm: str
    facet: str
    facets: tuple[Any, ...]
    first: Any = "all"
    name: str = "bars"
    title: str = ""
    y: str = ""
    caption: str = "Means and ranges over runs ({n})."


@dataclasses.dataclass(frozen=True)
class Pictures(Chart):
    """Arrays that runs have left, as pictures: that of the first seed of each setting.

    Takes rows, one a run, with `run`, `seed` and the setting.

    Attributes:
      key: Of the output; runs that have not left it are passed over.
      x: The column whose values have a picture each, ordered.
      kind: `map`, shares over [height, width] or [height, width, channels], channels averaged; or `filters`,
        booleans [height, width, channels, filters], a tile each.
      name: Of its files.
      title: Above it.
      most: Pictures that are drawn.
      caption: What is seen, with `{colours}` for what the colours of filters are.
    """

    draws: ClassVar[str] = "pictures"
    key: str
    x: str
    kind: str = "map"
    name: str = "pictures"
    title: str = ""
    most: int = 8
    caption: str = ""
