"""Automorphisms of a net: their number, generators and orbits, and what a net is up to relabelling.

Counted is Aut(M) = {g ∈ G : gM = M} with G = S_{n_1} × … × S_{n_L}: units are relabelled within their hidden
layers, inputs and outputs stay where they are. For units without connections this counts their exchanges too.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from weightspace.symmetry.graph import Net, check_net, graph_of, widths
from weightspace.symmetry.numbers import group_order, log10
from weightspace.symmetry.search import Effort, Orbits, Permutation, Solution, solve

Relabelling = list[Int[np.ndarray, "_"]]
"""For each hidden layer, which unit takes each place."""


@dataclasses.dataclass(frozen=True, eq=False)
class Automorphisms:
    """The relabellings that leave a net as it is.

    Attributes:
      widths: Units of each hidden layer.
      order: |Aut(M)|, exact.
      generators: Some that generate all, on units numbered through all hidden layers.
    """

    widths: tuple[int, ...]
    order: int
    generators: tuple[Permutation, ...]

    @property
    def lost_digits(self) -> float:
        """log₁₀ |G| - log₁₀ |Aut(M)|: of how many copies of itself a mask reaches only itself, in digits."""
        return log10(group_order(self.widths)) - log10(self.order)

    def relabellings(self) -> list[Relabelling]:
        """The generators, layer by layer: entry j is the unit that takes place j."""
        starts = np.cumsum((0, *self.widths))
        found = []
        for one in self.generators:
            places = np.arange(starts[-1])
            places[list(one.values())] = list(one)
            found.append([places[a:b] - a for a, b in itertools.pairwise(starts)])
        return found

    def orbits(self) -> list[Int[np.ndarray, "_"]]:
        """For each hidden layer, the number of each unit's orbit, by first units."""
        starts = np.cumsum((0, *self.widths))
        joined = Orbits(int(starts[-1]))
        for one in self.generators:
            joined.join(one)
        roots = np.array([joined.find(unit) for unit in range(starts[-1])], np.int64)
        return [_by_first(roots[a:b]) for a, b in itertools.pairwise(starts)]


def automorphisms(net: Net, effort: Effort | None = None) -> Automorphisms:
    """The relabellings of hidden units that leave a net as it is.

    >>> dense, diagonal = np.ones((2, 3, 1), bool), np.eye(3, dtype=bool)[:, :, None]
    >>> automorphisms([dense, diagonal, np.ones((3, 1, 1), bool)]).order  # both layers alike
    6

    Args:
      net: Booleans [inputs, units, taps] of each layer; a dense layer is all ones and costs nothing.
      effort: How long to search.

    Raises:
      InputError: If arrays are no net, or the search takes more steps than are allowed.
    """
    solution = _solved(net, effort)
    return Automorphisms(widths(net), solution.order, solution.generators)


def _solved(net: Net, effort: Effort | None = None) -> Solution:
    return solve(graph_of(net), effort)


def relabelled(net: Net, relabelling: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The net whose unit at place j of hidden layer l is unit `relabelling[l][j]` of the given one."""
    made = list(net)
    for number, order in enumerate(relabelling):
        made[number] = made[number][:, order]
        made[number + 1] = made[number + 1][order]
    return made


def canonical_relabelling(net: Net, effort: Effort | None = None) -> Relabelling:
    """The relabelling that gives equal nets for all nets that are equal up to relabelling."""
    order = _solved(net, effort).labelling
    starts = np.cumsum((0, *widths(net)))
    return [order[(order >= a) & (order < b)] - a for a, b in itertools.pairwise(starts)]


def canonical(net: Net, effort: Effort | None = None) -> list[np.ndarray]:
    """A net's canonical form: two nets are equal up to relabelling if theirs are equal."""
    return relabelled(net, canonical_relabelling(net, effort))


def relabelling_between(one: Net, other: Net, effort: Effort | None = None) -> Relabelling | None:
    """A relabelling that makes one net another, or None if they are not equal up to relabelling."""
    for net in (one, other):
        check_net(net)
    if [layer.shape for layer in one] != [layer.shape for layer in other]:
        return None
    ours, theirs = (canonical_relabelling(net, effort) for net in (one, other))
    both = zip(relabelled(one, ours), relabelled(other, theirs), strict=True)
    if not all(np.array_equal(a, b) for a, b in both):
        return None
    return [mine[np.argsort(its)] for mine, its in zip(ours, theirs, strict=True)]


def _by_first(roots: Int[np.ndarray, " units"]) -> Int[np.ndarray, " units"]:
    """Numbers of orbits in the order in which they are first met."""
    _, first, which = np.unique(roots, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which.reshape(-1)]
