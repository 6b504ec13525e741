"""Dead units: in both directions at once, taps kept, never a new one."""

import itertools

import numpy as np
import pytest

from tests.symmetry.builders import random_net, rows
from weightspace.masks.propagate import alive, connected, propagated, restricted


def by_steps(net):
    """One step after the other, until nothing changes: what a dead unit takes and gives goes."""
    net = [layer.copy() for layer in net]
    while True:
        before = sum(layer.sum() for layer in net)
        for one, after in itertools.pairwise(net):
            after[~one.any(axis=(0, 2))] = False
            one[:, ~after.any(axis=(1, 2))] = False
        if sum(layer.sum() for layer in net) == before:
            return net


@pytest.mark.parametrize("seed", range(40))
def test_the_fixpoint_is_that_of_single_steps(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, size=rng.integers(2, 6))
    net = random_net(rng, sizes, rng.choice([0.1, 0.3, 0.5]), rng.choice([1, 4]))
    found, expected = propagated(net), by_steps(net)
    for ours, theirs, given in zip(found, expected, net, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not (ours & ~given).any()
    for ours, again in zip(found, propagated(found), strict=True):
        np.testing.assert_array_equal(ours, again)
    for units, layer, after in zip(alive(net), found, found[1:], strict=False):
        np.testing.assert_array_equal(units, layer.any(axis=(0, 2)))
        np.testing.assert_array_equal(units, after.any(axis=(1, 2)))
    assert sum(layer.sum() for layer in restricted(net)) == sum(layer.sum() for layer in found)


def test_backward_and_forward_in_a_chain():
    """Unit 1 of the last hidden layer gives nothing: what leads to it alone is cut, back to the first."""
    net = [rows("11"), rows("10", "01"), rows("10", "01"), rows("1", "0")]
    for layer in propagated(net):
        assert layer.sum() == 1
    net = [rows("10"), rows("10", "01"), rows("10", "01"), rows("1", "1")]
    for layer in propagated(net):
        assert layer.sum() == 1


def test_taps_are_kept():
    rng = np.random.default_rng(0)
    net = random_net(rng, (3, 8, 8, 2), 0.1, 9, dense=(0, 2))
    assert net[1].any(axis=(0, 2)).all()
    assert net[1].any(axis=(1, 2)).all()
    np.testing.assert_array_equal(propagated(net)[1], net[1])


def test_a_network_that_is_dead():
    net = [np.ones((2, 3, 1), bool), np.zeros((3, 3, 1), bool), np.ones((3, 1, 1), bool)]
    assert not connected(net)
    assert not any(units.any() for units in alive(net))
    assert not any(layer.any() for layer in propagated(net))
    assert [layer.shape for layer in restricted(net)] == [(2, 0, 1), (0, 0, 1), (0, 1, 1)]
    assert connected([rows("1")])
    assert not connected([rows("0")])
