"""Lipschitz bounds: from below and from above, how steep a ReLU network can be.

    mean λ(x_t) ≤ max λ(x_t) ≤ largest λ seen ≤ largest λ found ≤ sup_x λ(x) ≤ least upper bound

The supremum itself is NP-hard (Virmaux and Scaman, 2018). From above: the product of the layers' spectral
norms, Π ‖W_l‖₂, loose by a factor that grows with depth; and ‖ |W_d| ⋯ |W_1| ‖₂, since no choice of units
makes an entry of the Jacobian larger than the sum over all paths. Which of the two is less depends on the
network. From below: every λ that is met.
"""

import functools
import operator

import numpy as np
from jaxtyping import Float

from weightspace.derived.chain import AffineLayer, Chain, Points
from weightspace.derived.line_regions import line_pieces
from weightspace.derived.on_data import OnData
from weightspace.derived.patterns import distinct, evaluate, local_lipschitz
from weightspace.derived.slices import Slice, centres
from weightspace.errors import check_number
from weightspace.spec import spec, static
from weightspace.tree import Tree

_WALKERS = 16
_REACH = 10.0


def spectral_product(chain: Chain) -> float:
    """Π_l ‖W_l‖₂."""
    return float(np.prod([layer.singular_values()[0] for layer in chain]))


def absolute_product(chain: Chain) -> float:
    """‖ |W_d| ⋯ |W_1| ‖₂."""
    matrices = [np.abs(layer.matrix) for layer in reversed(chain) if layer.matrix is not None]
    whole = functools.reduce(operator.matmul, matrices) if matrices else np.ones((1, 1))
    return float(np.linalg.norm(whole, 2))


def extreme_singular_values(layer: AffineLayer) -> tuple[float, float]:
    """σ₁, and the least ‖Wᵀv‖ / ‖v‖: the constants between which λ / ‖∂f/∂b‖ lies (Lemma 1).

    The latter is the least singular value, and zero for a layer with more units than inputs, whose Wᵀ takes
    some v to nothing.
    """
    values = layer.singular_values()
    return float(values[0]), float(values[-1]) if layer.units <= layer.inputs else 0.0


def at_points(chain: Chain, x: Points) -> Float[np.ndarray, " n"]:
    """λ at each point."""
    regions = distinct(evaluate(chain, x).patterns)
    return local_lipschitz(chain, regions.patterns)[regions.ids]


def climb(chain: Chain, starts: Points, *, rounds: int, seed: int = 0) -> float:
    """The largest λ that a search finds: a lower bound of the supremum.

    From each of the steepest points a line is drawn in a random direction and cut into its regions, and the
    walk goes on from the steepest of them; λ is piecewise constant, so that no gradient would lead there.

    Args:
      chain: The network.
      starts: Points to begin with, at least one; lines reach ten times as far as these are spread.
      rounds: Lines of each walk.
      seed: Of the directions.
    """
    rng = np.random.default_rng(seed)
    steepness = at_points(chain, starts)
    best = np.argsort(-steepness, kind="stable")[:_WALKERS]
    places, values = starts[best], steepness[best]
    spread = np.sqrt(((starts - starts.mean(axis=0)) ** 2).sum(axis=1).mean())
    reach = _REACH * (spread if spread > 0 else 1.0)
    for _ in range(rounds):
        for walker in range(len(places)):
            direction = rng.normal(size=starts.shape[1])
            direction *= reach / np.linalg.norm(direction)
            ends = np.stack([places[walker] - direction, places[walker] + direction])
            found = line_pieces(chain, ends)
            steepest = int(found.lipschitz.argmax())
            if found.lipschitz[steepest] > values[walker]:
                middle = found.breaks[steepest : steepest + 2].mean()
                places[walker] = ends[0] + middle * (ends[1] - ends[0])
                values[walker] = found.lipschitz[steepest]
    return float(values.max())


def bounds(
    chain: Chain, x: Points, plane: Slice | None = None, *, grid: int = 100, rounds: int = 100, seed: int = 0
) -> dict[str, float]:
    """Lower and upper bounds, each at most the next up to `lipschitz_upper`.

    Args:
      chain: The network.
      x: Training points.
      plane: A slice on which to look too; None for none.
      grid: Cells along each side of the slice's window.
      rounds: Lines of each walk of the search; 0 for no search.
      seed: Of the search.
    """
    at_data = at_points(chain, x)
    table = {"lipschitz_mean_data": float(at_data.mean()), "lipschitz_max_data": float(at_data.max())}
    starts = x
    if plane is not None:
        cells = plane.inputs(centres(grid))
        on_slice = at_points(chain, cells)
        table["lipschitz_max_slice"] = float(on_slice.max())
        starts = np.concatenate([x, cells[on_slice.argmax()][None]])
    # Batches of other sizes are summed in another order: the search must not fall short by rounding.
    found = max(climb(chain, starts, rounds=rounds, seed=seed), *list(table.values()))
    product, absolute = spectral_product(chain), absolute_product(chain)
    largest, least = extreme_singular_values(chain[0])
    return table | {
        "lipschitz_found": found,
        "lipschitz_upper": min(product, absolute),
        "spectral_product": product,
        "absolute_product": absolute,
        "looseness": product / found if found > 0 else float("inf"),
        "first_sigma_max": largest,
        "first_sigma_min": least,
    }


@spec
class LipschitzBounds(OnData):
    """How steep the network is at its data, how steep it can be found to be, and how steep it may be.

    Columns: `lipschitz_mean_data` ≤ `lipschitz_max_data` ≤ `lipschitz_found` ≤ `lipschitz_upper`, the least
    of `spectral_product` and `absolute_product`; `looseness` (`spectral_product` / `lipschitz_found`);
    `lipschitz_max_slice` ≤ `lipschitz_found` where a slice is known; `first_sigma_max` and `first_sigma_min`
    of the first layer, the constants of Theorem 1.

    Attributes:
      grid: Cells along each side of the slice's window.
      rounds: Lines of each walk of the search for steep regions; 0 for no search.
      seed: Of the search.
    """

    grid: int = static(default=100)
    rounds: int = static(default=100)
    seed: int = 0

    def validate(self) -> None:
        """A grid and a number of rounds."""
        super().validate()
        check_number("grid", self.grid, least=2, hint="It is the number of cells along each side.")
        check_number("rounds", self.rounds, least=0)
        check_number("seed", self.seed, least=0)

    def compute(self) -> dict[str, Tree]:
        """Fill the table."""
        chain, x, plane = self.chain(), self.points(), self.plane()
        return bounds(chain, x, plane, grid=self.grid, rounds=self.rounds, seed=int(self.seed))
