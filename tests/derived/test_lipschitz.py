import dataclasses

import numpy as np
import pytest

from tests.derived.builders import random_chain, random_slice, trained, weights_of
from weightspace.derived.chain import AffineLayer, outputs
from weightspace.derived.lipschitz import (
    LipschitzBounds,
    absolute_product,
    at_points,
    bounds,
    climb,
    extreme_singular_values,
    spectral_product,
)
from weightspace.derived.patterns import evaluate, jacobians, local_lipschitz
from weightspace.errors import InputError
from weightspace.models.zoo import make

CHAINS = {
    "one layer": random_chain((4, 9, 1), 0),
    "identity first": random_chain((5, 7, 7, 1), 1, identity_first=True),
    "several outputs": random_chain((3, 8, 6, 4), 2),
    "trained": trained()[0],
}


def points(chain, count=50):
    return np.random.default_rng(0).normal(size=(count, chain[0].inputs))


@pytest.mark.parametrize("name", CHAINS)
def test_the_table_is_a_chain_of_inequalities(name):
    chain = CHAINS[name]
    table = bounds(chain, points(chain), random_slice(chain[0].inputs), grid=20, rounds=15)
    order = ["lipschitz_mean_data", "lipschitz_max_data", "lipschitz_found", "lipschitz_upper"]
    values = [table[column] for column in order]
    assert values == sorted(values)
    assert table["lipschitz_max_slice"] <= table["lipschitz_found"]
    assert table["lipschitz_upper"] == min(table["spectral_product"], table["absolute_product"])
    assert table["looseness"] >= 1
    # What is met anywhere is no more than the upper bounds.
    far = at_points(chain, 100 * points(chain, 2000))
    assert far.max() <= table["lipschitz_upper"] * (1 + 1e-12)


@pytest.mark.parametrize("name", CHAINS)
def test_a_point_s_constant_bounds_differences_nearby(name):
    chain = CHAINS[name]
    x = points(chain)
    step = 1e-7 * points(chain, 50)[::-1]
    rise = np.linalg.norm(outputs(chain, x + step) - outputs(chain, x), axis=1)
    assert (rise <= at_points(chain, x) * np.linalg.norm(step, axis=1) + 1e-13).all()


def test_bounds_are_reached_where_they_can_be():
    linear = (AffineLayer(np.array([[3.0, 0.0], [0.0, 1.0]]), np.zeros(2)),)
    table = bounds(linear, points(linear), rounds=1)
    assert table["lipschitz_mean_data"] == table["spectral_product"] == pytest.approx(3)
    rng = np.random.default_rng(1)
    # Weights that are not negative and biases that switch all units on: the sum over all paths.
    positive = tuple(
        AffineLayer(np.abs(layer.matrix), np.full(layer.units, 100.0))
        for layer in random_chain((3, 6, 6, 2), 1)
    )
    table = bounds(positive, rng.uniform(0, 1, (5, 3)), rounds=1)
    assert table["lipschitz_mean_data"] == pytest.approx(table["absolute_product"])
    assert table["absolute_product"] < table["spectral_product"]
    # One unit a layer: the spectral product.
    thread = (AffineLayer(np.array([[-2.0]]), np.ones(1)), AffineLayer(np.array([[3.0]]), np.zeros(1)))
    assert spectral_product(thread) == absolute_product(thread) == at_points(thread, -np.ones((1, 1)))[0] == 6


def test_the_search_climbs_and_depends_on_its_seed_alone():
    chain = CHAINS["trained"]
    x = points(chain, 20)
    start = at_points(chain, x).max()
    found = [climb(chain, x, rounds=rounds) for rounds in (0, 5, 40)]
    assert found[0] == start
    assert found == sorted(found)
    assert found[2] > start
    assert climb(chain, x, rounds=5) == found[1]
    assert len({climb(chain, x, rounds=2, seed=seed) for seed in range(5)}) > 1
    assert climb(chain, x[:1], rounds=5) >= at_points(chain, x[:1])[0]


@pytest.mark.parametrize("inputs", [3, 5])
def test_the_first_layer_s_bias_tells_the_local_constant_up_to_its_singular_values(inputs):
    """Lemma 1: λ / σ₁ ≤ ‖∂f/∂b₁‖ ≤ λ / σ_n where the first layer is no wider than the inputs."""
    chain = random_chain((inputs, 3, 6, 1), 4)
    largest, least = extreme_singular_values(chain[0])
    assert 0 < least < largest
    x = points(chain, 200)
    step = 1e-7
    slopes = []
    for unit in range(3):
        moved = dataclasses.replace(chain[0], bias=chain[0].bias + step * np.eye(3)[unit])
        slopes.append((outputs((moved, *chain[1:]), x) - outputs(chain, x)) / step)
    by_bias = np.linalg.norm(np.concatenate(slopes, axis=1), axis=1)
    steepness = at_points(chain, x)
    assert (steepness <= by_bias * largest + 1e-5).all()
    assert (by_bias * least <= steepness + 1e-5).all()


def test_a_wide_first_layer_and_an_identity():
    wide = AffineLayer(np.array([[1.0], [1.0]]), np.zeros(2))
    assert extreme_singular_values(wide) == (pytest.approx(np.sqrt(2)), 0.0)
    # The text's counterexample: the units' effects cancel, but each bias has its own.
    chain = (wide, AffineLayer(np.array([[1.0, -1.0]]), np.zeros(1)))
    on = evaluate(chain, np.ones((1, 1))).patterns
    assert local_lipschitz(chain, on)[0] == 0
    assert np.linalg.norm(jacobians(chain[1:], on[:, :0])) > 0
    assert extreme_singular_values(AffineLayer(None, np.zeros(4))) == (1.0, 1.0)


def node(**changes):
    chain, plane, _, x = trained()
    model = make("mlp:widths=12", (6,), 1)
    return LipschitzBounds(model, weights_of(chain), x, rounds=3, **changes), chain, plane, x


def test_the_node_gives_the_table():
    job, chain, plane, x = node()
    made = job.compute()
    assert "lipschitz_max_slice" not in made
    assert made["lipschitz_max_data"] == pytest.approx(at_points(chain, x).max())
    assert made["first_sigma_min"] == made["first_sigma_max"] == 1
    with_slice = node(frame=plane.axes, grid=30)[0].compute()
    assert with_slice["lipschitz_max_slice"] > 0
    assert all(isinstance(value, float) for value in with_slice.values())


@pytest.mark.parametrize("changes", [{"grid": 1}, {"rounds": -1}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(changes):
    (name,) = changes
    with pytest.raises(InputError, match=name):
        LipschitzBounds(None, None, np.ones((2, 2)), **changes)
