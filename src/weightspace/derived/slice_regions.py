"""Slice regions: the map of linear regions on a plane through the inputs, and which of them hold data.

On a grid: regions met by the cells' centres, a lower bound of their true number that is reached as the grid
is refined. Exact: the polygons themselves. Loukas et al. (2021), section 5 and figure 6 of its second
version, show such maps for a function of two variables embedded in ten dimensions.
"""

from typing import Any

import numpy as np

from weightspace.derived.chain import Chain
from weightspace.derived.on_data import OnData
from weightspace.derived.patterns import distinct, local_lipschitz
from weightspace.derived.polygons import polygons
from weightspace.derived.slices import Slice, sample
from weightspace.errors import check_number
from weightspace.spec import spec, static
from weightspace.tree import Tree


@spec
class SliceRegions(OnData):
    """Regions, local Lipschitz constants and outputs on a slice.

    Columns, of the grid: `regions`, `training_regions` (that hold training points), `shared_regions` (those
    of them that the slice meets), `empty_area` (share of the window outside them), `lipschitz_mean_data`,
    `lipschitz_max_data`, `lipschitz_mean_slice` (by area), `lipschitz_max_slice`, `in_plane_mean_slice` and
    `in_plane_max_slice` (of the network restricted to the plane), `off_plane` (largest distance of a
    training point from the plane). With `exact` also `exact_regions`, `exact_empty_area`,
    `exact_lipschitz_mean` and `exact_lipschitz_max`.

    Outputs, with z₂ along the rows and z₁ along the columns: `ids` (int32; a region holds a training point
    if its number is below `training_regions`), `lipschitz`, `in_plane`, `outputs` [grid, grid, outputs];
    `points` (z of the training points) and `point_ids` (their regions). With `exact` also `vertices` of all
    polygons one after the other, `corners` (how many each has), `polygon_areas` (of the window's 4),
    `polygon_lipschitz` and `polygon_empty`.

    Attributes:
      grid: Cells along each side of the window.
      exact: Whether the window is also cut exactly.
    """

    grid: int = static(default=200)
    exact: bool = static(default=False)

    def validate(self) -> None:
        """Two cells along a side at least."""
        super().validate()
        check_number("grid", self.grid, least=2, hint="It is the number of cells along each side.")

    def compute(self) -> dict[str, Tree]:
        """Draw the map."""
        chain, plane, x = self.chain(), self.needed_plane(), self.points()
        found = sample(chain, plane, self.grid, x)
        z = plane.coordinates(x)
        constants = local_lipschitz(chain, found.patterns)
        in_plane = local_lipschitz(chain, found.patterns, plane.directions)
        on_slice, at_data = constants[found.ids], constants[found.point_ids]
        met = np.unique(found.ids)
        made = {
            "regions": len(met),
            "training_regions": found.held,
            "shared_regions": int((met < found.held).sum()),
            "empty_area": float((found.ids >= found.held).mean()),
            "lipschitz_mean_data": float(at_data.mean()),
            "lipschitz_max_data": float(at_data.max()),
            "lipschitz_mean_slice": float(on_slice.mean()),
            "lipschitz_max_slice": float(on_slice.max()),
            "in_plane_mean_slice": float(in_plane[found.ids].mean()),
            "in_plane_max_slice": float(in_plane[found.ids].max()),
            "off_plane": float(np.linalg.norm(x - plane.inputs(z), axis=1).max()),
            "ids": found.ids,
            "lipschitz": on_slice,
            "in_plane": in_plane[found.ids],
            "outputs": found.outputs,
            "points": z,
            "point_ids": found.point_ids,
        }
        return made | (_cut(chain, plane, found.patterns[: found.held]) if self.exact else {})


def _cut(chain: Chain, plane: Slice, held: np.ndarray) -> dict[str, Any]:
    """The same of the polygons; `held` are the patterns with training points."""
    found = polygons(chain, plane)
    empty = distinct(np.concatenate([held, found.patterns])).ids[len(held) :] >= len(held)
    constants, total = local_lipschitz(chain, found.patterns), found.areas.sum()
    return {
        "exact_regions": len(found.areas),
        "exact_empty_area": float(found.areas[empty].sum() / total),
        "exact_lipschitz_mean": float(found.areas @ constants / total),
        "exact_lipschitz_max": float(constants.max()),
        "vertices": np.concatenate(found.vertices),
        "corners": np.array([len(cell) for cell in found.vertices], np.int32),
        "polygon_areas": found.areas,
        "polygon_lipschitz": constants,
        "polygon_empty": empty,
    }
