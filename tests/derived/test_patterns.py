import itertools

import numpy as np
import pytest

from tests.derived.builders import random_chain
from weightspace.derived import patterns as module
from weightspace.derived.chain import AffineLayer, outputs
from weightspace.derived.patterns import (
    by_layer,
    distinct,
    evaluate,
    jacobians,
    kronecker_kernel,
    kronecker_norms,
    kronecker_vectors,
    local_lipschitz,
)
from weightspace.errors import InputError

CHAINS = {
    "one layer": random_chain((3, 7, 1), 0),
    "identity first": random_chain((4, 5, 1), 1, identity_first=True),
    "deep, several outputs": random_chain((3, 4, 5, 3, 4), 2),
    "more outputs than inputs": random_chain((2, 6, 5), 3),
}


def points(chain, count=60, seed=0):
    return np.random.default_rng(seed).normal(size=(count, chain[0].inputs))


@pytest.mark.parametrize("name", CHAINS)
def test_a_pattern_says_which_units_pass_something_on(name):
    chain = CHAINS[name]
    x = points(chain)
    found = evaluate(chain, x)
    np.testing.assert_array_equal(found.outputs, outputs(chain, x))
    h = x
    for layer, on in zip(chain, by_layer(chain, found.patterns), strict=False):
        h = np.maximum(layer(h), 0)
        np.testing.assert_array_equal(on, h > 0)


def test_patterns_that_differ_are_never_one():
    # All patterns of eleven units; as bytes joined without a length, 1 and 11 would be 11 and 1.
    every = np.array(list(itertools.product([False, True], repeat=11)))
    rows = np.random.default_rng(0).integers(0, len(every), 5000)
    found = distinct(every[rows])
    assert len(found.patterns) == len({row.tobytes() for row in every[rows]})
    np.testing.assert_array_equal(found.patterns[found.ids], every[rows])
    np.testing.assert_array_equal(every[rows][found.first], found.patterns)


def test_regions_are_numbered_as_they_occur():
    rows = np.array([[1, 0], [0, 0], [1, 0], [1, 1], [0, 0]], bool)
    assert distinct(rows).ids.tolist() == [0, 1, 0, 2, 1]
    assert distinct(rows).first.tolist() == [0, 1, 3]
    assert distinct(rows[:, :0]).ids.tolist() == [0] * 5
    assert len(distinct(rows[:0]).patterns) == 0


@pytest.mark.parametrize("name", CHAINS)
def test_the_jacobian_is_that_of_the_network(name):
    chain = CHAINS[name]
    x, step = points(chain), 1e-7
    found = jacobians(chain, evaluate(chain, x).patterns)
    for axis in range(chain[0].inputs):
        shift = step * np.eye(chain[0].inputs)[axis]
        slope = (outputs(chain, x + shift) - outputs(chain, x - shift)) / (2 * step)
        np.testing.assert_allclose(found[:, :, axis], slope, atol=1e-6)


@pytest.mark.parametrize("name", CHAINS)
def test_the_local_constant_is_the_spectral_norm(name, monkeypatch):
    chain = CHAINS[name]
    patterns = evaluate(chain, points(chain)).patterns
    expected = np.linalg.norm(jacobians(chain, patterns), 2, axis=(1, 2))
    np.testing.assert_allclose(local_lipschitz(chain, patterns), expected, rtol=1e-12)
    monkeypatch.setattr(module, "_BLOCK", 100)
    np.testing.assert_allclose(local_lipschitz(chain, patterns), expected, rtol=1e-12)
    assert local_lipschitz(chain, patterns[:0]).shape == (0,)


@pytest.mark.parametrize("name", CHAINS)
def test_within_a_subspace_a_network_is_less_steep(name):
    chain = CHAINS[name]
    patterns = evaluate(chain, points(chain)).patterns
    basis = np.linalg.qr(np.random.default_rng(5).normal(size=2 * (chain[0].inputs,)))[0]
    whole, part = local_lipschitz(chain, patterns), local_lipschitz(chain, patterns, basis[:2])
    np.testing.assert_allclose(local_lipschitz(chain, patterns, basis), whole, rtol=1e-12)
    assert (part <= whole * (1 + 1e-12)).all()
    rest = local_lipschitz(chain, patterns, basis[2:]) if len(basis) > 2 else 0
    assert (part**2 + rest**2 >= whole**2 * (1 - 1e-12)).all()


@pytest.mark.parametrize("name", CHAINS)
def test_the_kernel_is_the_inner_product_of_kronecker_vectors(name):
    chain = CHAINS[name]
    a, b = evaluate(chain, points(chain)).patterns, evaluate(chain, points(chain, 20, 1)).patterns
    left, right = (kronecker_vectors(chain, each).astype(float) for each in (a, b))
    assert left.shape[1] == np.prod([layer.units for layer in chain[:-1]])
    np.testing.assert_array_equal(kronecker_kernel(chain, a, b), left @ right.T)
    np.testing.assert_array_equal(kronecker_norms(chain, a), left.sum(axis=1))


@pytest.mark.parametrize("name", CHAINS)
def test_the_jacobian_is_linear_in_the_kronecker_vector(name):
    chain = CHAINS[name]
    matrices = [np.eye(layer.units) if layer.matrix is None else layer.matrix for layer in chain]
    hidden = [range(layer.units) for layer in chain[:-1]]
    paths = []
    for units in itertools.product(*reversed(hidden)):
        up = [matrices[-1][:, units[0]]]
        up += [m[i, j] for m, i, j in zip(matrices[-2:0:-1], units, units[1:], strict=False)]
        paths.append(np.multiply.outer(np.prod(up[1:]) * up[0], matrices[0][units[-1]]))
    patterns = evaluate(chain, points(chain)).patterns
    vectors = kronecker_vectors(chain, patterns).astype(float)
    expected = np.tensordot(vectors, np.array(paths), 1)
    np.testing.assert_allclose(jacobians(chain, patterns), expected, atol=1e-10)


def test_kronecker_vectors_that_fill_the_memory_are_refused():
    chain = random_chain((10, 100, 100, 100, 1), 0)
    patterns = evaluate(chain, points(chain, 200)).patterns
    with pytest.raises(InputError, match="1000000 bits take more than 128 MiB; kronecker_kernel gives"):
        kronecker_vectors(chain, patterns)


def test_a_network_without_hidden_units_is_one_region():
    chain = (AffineLayer(np.array([[3.0, 4.0]]), np.zeros(1)),)
    found = evaluate(chain, points(chain, 5))
    assert len(distinct(found.patterns).patterns) == 1
    np.testing.assert_allclose(local_lipschitz(chain, found.patterns), 5.0)
    np.testing.assert_array_equal(kronecker_kernel(chain, found.patterns, found.patterns), 1)
