"""Line regions: the exact linear regions of a ReLU network along a path of straight pieces.

On a segment the units of the first layer are affine in t, so their zeros are exact; between the zeros found
so far the next layer is affine too, and so on through the network. No sampling, no region missed. The number
of crossings a unit of length is the region density of Hanin and Rolnick (2019), about the number of units at
initialisation; the length of the path's image is that of Raghu et al. (2017).
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from weightspace.derived.chain import Chain, chain_of
from weightspace.derived.patterns import distinct, local_lipschitz
from weightspace.errors import InputError
from weightspace.node import Derived
from weightspace.spec import spec
from weightspace.tree import Tree


@dataclasses.dataclass(frozen=True, eq=False)
class LinePieces:
    """A path cut where the activation pattern changes.

    Attributes:
      breaks: Where the pieces begin and end, from 0 to k - 1: vertex i of the path lies at t = i.
      patterns: Of each piece.
      lipschitz: λ of each piece.
      corners: Crossings and vertices, between which both the path and the network on it are affine.
      outputs: f at the corners.
    """

    breaks: Float[np.ndarray, " ends"]
    patterns: Bool[np.ndarray, "pieces units"]
    lipschitz: Float[np.ndarray, " pieces"]
    corners: Float[np.ndarray, " corners"]
    outputs: Float[np.ndarray, "corners outputs"]


def line_pieces(chain: Chain, path: Float[np.ndarray, "k inputs"]) -> LinePieces:
    """Cut a path through the inputs where a unit is switched.

    Args:
      chain: The network.
      path: The vertices, two at least; two for a segment.

    Raises:
      InputError: If the path has fewer than two vertices, or inputs of another length.
    """
    if len(path) < 2 or path.shape[1] != chain[0].inputs:
        raise InputError(
            f"a path is given by two vertices of {chain[0].inputs} numbers or more, not by shape {path.shape}"
        )
    t, h = np.arange(float(len(path))), path
    patterns = np.zeros((len(path) - 1, 0), bool)
    for layer in chain[:-1]:
        t, z, parent = _cut_at_zeros(t, layer(h))
        # Linear between the ends, with exact zeros where it was cut: the sum has the sign of the inside.
        patterns = np.concatenate([patterns[parent], z[:-1] + z[1:] > 0], axis=1)
        h = np.maximum(z, 0.0)
    begins = np.flatnonzero(np.append(True, (patterns[1:] != patterns[:-1]).any(axis=1)))
    breaks = np.append(t[begins], t[-1])
    pieces = patterns[begins]
    return LinePieces(breaks, pieces, local_lipschitz(chain, pieces), t, chain[-1](h))


def _cut_at_zeros(
    t: Float[np.ndarray, " c"], z: Float[np.ndarray, "c units"]
) -> tuple[Float[np.ndarray, " cuts"], Float[np.ndarray, "cuts units"], np.ndarray]:
    """Corners and those where a unit is zero; for each interval between them, the one it was part of."""
    interval, unit = np.nonzero(z[:-1] * z[1:] < 0)
    left, right = z[interval, unit], z[interval + 1, unit]
    share = left / (left - right)
    added = z[interval] + share[:, None] * (z[interval + 1] - z[interval])
    added[np.arange(len(unit)), unit] = 0.0
    # Old corner i comes before the zeros of interval i, those in the order of their place on it.
    order = np.lexsort(
        (np.append(np.zeros(len(t)), share), np.append(np.arange(len(t)), interval)),
    )
    at = np.append(t, t[interval] + share * (t[interval + 1] - t[interval]))[order]
    return at, np.concatenate([z, added])[order], np.append(np.arange(len(t)), interval)[order][:-1]


@spec
class LineRegions(Derived):
    """The regions that a path through the inputs meets.

    Columns: `pieces` (a region that is left and met again counts twice), `regions` (it counts once),
    `crossings`, `length` of the path, `crossings_per_length`, `lipschitz_mean` (by length), `lipschitz_max`,
    `output_length` of the path's image. Outputs: `breaks` (t, from 0 to k - 1), `lipschitz` of each piece,
    `corners` (t) and `outputs` there, between which the network is affine.

    Attributes:
      model: The network, a chain of dense layers with ReLU between them.
      weights: Its weights.
      path: Inputs [k, ...], the path's vertices.
    """

    model: Any
    weights: Any
    path: Any

    def compute(self) -> dict[str, Tree]:
        """Cut the path."""
        path = np.asarray(self.path, np.float64)
        if path.ndim < 2:
            raise InputError(f"a path is given by its vertices [k, ...], not by shape {path.shape}")
        chain = chain_of(self.model, self.weights, path.shape[1:])
        flat = path.reshape(len(path), -1)
        found = line_pieces(chain, flat)
        steps = np.linalg.norm(np.diff(flat, axis=0), axis=1)
        along = np.append(0.0, np.cumsum(steps))
        at = np.interp(found.breaks, np.arange(len(flat)), along)
        length, crossings = float(along[-1]), len(found.lipschitz) - 1
        if not length > 0:
            raise InputError("the path has no length: all its vertices are equal")
        return {
            "pieces": len(found.lipschitz),
            "regions": len(distinct(found.patterns).first),
            "crossings": crossings,
            "length": length,
            "crossings_per_length": crossings / length,
            "lipschitz_mean": float(np.diff(at) @ found.lipschitz) / length,
            "lipschitz_max": float(found.lipschitz.max()),
            "output_length": float(np.linalg.norm(np.diff(found.outputs, axis=0), axis=1).sum()),
            "breaks": found.breaks,
            "lipschitz": found.lipschitz,
            "corners": found.corners,
            "outputs": found.outputs,
        }
