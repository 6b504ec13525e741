"""Against igraph (BLISS), where it is installed: a pair of units of convolutions has a vertex of its own."""

import numpy as np
import pytest

from tests.symmetry.builders import circulant, fan_in, full, shuffled
from weightspace.symmetry.automorphisms import automorphisms
from weightspace.symmetry.graph import graph_of

igraph = pytest.importorskip("igraph")


def by_igraph(net):
    """Edges become vertices coloured by their labels: igraph has no labels of edges."""
    graph = graph_of(net)
    size, edges = len(graph.colours), len(graph.sources)
    middle = size + np.arange(edges)
    colours = [*graph.colours.tolist(), *(graph.colours.max(initial=0) + 1 + graph.labels).tolist()]
    ends = [*zip(graph.sources, middle, strict=True), *zip(middle, graph.targets, strict=True)]
    return igraph.Graph(size + edges, [(int(a), int(b)) for a, b in ends]).count_automorphisms(color=colours)


@pytest.mark.parametrize("seed", range(4))
def test_larger_nets(seed):
    rng = np.random.default_rng(seed)
    nets = [
        [shuffled(rng, 64, 64, 0.98) for _ in range(3)] + [shuffled(rng, 64, 10, 0.98)],
        [full(3, 40), fan_in(rng, 40, 40, 2), fan_in(rng, 40, 40, 2), full(40, 1)],
        [full(3, 30), circulant(30, rng.choice(30, 4, replace=False)), full(30, 1)],
        [full(1, 24), rng.random((24, 24, 4)) < 0.02, rng.random((24, 24, 9)) < 0.01, full(24, 1)],
    ]
    for net in nets:
        assert automorphisms(net).order == by_igraph(net)
