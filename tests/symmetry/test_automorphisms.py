"""The order of a mask's symmetry: worked by hand, against all relabellings, and for layers of 1,000 units."""

import math

import numpy as np
import pytest

from tests.symmetry.builders import (
    brute_force,
    circulant,
    fan_in,
    full,
    random_net,
    relabelling,
    rows,
    same,
    shuffled,
    small_net,
)
from weightspace.errors import InputError
from weightspace.masks.propagate import restricted
from weightspace.symmetry.automorphisms import (
    automorphisms,
    canonical,
    relabelled,
    relabelling_between,
)
from weightspace.symmetry.numbers import digits, group_order, log10
from weightspace.symmetry.search import Effort
from weightspace.symmetry.twins import twin_product

EXAMPLES = {
    "dense": ([full(2, 3), full(3, 3), full(3, 1)], 36, 36, 36),
    "identity": ([full(2, 3), rows("100", "010", "001"), full(3, 1)], 1, 6, 36),
    "dihedral": ([full(1, 3), rows("110", "011", "101"), full(3, 1)], 1, 6, 36),
    "blocks": ([full(1, 4), rows("1100", "1100", "0011", "0011"), full(4, 1)], 16, 32, 576),
    "inputs fixed": ([rows("1100", "0011"), rows("100", "100", "011", "011"), full(3, 1)], 8, 8, 144),
}
"""The sheet's worked examples: nets, their twin product, order, and all relabellings."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples(name):
    net, twins, order, whole = EXAMPLES[name]
    found = automorphisms(net)
    assert (twin_product(net), found.order, group_order(found.widths)) == (twins, order, whole)
    assert brute_force(net) == order
    assert found.lost_digits == pytest.approx(math.log10(whole / order))


@pytest.mark.parametrize("seed", range(6))
def test_random_nets_have_the_order_that_all_relabellings_give(seed):
    """600 nets of up to three hidden layers, half of them with some symmetry."""
    rng = np.random.default_rng(seed)
    orders = []
    for _ in range(100):
        net = small_net(rng)
        found = automorphisms(net)
        assert found.order == brute_force(net)
        assert found.order % twin_product(net) == 0
        orders.append(found.order)
        for one in found.relabellings():
            assert same(relabelled(net, one), net)
    assert 20 < np.count_nonzero(np.array(orders) > 1) < 90


def closure(generators, widths):
    """All that generators generate."""
    start = tuple(tuple(range(width)) for width in widths)
    found, new = {start}, [start]
    while new:
        one = new.pop()
        for g in generators:
            made = tuple(tuple(np.array(layer)[order].tolist()) for layer, order in zip(one, g, strict=True))
            if made not in found:
                found.add(made)
                new.append(made)
    return found


def test_generators_generate_all_and_orbits_are_theirs():
    rng = np.random.default_rng(1)
    for _ in range(40):
        net = small_net(rng)
        found = automorphisms(net)
        if found.order > 600:
            continue
        whole = closure(found.relabellings(), found.widths)
        assert len(whole) == found.order
        for layer, orbits in enumerate(found.orbits()):
            taken = [{g[layer][unit] for g in whole} for unit in range(found.widths[layer])]
            assert [set(np.flatnonzero(orbits == orbits[u])) for u in range(len(orbits))] == taken


def test_nets_equal_up_to_relabelling_have_one_canonical_form():
    rng = np.random.default_rng(2)
    for _ in range(60):
        net = small_net(rng)
        other = relabelled(net, relabelling(rng, net))
        assert same(canonical(net), canonical(other))
        found = relabelling_between(net, other)
        assert found is not None
        assert same(relabelled(net, found), other)


def test_nets_that_are_not_equal_up_to_relabelling_are_told_apart():
    """A hexagon and two triangles look alike to every unit; so do masks of equal degrees."""
    hexagon, triangles = circulant(6, (0, 1)), circulant(6, (0, 1))
    triangles[:] = False
    for at in (0, 3):
        triangles[at : at + 3, at : at + 3] = circulant(3, (0, 1))
    one, other = ([full(1, 6), layer, full(6, 1)] for layer in (hexagon, triangles))
    assert relabelling_between(one, other) is None
    assert (automorphisms(one).order, automorphisms(other).order) == (12, 72)
    assert relabelling_between(one, [full(1, 6), hexagon[:, :5], full(5, 1)]) is None
    fixed = [np.roll(rows("1100", "0011"), 1, axis=0), EXAMPLES["inputs fixed"][0][1], full(3, 1)]
    assert relabelling_between(EXAMPLES["inputs fixed"][0], fixed) is None  # inputs are labelled


def test_one_tap_apart_is_another_mask():
    """Two units joined by other taps of a convolution are no twins."""
    layer = np.zeros((2, 2, 9), bool)
    layer[0, 0, [0, 4]] = layer[1, 1, [0, 4]] = True
    net = [np.ones((1, 2, 9), bool), layer, full(2, 1)]
    assert automorphisms(net).order == brute_force(net) == 2
    layer[1, 1, 4], layer[1, 1, 5] = False, True
    assert automorphisms(net).order == brute_force(net) == 1


@pytest.mark.parametrize("units", [5, 64, 1000])
def test_a_circulant_rotates_where_twins_see_nothing(units):
    """Offsets 0, 1 and 3 tell left from right: rotations alone; 0 and 1 do not."""
    for offsets, order in (((0, 1, 3), units), ((0, 1), 2 * units)):
        if units == 5 and offsets == (0, 1, 3):
            continue  # the complement of two neighbours
        net = [full(3, units), circulant(units, offsets), full(units, 2)]
        assert automorphisms(net).order == order
        assert twin_product(net) == 1


def test_layers_of_a_thousand_units():
    rng = np.random.default_rng(3)
    dense = [full(20, 1000), full(1000, 1000), full(1000, 1000), full(1000, 10)]
    assert automorphisms(dense).order == group_order([1000] * 3)
    assert log10(group_order([1000] * 3)) == pytest.approx(3 * 2567.6046, abs=1e-3)
    half = random_net(rng, [20, 1000, 1000, 10], 0.5, dense=(0, 2))
    assert automorphisms(half).order == 1
    blocks = np.kron(np.eye(250, dtype=bool), np.ones((4, 4), bool))[:, :, None]
    net = [full(3, 1000), blocks, blocks, full(1000, 1)]
    assert automorphisms(net).order == math.factorial(4) ** 750 * math.factorial(250)
    assert twin_product(net) == math.factorial(4) ** 750


def test_regular_graphs_that_every_unit_sees_alike():
    """Layers of points and lines, of which group theory knows the order."""
    pairs = [(a, b) for a in range(5) for b in range(a)]
    apart = np.array([[not set(p) & set(q) for q in pairs] for p in pairs])[:, :, None]
    assert automorphisms([full(1, 10), apart, full(10, 1)]).order == 120  # S5, on both layers alike
    points = [v for v in np.ndindex(2, 2, 2) if any(v)]
    fano = np.array([[np.dot(p, q) % 2 == 0 for q in points] for p in points])[:, :, None]
    assert automorphisms([full(1, 7), fano, full(7, 1)]).order == 168


def test_random_masks_of_64_units_as_found_by_igraph_and_nauty():
    """Medians of the digits 1, 1, 17 at sparsities .9, .95, .98; twins exact in 500, 500, 227 of 500."""
    rng = np.random.default_rng(0)
    sizes = ((64, 64), (64, 64), (64, 64), (64, 10))
    for sparsity, middle, exact in ((0.9, 1, 1.0), (0.95, 1, 1.0), (0.98, 17, 0.454)):
        told, twins = [], []
        for _ in range(60):
            net = [shuffled(rng, a, b, sparsity) for a, b in sizes]
            order = automorphisms(net).order
            told.append(digits(order))
            twins.append(order == twin_product(net))
            assert order % twin_product(net) == 0
        assert abs(np.median(told) - middle) <= (2 if middle > 1 else 0)
        assert abs(np.mean(twins) - exact) <= 4 * math.sqrt(exact * (1 - exact) / 60)


def test_of_units_that_are_alive_the_order_is_one_and_twins_are_exact():
    rng = np.random.default_rng(1)
    sizes = ((64, 64), (64, 64), (64, 64), (64, 10))
    orders = []
    for _ in range(60):
        net = restricted([shuffled(rng, a, b, 0.95) for a, b in sizes])
        orders.append(automorphisms(net).order)
        assert orders[-1] == twin_product(net)
    assert (np.quantile(orders, 0.5), np.quantile(orders, 0.9)) == (1, 1)


def test_fan_in_two_on_four_layers_of_sixteen():
    """Order 1 in 676 and 2 in 276 of 1,000."""
    rng = np.random.default_rng(2)
    sizes = ((16, 16), (16, 16), (16, 16), (16, 4))
    orders = [automorphisms([fan_in(rng, a, b, 2) for a, b in sizes]).order for _ in range(250)]
    for order, share in ((1, 0.676), (2, 0.276)):
        assert abs(np.mean(np.array(orders) == order) - share) < 4 * math.sqrt(share * (1 - share) / 250)


def test_no_hidden_layer_and_no_units_are_answered():
    assert automorphisms([full(3, 2)]).order == 1
    assert automorphisms([full(3, 0), full(0, 2)]).order == 1
    empty = [np.zeros((2, 3, 1), bool), np.zeros((3, 2, 1), bool)]
    assert automorphisms(empty).order == 6


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ([], "at least one layer"),
        ([full(2, 3), full(4, 1)], "layer 1 takes 4 units, but layer 0 gives 3"),
        ([full(2, 3)[:, :, 0], full(3, 1)], r"shape \(2, 3\)"),
        ([full(2, 3).astype(float), full(3, 1)], "array of float64"),
    ],
)
def test_what_is_no_net_is_refused(net, words):
    with pytest.raises(InputError, match=words):
        automorphisms(net)


def test_a_search_that_does_not_end_says_so():
    with pytest.raises(InputError, match="number of steps allowed"):
        automorphisms([full(1, 64), circulant(64, (0, 1, 3)), full(64, 1)], Effort(2))
