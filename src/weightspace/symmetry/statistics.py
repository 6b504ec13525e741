"""Statistics of masks as the "weight symmetry" study keeps them, from the masked kernels alone.

Layers that are masked stand in forward order; the last of them has no outgoing mask, so that its units are
told apart by their inputs only. Units with an empty column, or with an empty row in the next mask, are left
out of the count. The symmetry of a whole network is `automorphisms`; this is for comparison with the study.
"""

import math
from typing import TypedDict

import numpy as np

from weightspace.symmetry.graph import Connections, Net, columns_of, ids, rows_of
from weightspace.symmetry.numbers import digits, log10


class Statistics(TypedDict):
    """The study's seven numbers.

    `permutations` is exact, and 0 where a layer is wholly dead; `permutation_log10` is its logarithm, where
    the study took that of one more, and minus infinity at 0.
    """

    permutations: int
    unique_neurons: int
    zeroed_neurons: int
    total_neurons: int
    sparsity: float
    permutation_num_digits: int
    permutation_log10: float


def layer_statistics(layer: Connections, after: Connections | None) -> tuple[int, int, int]:
    """Permutations, unique and zeroed units of a masked layer, given the next one if there is any."""
    units = layer.shape[1]
    columns = columns_of(layer)
    living = columns.any(axis=1)
    zeroed = int((~living).sum())
    told = columns
    if after is not None:
        rows = rows_of(after)
        living = living & rows.any(axis=1)
        told = np.concatenate([columns, rows], axis=1)
    if not living.any():
        return 0, 0, units
    sizes = np.bincount(ids(told[living]))
    return math.prod(math.factorial(int(size)) for size in sizes), len(sizes), zeroed


def statistics(masked: Net) -> Statistics:
    """The numbers of a mask.

    Args:
      masked: The kernels that are masked, [inputs, units, taps].
    """
    each = [layer_statistics(layer, after) for layer, after in zip(masked, [*masked[1:], None], strict=True)]
    permutations = math.prod(found[0] for found in each)
    total = sum(layer.size for layer in masked)
    return Statistics(
        permutations=permutations,
        unique_neurons=sum(found[1] for found in each),
        zeroed_neurons=sum(found[2] for found in each),
        total_neurons=sum(layer.shape[1] for layer in masked),
        sparsity=1 - sum(int(layer.sum()) for layer in masked) / total if total else 0.0,
        permutation_num_digits=digits(permutations) if permutations else 1,
        permutation_log10=log10(permutations) if permutations else -math.inf,
    )
