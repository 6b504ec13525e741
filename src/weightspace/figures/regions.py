"""Maps of linear regions on a plane: target, regions, local Lipschitz constants, and Theorem 2's bound.

They follow the four panels of Figure 6 in the second version of Loukas et al. (2021). The vertical axis is
the second coordinate and points upwards, in maps and training points alike.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.figures.arms import Arm, arms_of
from weightspace.figures.axes import legend_below
from weightspace.figures.panel import Outputs, Panel

_BOUNDED = ("bound", "lipschitz", "atoms")
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"


def panels(table: pd.DataFrame, outputs: Outputs, by: Sequence[str]) -> list[Panel]:
    """A figure for the first seed of each setting whose maps are there.

    Args:
      table: A row a training, with the digests of its derived values in `run_slice` and `run_empty`.
      outputs: Where the maps are.
      by: The labels that tell settings apart.
    """
    if "run_slice" not in table or "regions" not in table:
        return []
    found = []
    for arm in arms_of(table, tuple(by)):
        rows = arm.of(table).dropna(subset=["run_slice", "regions"]).sort_values("seed")
        if len(rows):
            with style.style():
                found.append(_maps(rows.iloc[0], arm, outputs))
    with style.style():
        return found + _bounds(table, outputs, by)


def _bounds(table: pd.DataFrame, outputs: Outputs, by: Sequence[str]) -> list[Panel]:
    """The bound of Theorem 2 against the truth, a dot for each empty region where it is feasible."""
    if "run_empty" not in table or "feasible_share" not in table:
        return []
    data = []
    for arm in arms_of(table, tuple(by)):
        for row in arm.of(table).dropna(subset=["run_empty", "feasible_share", "regions"]).to_dict("records"):
            found = {name: np.asarray(outputs(row["run_empty"], f"region_{name}")) for name in _BOUNDED}
            rows = pd.DataFrame(found).assign(arm=arm.name, seed=row["seed"])
            data.append(rows.iloc[int(row["training_regions"]) :].query("atoms >= 0 and lipschitz > 0"))
    numbers = pd.concat(data, ignore_index=True) if data else pd.DataFrame()
    if numbers.empty:
        return []
    drawn = style.figure(5.0, 3.4)
    axes = drawn.subplots()
    for arm in arms_of(table, tuple(by)):
        rows = numbers[numbers["arm"] == arm.name]
        look = {"linestyle": "none", "marker": arm.marker, "markersize": 2, "markeredgewidth": 0}
        axes.plot(rows["lipschitz"], rows["bound"], color=arm.colour, alpha=0.5, label=arm.name, **look)
    ends = [numbers["lipschitz"].min(), numbers["bound"].max()]
    axes.plot(ends, ends, color=style.MUTED, linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="λ of the region", ylabel="bound of Theorem 2")
    legend_below(drawn, axes)
    caption = (
        f"The bound of Theorem 2 against the true local Lipschitz constant, in the {len(numbers)} regions "
        f"without training points where it is feasible, of {len(data)} trained networks. On the line they "
        "would be equal."
    )
    return [Panel("bound", "Bound against truth", caption, drawn, numbers)]


def _maps(row: pd.Series, arm: Arm, outputs: Outputs) -> Panel:
    maps = {name: np.asarray(outputs(row["run_slice"], name)) for name in ("ids", "lipschitz", "points")}
    values = np.asarray(outputs(row["run_slice"], "outputs"))[..., 0]
    bounded = (
        isinstance(row.get("run_empty"), str) and "feasible_share" in row and pd.notna(row["feasible_share"])
    )
    drawn = style.figure(style.PAGE, 2.25)
    panes = list(drawn.subplots(1, 4 if bounded else 3, sharex=True, sharey=True))
    limit = np.abs(values).max()
    _map(drawn, panes[0], values, DIVERGING, "network output", (-limit, limit))
    _map(drawn, panes[1], _shuffled(maps["ids"]), "tab20", f"{int(row['regions'])} regions", None, bar=False)
    _map(drawn, panes[2], maps["lipschitz"], SEQUENTIAL, "λ", (0, maps["lipschitz"].max()))
    bound = np.full(values.shape, np.nan)
    if bounded:
        bound = np.asarray(outputs(row["run_empty"], "bound"))
        held = np.asarray(outputs(row["run_empty"], "ids")) < int(row["training_regions"])
        bound = np.where(held, np.nan, bound)
        _map(drawn, panes[3], bound, SEQUENTIAL, "bound on λ", None)
    for axes in panes:
        axes.plot(*maps["points"].T, ".", color=style.INK, markersize=1.2, markeredgewidth=0)
    caption = (
        f"The plane of the data, {arm.name}, seed {int(row['seed'])}: the network's output; its linear "
        "regions (colours only tell neighbours apart); the local Lipschitz constant in each"
        + ("; Theorem 2's bound where there is no training point, white where it says nothing" * bounded)
        + ". Dots are training points."
    )
    name = "regions-" + "-".join(f"{key}{value}" for key, value in arm.labels.items() if value is not None)
    return Panel(
        name.rstrip("-"), f"Linear regions, {arm.name}", caption, drawn, _numbers(maps, values, bound)
    )


def _map(
    drawn: Figure, axes: Axes, values: np.ndarray, colours: str, title: str, limits: Any, *, bar: bool = True
) -> None:
    low, high = limits or (None, None)
    shown = axes.imshow(
        values, origin="lower", extent=(-1, 1, -1, 1), cmap=colours, vmin=low, vmax=high, rasterized=True,
        interpolation="nearest",
    )  # fmt: skip
    axes.set_title(title, loc="left")
    axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlim=(-1, 1), ylim=(-1, 1))
    axes.grid(visible=False)
    if bar:
        drawn.colorbar(shown, ax=axes, shrink=0.75, aspect=18, pad=0.03).ax.tick_params(length=0)


def _shuffled(ids: np.ndarray) -> np.ndarray:
    """Numbers of regions in a fixed mixed order, so that neighbours have different colours."""
    order = np.random.default_rng(0).permutation(int(ids.max()) + 1)
    return order[ids] % 20


def _numbers(maps: dict[str, np.ndarray], values: np.ndarray, bound: np.ndarray) -> pd.DataFrame:
    rows, columns = maps["ids"].shape
    row, column = (place.ravel() for place in np.indices((rows, columns)))
    return pd.DataFrame({
        "z1": (2 * column + 1) / columns - 1,
        "z2": (2 * row + 1) / rows - 1,
        "region": maps["ids"].ravel(),
        "output": values.ravel(),
        "lipschitz": maps["lipschitz"].ravel(),
        "bound": bound.ravel(),
    })  # fmt: skip
