"""Criteria that look at a whole layer, or at its neurons, beside a dense computation in NumPy."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.masks.builders import KERNELS, LAYOUT, random_mask, trained, weights
from weightspace import tree
from weightspace.masks.criteria import make_criterion
from weightspace.masks.criterion import Trained
from weightspace.masks.prune import prune
from weightspace.masks.score import score
from weightspace.models.layout import Leaf
from weightspace.streams import Seeds, Stream, key

KEY = key(Seeds(3), Stream.MASK)
BEFORE = weights()
AFTER = trained(BEFORE)
LEAF = LAYOUT["dense/kernel"]


def lamp(after, there):
    """Lee et al.: of each weight the square over the squares of those not before it in rising order."""
    flat, kept = after.astype(np.float64).reshape(-1), there.reshape(-1)
    found = np.zeros(flat.size)
    for place in np.flatnonzero(kept):
        not_smaller = kept & (np.abs(flat) >= abs(flat[place]))
        found[place] = flat[place] ** 2 / np.sum(flat[not_smaller] ** 2)
    return found.reshape(after.shape)


def scores(name, after, there, leaf=LEAF, before=None, salt=KEY):
    values = {"before": after if before is None else before, "after": after, "mask": there}
    return score(make_criterion(name), values, leaf, salt)


def counts(mask):
    flat = tree.flat_dict(mask)
    return {path: int(flat[path].sum()) for path in KERNELS}


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_lamp_is_its_definition(share):
    after = tree.flat_dict(AFTER)[LEAF.path]
    there = np.random.default_rng(0).random(after.shape) < share
    found = scores("lamp", after, there)
    np.testing.assert_allclose(found[there], lamp(after, there)[there], rtol=2e-6)
    assert found[there].max() == 1
    order = np.argsort(np.abs(after[there]))
    assert np.all(np.diff(found[there][order]) >= 0)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e15])
def test_the_scale_of_a_layer_changes_no_lamp_score(scale):
    """Squares of such weights are 0 or infinite in single precision."""
    after = tree.flat_dict(AFTER)[LEAF.path]
    there = np.ones(after.shape, bool)
    found = scores("lamp", after * np.float32(scale), there)
    np.testing.assert_allclose(found, scores("lamp", after, there), rtol=1e-4)


def test_equal_weights_stand_in_an_order_by_chance():
    """n of them score 1, 1/2, … 1/n: so that one is left in each layer whatever goes."""
    after, there = np.full(LEAF.shape, -0.3, np.float32), np.ones(LEAF.shape, bool)
    one, other = (scores("lamp", after, there, salt=k) for k in (KEY, key(Seeds(4), Stream.MASK)))
    expected = 1 / np.arange(1, after.size + 1)
    for found in (one, other):
        np.testing.assert_allclose(np.sort(found, axis=None)[::-1], expected, rtol=1e-5)
    assert not np.array_equal(one, other)
    assert not scores("lamp", np.zeros(LEAF.shape, np.float32), there).any()


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
def test_over_all_layers_lamp_takes_of_each_what_it_can_spare(factor):
    """The mask of the dense reference, whatever the scale of a layer; large_final would empty or spare it."""
    after = jax.tree.map(np.copy, AFTER)
    after["conv"]["kernel"] *= np.float32(factor)
    mask = prune(BEFORE, after, None, None, LAYOUT, "lamp", key=KEY, scope="global", rates=0.9)
    flat = tree.flat_dict(AFTER)
    dense = {path: lamp(flat[path], np.ones(flat[path].shape, bool)) for path in KERNELS}
    level = np.sort(np.concatenate([s.reshape(-1) for s in dense.values()]))[-68]
    assert counts(mask) == {path: int(np.sum(s >= level)) for path, s in dense.items()}
    assert sum(counts(mask).values()) == 68
    assert min(counts(mask).values()) >= 1


def test_within_a_layer_lamp_keeps_the_largest():
    plain, own = (prune(BEFORE, AFTER, None, None, LAYOUT, n, key=KEY) for n in ("large_final", "lamp"))
    assert tree.equal(plain, own)


def by_neuron(after, there, axis):
    """Minus the place of |w_f| among the kept of its neuron, by a loop over neurons."""
    size, kept = np.moveaxis(np.abs(after), axis, 0), np.moveaxis(there, axis, 0)
    found = np.full(size.shape, -np.inf)
    for unit in range(len(size)):
        for place in zip(*np.nonzero(kept[unit]), strict=True):
            found[(unit, *place)] = -np.sum(kept[unit] & (size[unit] > size[unit][place]))
    return np.moveaxis(found, 0, axis)


@pytest.mark.parametrize("path", KERNELS)
def test_ranks_within_neurons_are_those_of_a_loop(path):
    leaf, after, there = LAYOUT[path], tree.flat_dict(AFTER)[path], tree.flat_dict(random_mask(0.7))[path]
    found = scores("large_final:per=neuron", after, there, leaf)
    np.testing.assert_array_equal(found[there], by_neuron(after, there, leaf.out_axis)[there])


@pytest.mark.parametrize("axis", [0, 1])
def test_neurons_are_where_the_layout_says(axis):
    """PyTorch's order of axes, and ours."""
    after = np.random.default_rng(1).standard_normal((6, 9)).astype(np.float32)
    leaf = dataclasses.replace(LEAF, shape=(6, 9), fan_axes=(1 - axis,), out_axis=axis)
    found = scores("large_final:per=neuron", after, np.ones((6, 9), bool), leaf)
    for line in np.moveaxis(found, axis, 0):
        assert sorted(line) == sorted(-np.arange(line.size))


@pytest.mark.parametrize("name", ["large_final:per=neuron", "random:per=neuron", "small_init:per=neuron"])
def test_each_neuron_keeps_as_many_weights_as_the_others(name):
    """To one, round after round; by layers they do not."""
    mask = None
    for number in range(1, 5):
        last = mask
        mask = prune(BEFORE, AFTER, None, mask, LAYOUT, name, key=key(Seeds(3), Stream.MASK, number))
        for path in KERNELS:
            kept = np.moveaxis(tree.flat_dict(mask)[path], LAYOUT[path].out_axis, 0)
            each = kept.reshape(len(kept), -1).sum(axis=1)
            assert each.max() - each.min() <= 1
        if last is not None:
            jax.tree.map(lambda new, old: np.testing.assert_array_equal(new & ~old, False), mask, last)
    plain = prune(BEFORE, AFTER, None, None, LAYOUT, "large_final", key=KEY, power=4)
    each = tree.flat_dict(plain)["dense/kernel"].sum(axis=0)
    assert each.max() - each.min() > 1


def test_places_of_equal_weights_are_by_chance_and_fair():
    """Of four equal weights of a neuron the first comes first by one key in four: sd .022 at 400 keys."""
    leaf = Leaf("k", (4, 2), "kernel", "", 0, (0,), 1)
    flat, there = np.ones((4, 2), np.float32), np.ones((4, 2), bool)
    by = make_criterion("random:per=neuron")
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), 400)
    w = Trained(*(jax.numpy.asarray(a) for a in (flat, flat, flat, there)))
    first = np.mean(np.asarray(jax.vmap(lambda k: by.scores(w, leaf, k))(keys)) == 0, axis=0)
    np.testing.assert_allclose(first, 0.25, atol=0.1)
    np.testing.assert_allclose(first.sum(axis=0), 1)
