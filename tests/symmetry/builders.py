"""Nets of a few units, and their symmetry by trying all relabellings."""

import itertools

import numpy as np

from weightspace.symmetry.automorphisms import relabelled
from weightspace.symmetry.graph import widths


def rows(*text):
    """A layer from its rows, as `110 011`: rows are inputs, columns units."""
    return np.array([[digit == "1" for digit in row] for row in text])[:, :, None]


def full(inputs, units):
    return np.ones((inputs, units, 1), bool)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def brute_force(net):
    """How many of all relabellings leave a net as it is."""
    each = (list(map(np.array, itertools.permutations(range(width)))) for width in widths(net))
    return sum(same(relabelled(net, g), net) for g in itertools.product(*each))


def random_net(rng, sizes, density, taps=1, *, dense=()):
    net = [rng.random((a, b, taps)) < density for a, b in itertools.pairwise(sizes)]
    for layer in dense:
        net[layer][:] = True
    return net


def small_net(rng):
    """One to three hidden layers; inputs, outputs and taps as chance has it."""
    depth = rng.integers(1, 4)
    sizes = [rng.integers(1, 4), *rng.integers(1, 5 if depth < 3 else 4, size=depth), rng.integers(1, 3)]
    dense = [layer for layer in (0, depth) if rng.random() < 0.6]
    return random_net(rng, sizes, rng.choice([0.2, 0.4, 0.6, 0.8]), rng.choice([1, 1, 2]), dense=dense)


def fan_in(rng, inputs, units, count):
    layer = np.zeros((inputs, units, 1), bool)
    for unit in range(units):
        layer[rng.choice(inputs, count, replace=False), unit] = True
    return layer


def shuffled(rng, inputs, units, sparsity):
    """A layer with ⌈s · size⌉ zeros."""
    flat = np.arange(inputs * units) >= np.ceil(sparsity * inputs * units - 1e-9)
    return rng.permutation(flat).reshape(inputs, units, 1)


def circulant(units, offsets):
    layer = np.zeros((units, units, 1), bool)
    for offset in offsets:
        layer[(np.arange(units) + offset) % units, np.arange(units)] = True
    return layer


def relabelling(rng, net):
    return [rng.permutation(width) for width in widths(net)]
