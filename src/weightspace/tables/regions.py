"""Linear regions on the plane of the data, as tables: a line a cell of the map, and a line a region.

Made of rows whose columns `run_slice` and `run_empty` name the values that hold the maps.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from weightspace.frames import Frame
from weightspace.tables.base import Given, Outputs, Table
from weightspace.tables.groups import grouped, labels_in

_BOUNDED = ("bound", "lipschitz", "atoms")


def _mapped(rows: Frame) -> Frame:
    """The rows that have a map."""
    needed = ["run_slice", "regions"]
    return rows.dropna(subset=needed) if {*needed} <= {*rows} else rows.iloc[:0]


def _bounded(row: Mapping[Any, Any]) -> bool:
    """Whether the bound of Theorem 2 was computed."""
    share = row.get("feasible_share", np.nan)
    return isinstance(row.get("run_empty"), str) and share is not None and bool(share == share)


@dataclasses.dataclass(frozen=True)
class RegionMaps(Table):
    """The map of the first seed of each set of labels that has one; z is in the window [-1, 1]²."""

    by: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """Columns: labels, `seed`, `z1`, `z2`, and of cells `region`, `output`, `lipschitz`, `bound`.

        The rows of z₂ come one after the other. `bound` is missing where data lie, and infinite where the
        theorem says nothing. Lines without a region are training points.
        """
        from pandas import DataFrame, concat

        rows = _mapped(given.rows).sort_values("seed")
        labels = labels_in(rows, self.by)
        first = grouped(rows, labels).head(1) if labels else rows.head(1)
        found = [
            _map(row, given.outputs).assign(**{name: row[name] for name in (*labels, "seed")})
            for row in first.to_dict("records")
        ]
        return concat(found, ignore_index=True) if found else DataFrame()


def _map(row: Mapping[Any, Any], outputs: Outputs) -> Frame:
    from pandas import DataFrame, concat

    ids, lipschitz, values, points = (
        np.asarray(outputs(row["run_slice"], name)) for name in ("ids", "lipschitz", "outputs", "points")
    )
    bound = np.full(ids.shape, np.nan)
    if _bounded(row):
        held = np.asarray(outputs(row["run_empty"], "ids")) < int(row["training_regions"])
        bound = np.nan_to_num(np.asarray(outputs(row["run_empty"], "bound")), nan=np.inf, posinf=np.inf)
        bound = np.where(held, np.nan, bound)
    cell = np.indices(ids.shape)
    z2, z1 = ((2 * place + 1) / count - 1 for place, count in zip(cell, ids.shape, strict=True))
    columns = {
        "z1": z1, "z2": z2, "region": ids, "output": values[..., 0], "lipschitz": lipschitz, "bound": bound,
    }  # fmt: skip
    cells = DataFrame({name: each.ravel() for name, each in columns.items()}).astype({"region": "Int64"})
    return concat([cells, DataFrame(points, columns=["z1", "z2"])], ignore_index=True)


@dataclasses.dataclass(frozen=True)
class RegionBounds(Table):
    """Every region without training points in which the bound of Theorem 2 is feasible, of all maps."""

    by: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """Columns `bound`, `lipschitz`, `atoms` (regions that are combined), labels, `seed`, `run`."""
        from pandas import DataFrame, concat

        rows = _mapped(given.rows)
        labels, found = labels_in(rows, self.by), []
        for row in rows.to_dict("records"):
            if _bounded(row):
                arrays = {n: np.asarray(given.outputs(row["run_empty"], f"region_{n}")) for n in _BOUNDED}
                empty = DataFrame(arrays).iloc[int(row["training_regions"]) :]
                empty = empty[(empty["atoms"] >= 0) & (empty["lipschitz"] > 0)]
                found.append(empty.assign(**{name: row[name] for name in (*labels, "seed", "run")}))
        return concat(found, ignore_index=True) if found else DataFrame()
