"""Slice: a plane through input space, and a network on a window of it.

Points of the plane are z ∈ [-1, 1]², inputs x = origin + z₁ a₁ + z₂ a₂. Grids over the window are arrays
whose row is the second coordinate and whose column is the first, both rising, as `imshow(origin="lower")`
and `pcolormesh` take them; a value stands for a cell and is taken at its centre.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from weightspace.derived.chain import Chain, Points
from weightspace.derived.patterns import Patterns, distinct, evaluate
from weightspace.errors import InputError, check_number

Plane = Float[np.ndarray, "n 2"]


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """x = origin + z @ axes.

    Attributes:
      origin: The input of z = (0, 0).
      axes: The two vectors; of any lengths and angle, but not parallel.
    """

    origin: Float[np.ndarray, " inputs"]
    axes: Float[np.ndarray, "2 inputs"]

    def __post_init__(self) -> None:
        if np.linalg.matrix_rank(self.axes) < 2:
            raise InputError("the two vectors of a slice are parallel or zero, but must span a plane")

    def inputs(self, z: Plane) -> Points:
        """Points of the plane as inputs."""
        return self.origin + z @ self.axes

    def coordinates(self, x: Points) -> Plane:
        """Coordinates of the nearest points of the plane."""
        return (x - self.origin) @ np.linalg.pinv(self.axes)

    @property
    def directions(self) -> Float[np.ndarray, "2 inputs"]:
        """An orthonormal basis of the plane's directions."""
        return np.linalg.qr(self.axes.T)[0].T


def centres(grid: int) -> Plane:
    """Centres of the cells of a grid over the window, row by row: the first coordinate varies fastest.

    >>> centres(2)[:2].tolist()
    [[-0.5, -0.5], [0.5, -0.5]]
    """
    check_number("grid", grid, least=2, hint="It is the number of cells along each side.")
    ticks = (2 * np.arange(grid) + 1) / grid - 1
    first, second = np.meshgrid(ticks, ticks)
    return np.stack([first.ravel(), second.ravel()], axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """The regions that a grid over the window meets, and those that hold given points.

    Regions are numbered from 0 in the order of their first occurrence, those of the given points first: a
    region holds such a point if its number is below `held`.

    Attributes:
      patterns: Of each region.
      held: Regions that hold at least one of the points.
      point_ids: The region of each point.
      ids: The region of each cell.
      outputs: f at the centre of each cell.
    """

    patterns: Patterns
    held: int
    point_ids: Int[np.ndarray, " points"]
    ids: Int[np.ndarray, "grid grid"]
    outputs: Float[np.ndarray, "grid grid outputs"]


def sample(chain: Chain, plane: Slice, grid: int, points: Points) -> Sample:
    """Look at the centre of each cell, and at the given inputs, which may lie off the plane."""
    at_points = evaluate(chain, points).patterns
    on_grid = evaluate(chain, plane.inputs(centres(grid)))
    regions = distinct(np.concatenate([at_points, on_grid.patterns]))
    point_ids, ids = np.split(regions.ids, [len(points)])
    held = int(point_ids.max(initial=-1)) + 1
    outputs = on_grid.outputs.reshape(grid, grid, -1)
    return Sample(regions.patterns, held, point_ids, ids.reshape(grid, grid), outputs)
