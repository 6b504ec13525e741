"""Pictures of arrays that runs have left: shares over a plane, and filters of a convolution as tiles."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.errors import StoreError
from weightspace.figures import style
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Pictures
from weightspace.figures.panel import Panel
from weightspace.tables.base import Outputs, finished

_COLOURS = 3
"""Input channels that are shown as red, green and blue."""

Picture = Float[np.ndarray, "height width"]
Filters = Bool[np.ndarray, "height width channels filters"]


def draw(chart: Pictures, frame: pd.DataFrame, notes: Notes) -> list[Panel]:
    """The array of the first seed of each setting, where there is something to see."""
    rows = finished(frame).sort_values("seed")
    first = rows.groupby(chart.x, observed=True).head(1).sort_values(chart.x)
    found: dict[str, np.ndarray] = {}
    more = 0
    for run, setting in zip(first["run"], first[chart.x], strict=True):
        array = _array(notes.outputs, run, chart.key)
        if array is not None and len(found) < chart.most:
            found[str(setting)] = array
        elif array is not None:
            more += 1
    drawing = {"map": _maps, "filters": _filters}[chart.kind]
    rest = f" The first {len(found)} of {len(found) + more} are shown." if more else ""
    return [dataclasses.replace(panel, caption=f"{panel.caption}{rest}") for panel in drawing(chart, found)]


def _array(outputs: Outputs, run: str, key: str) -> np.ndarray | None:
    """An output, where the run has left it."""
    try:
        return np.asarray(outputs(run, key))
    except (KeyError, StoreError):
        return None


def _maps(chart: Pictures, found: Mapping[str, np.ndarray]) -> list[Panel]:
    """Shares with a scale each; nothing for arrays that are no pictures."""
    pictures = {
        name: array.mean(axis=-1) if array.ndim == 3 else array
        for name, array in found.items()
        if array.ndim in (2, 3)
    }
    if not pictures:
        return []
    drawn, panes = _panes(pictures)
    for axes, picture in zip(panes, pictures.values(), strict=False):
        shown = axes.imshow(picture, cmap="viridis", interpolation="nearest", vmin=0)
        drawn.colorbar(shown, ax=axes, shrink=0.8, aspect=18, pad=0.03).ax.tick_params(length=0)
    data = pd.concat([_pixels(picture).assign(**{chart.x: name}) for name, picture in pictures.items()])
    return [Panel(chart.name, chart.title, chart.caption, drawn, data)]


def _filters(chart: Pictures, found: Mapping[str, Filters]) -> list[Panel]:
    """A convolution's filters as tiles."""
    found = {name: mask for name, mask in found.items() if mask.ndim == 4}
    if not found:
        return []
    drawn, panes = _panes(found)
    for axes, mask in zip(panes, found.values(), strict=False):
        axes.imshow(tiles(mask), interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
    channels = next(iter(found.values())).shape[2]
    colours = (
        "red, green and blue are the input channels, and a tap that all three keep is white"
        if channels == _COLOURS
        else "the brighter a tap, the more of the input channels it is kept for"
    )
    data = pd.concat([_taps(mask).assign(**{chart.x: name}) for name, mask in found.items()])
    return [Panel(chart.name, chart.title, chart.caption.format(colours=colours), drawn, data)]


def tiles(mask: Filters) -> Float[np.ndarray, "..."]:
    """The filters of a mask side by side in a square, with lines between them.

    Args:
      mask: True where a weight is kept.

    Returns:
      [rows, columns, 3] for three input channels, grey between filters; else [rows, columns], the share of
      channels kept, NaN between filters.
    """
    height, width, channels, count = mask.shape
    shown = mask.astype(float) if channels == _COLOURS else mask.mean(axis=2, keepdims=True)
    columns = int(np.ceil(np.sqrt(count)))
    lines = -(-count // columns)
    blank = 0.5 if channels == _COLOURS else np.nan
    whole = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1, shown.shape[2]), blank)
    for number in range(count):
        row, column = divmod(number, columns)
        top, left = row * (height + 1), column * (width + 1)
        whole[top : top + height, left : left + width] = shown[..., number]
    return whole if channels == _COLOURS else whole[..., 0]


def _panes(pictures: Mapping[str, np.ndarray]) -> tuple[Figure, list[Axes]]:
    columns = min(len(pictures), 4)
    lines = -(-len(pictures) // columns)
    drawn = style.figure(style.PAGE, 1.75 * lines + 0.3)
    panes = list(drawn.subplots(lines, columns, squeeze=False).ravel())
    for axes, name in zip(panes, pictures, strict=False):
        axes.set_title(name, loc="left")
        axes.set(xticks=(), yticks=())
        axes.grid(visible=False)
    for axes in panes[len(pictures) :]:
        axes.set_axis_off()
    return drawn, panes


def _pixels(picture: Picture) -> pd.DataFrame:
    row, column = (place.ravel() for place in np.indices(picture.shape))
    return pd.DataFrame({"row": row, "column": column, "share": picture.ravel()})


def _taps(mask: Filters) -> pd.DataFrame:
    names = ("row", "column", "channel", "filter")
    places = dict(zip(names, (place.ravel() for place in np.indices(mask.shape)), strict=True))
    return pd.DataFrame(places | {"kept": mask.ravel()})
