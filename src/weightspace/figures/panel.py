"""Panel: a figure with what it needs to stand by itself. It knows no plotting library until it is saved."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from weightspace.frames import Frame

Outputs = Callable[[str, str], Any]
"""A node's digest and the key of an output -> arrays."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A figure that can stand by itself.

    Attributes:
      name: The name of its files.
      title: What it shows, in a few words.
      caption: How it was made: what is drawn, of how many runs, with which spread.
      figure: A `matplotlib.figure.Figure`.
      data: The numbers plotted.
    """

    name: str
    title: str
    caption: str
    figure: Any
    data: Frame

    @functools.cached_property
    def svg(self) -> bytes:
        """The figure as an SVG file."""
        from weightspace.figures import style

        return style.file_bytes(self.figure, "svg")
