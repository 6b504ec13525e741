"""Polygons: the exact linear regions of a ReLU network on a window of a plane.

A region is convex, so its part of the window is a convex polygon. Inside one the next layer's units are
affine in z; each that changes its sign there cuts it in two, layer by layer (Humayun et al., 2023, cut along
the same lines). One layer of h units makes at most 1 + h + h (h - 1) / 2 regions, and so many if its lines
are in general position and all meet inside the window.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from weightspace.derived.chain import Chain
from weightspace.derived.patterns import Patterns
from weightspace.derived.slices import Slice
from weightspace.errors import InputError

MOST = 200_000
"""Polygons beyond which the window is not cut further."""
_ROUNDING = 1e-12
Polygon = Float[np.ndarray, "_ 2"]
_WINDOW = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclasses.dataclass(frozen=True, eq=False)
class Polygons:
    """The regions of a window.

    Attributes:
      vertices: Of each region, counter-clockwise, in coordinates of the plane.
      patterns: Of each region.
      areas: Of each region, in coordinates of the plane: 4 altogether.
    """

    vertices: list[Polygon]
    patterns: Patterns
    areas: Float[np.ndarray, " regions"]


def polygons(chain: Chain, plane: Slice) -> Polygons:
    """Cut the window into its linear regions.

    Lines nearer to a vertex than rounding, 10⁻¹² of their size, count as going through it.

    Raises:
      InputError: If there are more than `MOST`.
    """
    cells = [_WINDOW]
    patterns = np.zeros((1, 0), bool)
    # What enters the next layer, as an affine function of z on each cell.
    slopes, offsets = plane.axes[None], plane.origin[None]
    for layer in chain[:-1]:
        slopes, offsets = layer.linear(slopes), layer(offsets)
        cut = [_cut(*each) for each in zip(cells, slopes, offsets, strict=True)]
        parent = np.repeat(np.arange(len(cells)), [len(found) for found, _ in cut])
        cells = [cell for found, _ in cut for cell in found]
        if len(cells) > MOST:
            raise InputError(f"the window has more than {MOST} linear regions; look at a grid instead")
        on = np.concatenate([masks for _, masks in cut])
        patterns = np.concatenate([patterns[parent], on], axis=1)
        slopes, offsets = slopes[parent] * on[:, None, :], offsets[parent] * on
    return Polygons(cells, patterns, np.array([area(cell) for cell in cells]))


def area(vertices: Polygon) -> float:
    """The area of a polygon whose vertices are given counter-clockwise."""
    x, y = vertices[:, 0], vertices[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _cut(
    cell: Polygon, slopes: Float[np.ndarray, "2 units"], offsets: Float[np.ndarray, " units"]
) -> tuple[list[Polygon], Bool[np.ndarray, "cells units"]]:
    """The parts of a cell in which no unit changes its sign, and which units are on there."""
    rounding = _ROUNDING * (np.abs(slopes).sum(axis=0) + np.abs(offsets))
    values = cell @ slopes + offsets
    crossing = np.flatnonzero((values.min(axis=0) < -rounding) & (values.max(axis=0) > rounding))
    parts = [cell]
    for unit in crossing:
        sides = (_halves(part, slopes[:, unit], offsets[unit], rounding[unit]) for part in parts)
        parts = [side for both in sides for side in both]
    inside = np.stack([part.mean(axis=0) for part in parts])
    return parts, inside @ slopes + offsets > 0


def _halves(
    cell: Polygon, slope: Float[np.ndarray, "2"], offset: float, rounding: float
) -> tuple[Polygon] | tuple[Polygon, Polygon]:
    """A convex cell on both sides of a line, or the cell itself where the line misses it."""
    values = cell @ slope + offset
    values[np.abs(values) <= rounding] = 0.0
    if values.min() >= 0 or values.max() <= 0:
        return (cell,)
    after = np.roll(np.arange(len(cell)), -1)
    crossed = values * values[after] < 0
    share = np.where(crossed, values / np.where(crossed, values - values[after], 1.0), 0.0)
    zeros = cell + share[:, None] * (cell[after] - cell)
    # Each vertex, and behind it the zero on the edge that it begins.
    corners = np.stack([cell, zeros], axis=1).reshape(-1, 2)
    signs = np.stack([np.sign(values), np.where(crossed, 0.0, np.nan)], axis=1).ravel()
    return corners[signs >= 0], corners[signs <= 0]
