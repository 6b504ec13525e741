"""One quiet style: two widths, one palette, no chart junk; equal figures give equal bytes.

Figures are `matplotlib.figure.Figure` objects, so that no window, backend or global figure is touched. Ink,
muted ink, grid and paper are colours that nothing else has: a page may replace them by its own, for light
and dark. Text in SVG stays text.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.category import StrCategoryFormatter
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from weightspace.errors import unknown

COLUMN, PAGE = 3.3, 6.8
"""Widths in inches: of a column and of a page."""
INK, MUTED, GRID, PAPER = "#262627", "#6a6a6b", "#e2e2e3", "#fefeff"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f80")
"""Okabe and Ito's colours, told apart by all common kinds of colour vision; grey is the last."""
_ORDER = ("#3a66b1", "#2a8fa0", "#4fae6b", "#b0a835", "#e0a21b")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
FORMATS = ("svg", "png", "pdf")
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.2,
    "patch.linewidth": 0.0,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "weightspace",
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """What is drawn and saved within has the style; matplotlib's settings are as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # pyright: ignore[reportArgumentType, reportCallIssue]
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, whose parts find their places by themselves."""
    return Figure(figsize=(width, height), layout="constrained")


def check_formats(formats: Any) -> tuple[str, ...]:
    """The formats, each once.

    Raises:
      InputError: For one that is not known.
    """
    given = (formats,) if isinstance(formats, str) else tuple(formats)
    for name in given:
        if name not in FORMATS:
            raise unknown("figure format", str(name), FORMATS)
    return tuple(dict.fromkeys(given))


def settle(drawn: Figure) -> None:
    """Place the parts of a figure once, so that saving it in several formats does not do so each time."""
    if drawn.get_layout_engine() is not None:
        _as_text(drawn)
        drawn.draw_without_rendering()
        # Not "none": what stands in for a layout then has every saving draw the figure once more.
        drawn.set_layout_engine(None)


def _as_text(drawn: Figure) -> None:
    """Names stand as they are, dollars included; only the numbers of axes are set as mathematics."""
    numbers = {
        id(label)
        for axes in drawn.axes
        for axis in (axes.xaxis, axes.yaxis)
        if not isinstance(axis.get_major_formatter(), FixedFormatter | StrCategoryFormatter)
        for label in (*axis.get_ticklabels(minor=False), *axis.get_ticklabels(minor=True))
    }
    for text in drawn.findobj(Text):
        if isinstance(text, Text) and id(text) not in numbers:
            text.set_parse_math(False)


def file_bytes(drawn: Figure, kind: str) -> bytes:
    """The file of a figure in one of `FORMATS`; nothing in it tells when it was made."""
    buffer = io.BytesIO()
    with style():
        settle(drawn)
        drawn.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def ordered(count: int) -> list[str]:
    """Colours for values that have an order: from blue over green to gold, lines on white and on black."""
    scale = LinearSegmentedColormap.from_list("ordered", _ORDER)
    return [to_hex(scale(0.0 if count == 1 else i / (count - 1))) for i in range(count)]
