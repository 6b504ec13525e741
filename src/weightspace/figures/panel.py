"""Panel: a figure with what it needs to stand by itself. It knows no plotting library until it is saved."""

import dataclasses
import functools
import hashlib
import re
from typing import Any

from weightspace.frames import Frame
from weightspace.tables.base import Outputs

__all__ = ["Outputs", "Panel", "safe_name"]

_LONGEST_NAME = 80


@dataclasses.dataclass(frozen=True)
class Panel:
    """A figure that can stand by itself.

    Attributes:
      name: The name of its files.
      title: What it shows, in a few words.
      caption: How it was made: what is drawn, of how many runs, with which spread.
      figure: A `matplotlib.figure.Figure`.
      data: The numbers plotted.
      over: Rows with more columns than `data`, where what is drawn needs them; none, where it does not.
      chart: The kind that drew it, and `notes` what it was told: what else shows it is made from the same.
      notes: Those of the chart.
    """

    name: str
    title: str
    caption: str
    figure: Any
    data: Frame
    over: Frame | None = None
    chart: Any = None
    notes: Any = None

    @functools.cached_property
    def svg(self) -> bytes:
        """The figure as an SVG file."""
        from weightspace.figures import style

        return style.file_bytes(self.figure, "svg")


def safe_name(text: str) -> str:
    """Text as the name of a file: other characters become `_`, what is too long ends in a digest.

    >>> safe_name("fc:widths=512,512-../my data")
    'fc_widths=512,512-.._my_data'
    """
    plain = re.sub(r"[^\w.,=+-]", "_", text, flags=re.ASCII).lstrip(".") or "_"
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
