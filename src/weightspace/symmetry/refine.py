"""Refinement of colours: vertices that see different neighbours are told apart, again and again (1-WL).

A vertex sees the sum of one 64-bit number for each neighbour's colour and edge's label. Equal surroundings
give equal sums, so that only vertices that no automorphism exchanges are told apart; should two different
ones ever give one sum, they are told apart later, by the search.
"""

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weightspace.symmetry.graph import Graph

_COLOUR, _LABEL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def refine(graph: Graph) -> Int[np.ndarray, " n"]:
    """Colours 0 … k-1 that no further look at neighbours splits.

    They depend on the graph alone: a relabelled graph has the same colours, relabelled.
    """
    vertices, starts, neighbours, labels = graph.incidence
    colours = _ranked(graph.colours, np.zeros(len(graph.colours), np.uint64))
    salts = labels.astype(np.uint64) * _LABEL
    before = -1
    while len(starts) and before < colours.max() < len(colours) - 1:
        before = colours.max()
        numbers = _mixed(colours[neighbours].astype(np.uint64) * _COLOUR + salts)
        seen = np.zeros(len(colours), np.uint64)
        seen[vertices] = np.add.reduceat(numbers, starts)
        colours = _ranked(colours, seen)
    return colours


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Bits well mixed: the finaliser of SplitMix64."""
    for shift, factor in _STEPS:
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers


def _ranked(first: np.ndarray, second: np.ndarray) -> Int[np.ndarray, " n"]:
    """Numbers of the pairs in their order, without gaps."""
    order = np.lexsort((second, first))
    one, two = first[order], second[order]
    new = np.concatenate([[False], (one[1:] != one[:-1]) | (two[1:] != two[:-1])])
    found = np.empty(len(order), np.int64)
    found[order] = np.cumsum(new[: len(order)])
    return found


def telling(graph: Graph, colours: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " edges"]:
    """The edges that tell vertices of one colour apart.

    Between two colours whose vertices are all connected by one label, colours say it all: such edges bear on
    no automorphism that keeps the colours.
    """
    sizes = np.bincount(colours)
    one, two = colours[graph.sources], colours[graph.targets]
    labels = np.unique(graph.labels, return_inverse=True)[1].reshape(-1)
    kinds = (one * len(sizes) + two) * (labels.max(initial=0) + 1) + labels
    _, which, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return counts[which.reshape(-1)] != sizes[one] * sizes[two]


def components(
    size: int, sources: Int[np.ndarray, " edges"], targets: Int[np.ndarray, " edges"]
) -> Int[np.ndarray, " n"]:
    """The number of the connected component of each vertex."""
    matrix = coo_array((np.ones(len(sources), np.int8), (sources, targets)), shape=(size, size))
    return connected_components(matrix, directed=False)[1].astype(np.int64)
