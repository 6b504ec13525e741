"""Maps of the overlap of masks: between criteria of one seed, and between seeds by one criterion."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.captions import runs_text
from weightspace.figures.matrix import shades
from weightspace.figures.panel import Panel
from weightspace.store.schema import FINISHED

_MOST_PANES = 3
_MARGIN = 1.9


def panels(table: pd.DataFrame, criteria: Sequence[str]) -> list[Panel]:
    """The two maps, each where there are such pairs.

    Args:
      table: A row a pair of masks: `part`, `criterion`, `other`, `round`, `iou`, `expected_iou`.
      criteria: In the order of rows and columns.
    """
    if "iou" not in table:
        return []
    rows = table[table["status"].isin(FINISHED)]
    found = []
    with style.style():
        for part, draw in (("criteria", _criteria), ("seeds", _seeds)):
            mine = rows[rows["part"] == part].dropna(subset=["iou"])
            if len(mine):
                found.append(draw(mine, [name for name in criteria if _has(mine, name)]))
    return found


def _has(rows: pd.DataFrame, name: str) -> bool:
    return bool(((rows["criterion"] == name) | (rows["other"] == name)).any())


def _criteria(rows: pd.DataFrame, names: Sequence[str]) -> Panel:
    levels = sorted(rows["round"].unique())
    shown = [levels[i] for i in np.unique(np.linspace(0, len(levels) - 1, _MOST_PANES).round().astype(int))]
    side = min(max(0.3 * len(names), 1.1), (style.PAGE - _MARGIN) / len(shown))
    drawn = style.figure(len(shown) * side + _MARGIN, side + 1.35)
    panes = list(drawn.subplots(1, len(shown), squeeze=False, sharey=True)[0])
    numbers = _means(rows, ["round", "criterion", "other"])
    shade = None
    for axes, level in zip(panes, shown, strict=True):
        mine = numbers[numbers["round"] == level]
        chance = mine["expected_iou"].mean()
        shade = shades(axes, _matrix(mine, names), f"{_rounds(int(level))} ({chance:.2f})")
        axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=90)
    panes[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    _bar(drawn, shade, panes)
    caption = (
        "Weights that two criteria both keep over those that either keeps, all kernels together; means over "
        f"{runs_text(numbers['n'], 'seed')}. In brackets: by chance, of masks drawn independently with as "
        "many weights in each layer."
    )
    return Panel("overlap-criteria", "Overlap of masks between criteria", caption, drawn, numbers)


def _seeds(rows: pd.DataFrame, names: Sequence[str]) -> Panel:
    levels = sorted(rows["round"].unique())
    numbers = _means(rows, ["round", "criterion"])
    drawn = style.figure(4.4, max(0.2 * len(names) + 1.0, 1.9))
    axes = drawn.subplots()
    wide = numbers.pivot_table(index="criterion", columns="round", values="iou").reindex(
        index=list(names), columns=levels
    )
    chance = numbers.groupby("round")["expected_iou"].mean()
    shade = shades(axes, wide.to_numpy(float), "")
    ticks = [f"{int(level)}\n({chance[level]:.2f})" for level in levels]
    axes.set_xticks(range(len(levels)), ticks)
    axes.set_xlabel("rounds of pruning (overlap by chance)")
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_aspect("auto")
    _bar(drawn, shade, [axes])
    caption = (
        "Weights that the masks of two seeds both keep over those that either keeps, by one criterion; means "
        f"over pairs of seeds ({runs_text(numbers['n'], 'pair')}). By chance: of independent masks with as "
        "many weights in each layer."
    )
    return Panel("overlap-seeds", "Overlap of masks between seeds", caption, drawn, numbers)


def _rounds(level: int) -> str:
    return "1 round" if level == 1 else f"{level} rounds"


def _means(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    values = ["iou", "expected_iou", *(["sign_agreement"] if "sign_agreement" in rows else [])]
    groups = rows.groupby(by, sort=False)
    sd = groups["iou"].std().rename("iou_sd")
    return groups[values].mean().join(sd).join(groups.size().rename("n")).reset_index()


def _matrix(rows: pd.DataFrame, names: Sequence[str]) -> Float[np.ndarray, "m m"]:
    """Symmetric, with ones on the diagonal; NaN where a pair is missing."""
    place = {name: i for i, name in enumerate(names)}
    found = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(found, 1.0)
    for first, second, value in rows[["criterion", "other", "iou"]].itertuples(index=False):
        found[place[first], place[second]] = found[place[second], place[first]] = value
    return found


def _bar(drawn: Figure, shade: object, panes: Sequence[Axes]) -> None:
    bar = drawn.colorbar(shade, ax=list(panes), ticks=[0, 0.5, 1], aspect=24, pad=0.02)  # pyright: ignore[reportArgumentType]
    bar.set_label("intersection over union")
    bar.ax.tick_params(length=0)
