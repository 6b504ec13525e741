"""Search: the automorphisms of a coloured graph, exactly, and a canonical order of its vertices.

One recursion. Colours are refined, and edges that colours already tell are dropped. What falls apart is
solved part by part: with m parts of one kind, |Aut| = Π |Aut(part)| · Π m!. What does not is solved by orbit
and stabiliser: |Aut| = |orbit of v| · |Aut fixing v|, where w lies in the orbit of v if the graph with w
marked is the same as that with v marked, which their canonical codes say. Twins and blocks fall apart, so
that only graphs as regular as circulants are searched, and these have few generators.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from weightspace.errors import InputError
from weightspace.symmetry.graph import Graph
from weightspace.symmetry.refine import components, refine, telling

MOST = 100_000
"""Refinements after which a graph is given up."""
Permutation = dict[int, int]
"""What a permutation does to the points that it moves."""


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """The automorphisms of a graph.

    Attributes:
      order: How many there are.
      generators: Some that generate all.
      labelling: The vertices in canonical order: graphs are isomorphic if they are equal so ordered.
      code: A digest of the graph in that order.
    """

    order: int
    generators: tuple[Permutation, ...]
    labelling: Int[np.ndarray, " n"]
    code: bytes


class Effort:
    """Counts refinements, and ends a search that does not come to an end."""

    def __init__(self, most: int = MOST):
        self.left = most

    def spend(self) -> None:
        """One more.

        Raises:
          InputError: If that was the last.
        """
        self.left -= 1
        if self.left < 0:
            raise InputError(
                "the mask's symmetry was not settled within the number of steps allowed: its units look "
                "alike without being so; count the twin product, a lower bound, or give Effort(most=…) more"
            )


class Orbits:
    """Which points permutations take into each other."""

    def __init__(self, size: int):
        self._parent = list(range(size))

    def find(self, point: int) -> int:
        """The point that stands for an orbit."""
        root = point
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[point] != root:
            self._parent[point], point = root, self._parent[point]
        return root

    def join(self, permutation: Permutation) -> None:
        """Points and their images lie in one orbit."""
        for point, image in permutation.items():
            self._parent[self.find(point)] = self.find(image)


def solve(graph: Graph, effort: Effort | None = None) -> Solution:
    """All automorphisms that keep colours and labels.

    Raises:
      InputError: If it takes more refinements than are allowed.
    """
    effort = effort or Effort()
    effort.spend()
    colours = refine(graph)
    size = len(colours)
    if size == 0 or colours.max() == size - 1:
        return _solution(graph, 1, (), np.argsort(colours))
    edges = np.flatnonzero(telling(graph, colours))
    found = graph.recoloured(colours)
    parts = components(size, graph.sources[edges], graph.targets[edges])
    if parts.max() == 0 and size > 1:
        return _by_orbits(graph, found, effort)
    return _by_parts(graph, found, edges, parts, effort)


def _solution(
    graph: Graph, order: int, generators: Iterable[Permutation], labelling: Int[np.ndarray, " n"]
) -> Solution:
    return Solution(order, tuple(generators), labelling, graph.code(labelling))


def _by_parts(
    graph: Graph, found: Graph, edges: Int[np.ndarray, " e"], parts: Int[np.ndarray, " n"], effort: Effort
) -> Solution:
    """Parts one by one; those of one code may be exchanged."""
    sizes = np.bincount(parts)
    single = np.flatnonzero(sizes[parts] == 1)
    single = single[np.argsort(found.colours[single], kind="stable")]
    starts = np.flatnonzero(np.diff(found.colours[single], prepend=-1))
    alike = [[np.array([v]) for v in cell] for cell in np.split(single, starts[1:]) if len(cell) > 1]
    order, generators, labelling = 1, [], [single]
    solved: dict[bytes, list[np.ndarray]] = {}
    by_part = edges[np.argsort(parts[graph.sources[edges]], kind="stable")]
    ends = np.cumsum(np.bincount(parts[graph.sources[by_part]], minlength=len(sizes)))
    vertices = np.split(np.argsort(parts, kind="stable"), np.cumsum(sizes)[:-1])
    for number in np.flatnonzero(sizes > 1):
        members = vertices[number]
        own = by_part[(ends[number - 1] if number else 0) : ends[number]]
        inner = solve(found.part(members, own), effort)
        order *= inner.order
        generators += [{int(members[a]): int(members[b]) for a, b in g.items()} for g in inner.generators]
        solved.setdefault(inner.code, []).append(members[inner.labelling])
    for code in sorted(solved):
        labelling += solved[code]
        alike.append(solved[code])
    for group in alike:
        order *= math.factorial(len(group))
        generators += _exchanges(group)
    return _solution(graph, order, generators, np.concatenate(labelling))


def _exchanges(group: list[np.ndarray]) -> list[Permutation]:
    """Generators of all permutations of parts that are alike: the first two exchanged, all moved by one."""
    if len(group) < 2:
        return []
    swap = {int(a): int(b) for a, b in zip(group[0], group[1], strict=True)}
    swap |= {b: a for a, b in swap.items()}
    if len(group) == 2:
        return [swap]
    joined = np.stack(group)
    round_ = zip(joined.reshape(-1), np.roll(joined, -1, axis=0).reshape(-1), strict=True)
    return [swap, {int(a): int(b) for a, b in round_}]


def _by_orbits(graph: Graph, found: Graph, effort: Effort) -> Solution:
    """The orbit of one vertex of a smallest cell, and what leaves that vertex where it is."""
    sizes = np.bincount(found.colours)
    cell = np.flatnonzero(found.colours == np.argmin(np.where(sizes > 1, sizes, len(found.colours) + 1)))
    base = int(cell[0])
    first = solve(_marked(found, base), effort)
    generators = list(first.generators)
    orbits = Orbits(len(found.colours))
    for one in generators:
        orbits.join(one)
    met, tried = {first.code: first}, [base]
    for vertex in map(int, cell[1:]):
        if orbits.find(vertex) in {orbits.find(other) for other in tried}:
            continue
        other = solve(_marked(found, vertex), effort)
        like = met.setdefault(other.code, other)
        if like is other:
            tried.append(vertex)
            continue
        pairs = zip(like.labelling.tolist(), other.labelling.tolist(), strict=True)
        generators.append({a: b for a, b in pairs if a != b})
        orbits.join(generators[-1])
    length = sum(orbits.find(int(vertex)) == orbits.find(base) for vertex in cell)
    return _solution(graph, length * first.order, generators, met[min(met)].labelling)


def _marked(graph: Graph, vertex: int) -> Graph:
    """The graph with one vertex told from those of its colour."""
    colours = 2 * graph.colours + 1
    colours[vertex] -= 1
    return graph.recoloured(colours)
