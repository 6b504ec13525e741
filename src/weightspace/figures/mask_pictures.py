"""Pictures of learned masks in the first layer: inputs that a dense layer keeps, filters of a convolution."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.errors import StoreError
from weightspace.figures import style
from weightspace.figures.panel import Outputs, Panel

INPUTS = "learnedmask().inputs"
FILTERS = "learnedmask().filters"
_MOST = 8
"""Pictures that are drawn."""
_COLOURS = 3
"""Input channels that are shown as red, green and blue."""

Picture = Float[np.ndarray, "height width"]
Filters = Bool[np.ndarray, "height width channels filters"]


def panels(rows: pd.DataFrame, outputs: Outputs) -> list[Panel]:
    """The first layer's mask of the first seed of each setting, where there is something to see.

    Args:
      rows: A row a run that has finished, with an ordered `setting`.
      outputs: Where the masks are.
    """
    held = rows.dropna(subset=["outputs"]) if "outputs" in rows else rows
    first = held.sort_values("seed").groupby("setting", observed=True).head(1).sort_values("setting")
    found: dict[str, dict[str, np.ndarray]] = {INPUTS: {}, FILTERS: {}}
    for name, pictures in found.items():
        for _, row in first.iterrows():
            array = _array(outputs, row["run"], name)
            if array is not None and len(pictures) < _MOST:
                pictures[str(row["setting"])] = array
    made = [_inputs(found[INPUTS]), _filters(found[FILTERS])]
    return [panel for panel in made if panel is not None]


def _array(outputs: Outputs, run: str, name: str) -> np.ndarray | None:
    """An output, where the run has left it."""
    try:
        return np.asarray(outputs(run, name))
    except (KeyError, StoreError):
        return None


def _inputs(found: Mapping[str, np.ndarray]) -> Panel | None:
    """The share of units for which each pixel is kept; nothing for inputs that are no pictures."""
    pictures = {
        name: array.mean(axis=-1) if array.ndim == 3 else array
        for name, array in found.items()
        if array.ndim in (2, 3)
    }
    if not pictures:
        return None
    drawn, panes = _panes(pictures)
    for axes, picture in zip(panes, pictures.values(), strict=False):
        shown = axes.imshow(picture, cmap="viridis", interpolation="nearest", vmin=0)
        drawn.colorbar(shown, ax=axes, shrink=0.8, aspect=18, pad=0.03).ax.tick_params(length=0)
    caption = (
        "The share of the first layer's units for which a pixel is kept, by the thresholded mask of each "
        "arm's first seed; channels are averaged. Pixels that are always blank keep their first probability."
    )
    data = pd.concat([_pixels(picture).assign(setting=name) for name, picture in pictures.items()])
    return Panel("inputs", "Inputs that learned masks keep", caption, drawn, data)


def _filters(found: Mapping[str, Filters]) -> Panel | None:
    """A convolution's filters as tiles."""
    if not found:
        return None
    drawn, panes = _panes(found)
    for axes, mask in zip(panes, found.values(), strict=False):
        axes.imshow(tiles(mask), interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
    channels = next(iter(found.values())).shape[2]
    meaning = (
        "red, green and blue are the input channels, and a tap that all three keep is white"
        if channels == _COLOURS
        else "the brighter a tap, the more of the input channels it is kept for"
    )
    caption = (
        f"The first convolution's filters, a tile each, under the thresholded mask of each arm's first seed: "
        f"{meaning}."
    )
    data = pd.concat([_taps(mask).assign(setting=name) for name, mask in found.items()])
    return Panel("filters", "Filters that learned masks keep", caption, drawn, data)


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
