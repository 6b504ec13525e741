"""Graph: a net's hidden units as vertices with colours, its connections as edges with labels.

A vertex' colour says its layer, and what it has to do with the labelled inputs and outputs. An edge stands
for a pair of units with a connection, its label for the pattern of taps: two units of convolutions have one
edge, however many taps connect them.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from weightspace.errors import InputError

Connections = Bool[np.ndarray, "_ _ _"]
"""[inputs, units, taps]"""
Net = Sequence[np.ndarray]
"""Connections of each layer; `check_net` says what is wrong with others."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Vertices 0 … n-1 with colours, and edges with labels; neighbours never share a colour.

    Attributes:
      colours: Of each vertex.
      sources: One end of each edge.
      targets: The other end.
      labels: Of each edge.
    """

    colours: Int[np.ndarray, " n"]
    sources: Int[np.ndarray, " edges"]
    targets: Int[np.ndarray, " edges"]
    labels: Int[np.ndarray, " edges"]

    @functools.cached_property
    def incidence(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Vertices with neighbours, where the run of each begins, and neighbours and labels by vertex."""
        here = np.concatenate([self.sources, self.targets])
        there = np.concatenate([self.targets, self.sources])
        order = np.argsort(here, kind="stable")
        vertices, starts = np.unique(here[order], return_index=True)
        return vertices, starts, there[order], np.concatenate([self.labels, self.labels])[order]

    def part(self, members: Int[np.ndarray, " m"], edges: Int[np.ndarray, " e"]) -> "Graph":
        """The graph of some vertices, in the order given, and some of the edges among them."""
        place = np.zeros(len(self.colours), np.int64)
        place[members] = np.arange(len(members))
        return Graph(
            self.colours[members], place[self.sources[edges]], place[self.targets[edges]], self.labels[edges]
        )

    def recoloured(self, colours: Int[np.ndarray, " n"]) -> "Graph":
        """The same edges under other colours."""
        other = Graph(colours, self.sources, self.targets, self.labels)
        vars(other)["incidence"] = self.incidence
        return other

    def code(self, order: Int[np.ndarray, " n"]) -> bytes:
        """A digest of the graph as it is with its vertices in an order: equal for equal graphs alone."""
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        ends = np.sort(np.stack([place[self.sources], place[self.targets]]), axis=0)
        edges = np.concatenate([ends, self.labels[None]])
        edges = edges[:, np.lexsort(edges)]
        whole = hashlib.sha256(np.int64(len(order)).tobytes())
        whole.update(np.ascontiguousarray(self.colours[order], np.int64).tobytes())
        whole.update(np.ascontiguousarray(edges, np.int64).tobytes())
        return whole.digest()


def widths(net: Net) -> tuple[int, ...]:
    """Units of each hidden layer."""
    return tuple(layer.shape[1] for layer in net[:-1])


def check_net(net: Net) -> None:
    """Raise unless each layer takes what the one before it gives.

    Raises:
      InputError: For the first layer that does not, or if there is none.
    """
    if not net:
        raise InputError("a net has at least one layer: an array of booleans [inputs, units, taps]")
    for number, layer in enumerate(net):
        if layer.ndim != 3 or layer.dtype != bool:
            raise InputError(
                f"layer {number} is an array of {layer.dtype} with shape {layer.shape}; give booleans "
                "[inputs, units, taps]"
            )
        if number and layer.shape[0] != net[number - 1].shape[1]:
            raise InputError(
                f"layer {number} takes {layer.shape[0]} units, but layer {number - 1} gives "
                f"{net[number - 1].shape[1]}"
            )


def graph_of(net: Net) -> Graph:
    """The graph of the hidden units, numbered layer by layer."""
    check_net(net)
    sizes = widths(net)
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    colours, edges = [], []
    for number, size in enumerate(sizes):
        fixed = [np.full(size, number, np.int64)]
        if number == 0:
            fixed.append(ids(columns_of(net[0])))
        if number == len(sizes) - 1:
            fixed.append(ids(rows_of(net[-1])))
        colours.append(np.stack([*fixed, *[np.zeros(size, np.int64)] * (3 - len(fixed))]))
        if number:
            rows, columns = np.nonzero(net[number].any(axis=2))
            labels = ids(net[number][rows, columns])
            edges.append(np.stack([starts[number - 1] + rows, starts[number] + columns, labels]))
    told = np.concatenate(colours, axis=1) if colours else np.zeros((3, 0), np.int64)
    found = np.unique(told, axis=1, return_inverse=True)[1].reshape(-1)
    joined = np.concatenate(edges, axis=1) if edges else np.zeros((3, 0), np.int64)
    return Graph(found.astype(np.int64), *(row.astype(np.int64) for row in joined))


def signatures(net: Net, layer: int) -> Int[np.ndarray, " units"]:
    """Which units of a hidden layer have the same connections on both sides, as numbers."""
    return ids(np.concatenate([columns_of(net[layer]), rows_of(net[layer + 1])], axis=1))


def ids(rows: Bool[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
    """A number for each row, the same for equal rows, in the order of their bits."""
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    if 0 in packed.shape:
        return np.zeros(len(rows), np.int64)
    whole = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    return np.unique(whole, return_inverse=True)[1].reshape(-1).astype(np.int64)


def columns_of(layer: Connections) -> Bool[np.ndarray, "units entries"]:
    """What connects each unit with its inputs."""
    return layer.transpose(1, 0, 2).reshape(layer.shape[1], layer.shape[0] * layer.shape[2])


def rows_of(layer: Connections) -> Bool[np.ndarray, "inputs entries"]:
    """What connects each input with the units."""
    return layer.reshape(layer.shape[0], layer.shape[1] * layer.shape[2])
