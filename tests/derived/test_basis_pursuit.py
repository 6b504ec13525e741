import numpy as np
import pytest
from scipy.optimize import linprog

from tests.derived.builders import random_chain, random_slice, trained
from weightspace.derived.basis_pursuit import cheapest, span
from weightspace.derived.patterns import distinct, evaluate, kronecker_vectors, local_lipschitz

SETTINGS = {
    # inputs, hidden layers and outputs; points; more points than paths make many relations.
    "few points": (random_chain((4, 6, 1), 0), 10),
    "many points": (random_chain((3, 6, 1), 1, identity_first=True), 60),
    "deep": (random_chain((3, 4, 4, 1), 2), 40),
    "several outputs": (random_chain((3, 5, 2), 3, identity_first=True), 14),
}


def regions(name, scale=1.0):
    """Patterns at points, and of the regions of a slice without a point."""
    chain, count = SETTINGS[name]
    x = np.random.default_rng(7).normal(size=(count, chain[0].inputs)) * scale
    plane = random_slice(chain[0].inputs, 1)
    cells = plane.inputs(np.random.default_rng(8).uniform(-1, 1, (400, 2)))
    found = distinct(evaluate(chain, np.concatenate([x, cells])).patterns)
    held = found.ids[:count].max() + 1
    return chain, found.patterns[:held], found.patterns[held:]


@pytest.mark.parametrize("name", SETTINGS)
def test_costs_are_those_of_the_programme_over_all_paths(name):
    chain, columns, queries = regions(name)
    costs = local_lipschitz(chain, columns)
    made = cheapest(chain, columns, costs, queries)
    vectors = kronecker_vectors(chain, columns).astype(float).T
    wanted = kronecker_vectors(chain, queries).astype(float)
    both = np.concatenate([vectors, -vectors], axis=1)
    for query in range(len(queries)):
        direct = linprog(np.append(costs, costs), A_eq=both, b_eq=wanted[query], method="highs")
        assert made.feasible[query] == (direct.status == 0)
        if direct.status == 0:
            assert made.cost[query] == pytest.approx(direct.fun, rel=1e-7, abs=1e-9)
    assert made.feasible.any()
    assert not made.feasible.all()
    assert made.rank == np.linalg.matrix_rank(vectors)
    assert (np.isnan(made.cost) == ~made.feasible).all()
    assert ((made.atoms == -1) == ~made.feasible).all()
    assert made.atoms.max() <= made.rank


def test_with_relations_among_the_columns_the_cheapest_of_many_is_taken():
    chain, columns, queries = regions("many points")
    rank = cheapest(chain, columns, np.ones(len(columns)), queries).rank
    assert rank < len(columns)
    rng = np.random.default_rng(0)
    costs = rng.uniform(0.1, 1, len(columns))
    made = cheapest(chain, columns, costs, queries)
    vectors = kronecker_vectors(chain, columns).astype(float).T
    wanted = kronecker_vectors(chain, queries).astype(float).T[:, made.feasible]
    least_squares = np.linalg.pinv(vectors) @ wanted
    np.testing.assert_allclose(vectors @ least_squares, wanted, atol=1e-9)
    dearer = costs @ np.abs(least_squares)
    assert (made.cost[made.feasible] <= dearer + 1e-9).all()
    assert (made.cost[made.feasible] < dearer - 1e-3).any()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_region_costs_no_more_than_itself(name):
    chain, columns, _ = regions(name)
    costs = local_lipschitz(chain, columns)
    made = cheapest(chain, columns, costs, columns)
    assert made.feasible.all()
    # Theorem 2 makes λ a lower bound too.
    np.testing.assert_allclose(made.cost, costs, rtol=1e-6, atol=1e-9)


def test_where_a_layer_is_off_nothing_is_combined():
    chain, columns, _ = regions("deep")
    off = np.zeros((2, columns.shape[1]), bool)
    off[1, :4] = True
    made = cheapest(chain, columns, local_lipschitz(chain, columns), off)
    assert made.cost.tolist() == [0.0, 0.0]
    assert made.atoms.tolist() == [0, 0]
    nothing = cheapest(chain, off, np.zeros(2), columns)
    assert nothing.rank == 0
    alive = np.all([columns[:, :4].any(1), columns[:, 4:].any(1)], axis=0)
    assert nothing.feasible.tolist() == (~alive).tolist()


def test_a_span_is_a_basis_and_all_relations():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 4)) @ rng.integers(-2, 3, (4, 7)).astype(float)
    vectors /= np.linalg.norm(vectors, axis=0)
    found = span(vectors.T @ vectors)
    assert len(found.basis) == 4
    assert np.linalg.matrix_rank(vectors[:, found.basis]) == 4
    assert found.relations.shape == (7, 3)
    assert np.linalg.matrix_rank(found.relations) == 3
    np.testing.assert_allclose(vectors @ found.relations, 0, atol=1e-10)


def test_a_trained_network_s_paths_need_not_be_formed():
    chain, plane, _, x = trained(hidden=(12, 12, 12))
    held = distinct(evaluate(chain, x).patterns).patterns
    cells = plane.inputs(np.random.default_rng(1).uniform(-1, 1, (2000, 2)))
    queries = distinct(evaluate(chain, cells).patterns).patterns
    made = cheapest(chain, held, local_lipschitz(chain, held), queries)
    truth = local_lipschitz(chain, queries)
    assert made.feasible.any()
    assert (made.cost >= truth * (1 - 1e-6) - 1e-12)[made.feasible].all()
