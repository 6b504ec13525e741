import numpy as np
import pytest
from scipy.special import expit

from tests.derived.builders import random_chain, random_slice, trained, weights_of
from weightspace.derived.chain import outputs
from weightspace.derived.empty_regions import EmptyRegions
from weightspace.derived.patterns import evaluate, local_lipschitz
from weightspace.derived.slices import centres
from weightspace.errors import InputError
from weightspace.models.zoo import make

GRID = 60


def network(name):
    """Chain, axes of the slice, and training points, in the single precision that the weights have."""
    if name == "trained":
        chain, plane, _, x = trained()
        return chain, plane.axes, x
    sizes = {"random": (5, 8, 1), "deep": (3, 4, 4, 1), "several outputs": (4, 6, 3)}[name]
    chain = random_chain(sizes, 1, identity_first=True)
    plane = random_slice(sizes[0], 2)
    z = np.random.default_rng(3).uniform(-1, 1, (60, 2))
    return chain, plane.axes, plane.inputs(z)


def node(name, **changes):
    chain, axes, x = network(name)
    widths = ",".join(str(layer.units) for layer in chain[1:-1])
    model = make(f"mlp:widths={widths}", (chain[0].inputs,), chain[-1].units)
    return EmptyRegions(model, weights_of(chain), x, axes, grid=GRID, **changes)


@pytest.mark.parametrize("name", ["trained", "random", "deep", "several outputs"])
def test_the_bound_is_never_below_the_truth(name):
    made = node(name).compute()
    bounded = made["region_atoms"] >= 0
    truth = made["region_lipschitz"][bounded]
    assert (made["region_bound"][bounded] >= truth * (1 - 1e-6) - 1e-9).all()
    assert np.isnan(made["region_bound"][~bounded]).all()
    assert made["feasible_regions"] == bounded[made["training_regions"] :].sum() > 0
    assert made["tightness_min"] >= 1 - 1e-6
    assert made["atoms_max"] > 1


@pytest.mark.parametrize("name", ["trained", "several outputs"])
def test_maps_show_the_regions_numbers(name):
    job = node(name)
    made, chain = job.compute(), job.chain()
    empty = made["ids"] >= made["training_regions"]
    np.testing.assert_array_equal(made["bound"], made["region_bound"][made["ids"]])
    np.testing.assert_array_equal(made["atoms"], made["region_atoms"][made["ids"]])
    # Where there is data the bound is the truth.
    np.testing.assert_allclose(made["bound"][~empty], made["lipschitz"][~empty])
    assert (made["atoms"][~empty] == 1).all()
    on = evaluate(chain, job.needed_plane().inputs(centres(GRID))).patterns
    np.testing.assert_allclose(made["lipschitz"].ravel(), local_lipschitz(chain, on))
    assert made["empty_area"] == pytest.approx(empty.mean())
    assert made["feasible_area"] == pytest.approx((empty & (made["atoms"] >= 0)).mean())
    assert made["feasible_share"] == made["feasible_regions"] / made["empty_regions"]
    assert made["lipschitz_max_empty"] == pytest.approx(made["lipschitz"][empty].max())


def test_with_a_sigmoid_the_bound_holds_for_the_probability():
    job = node("random", sigmoid=True)
    made, chain = job.compute(), job.chain()
    cells = job.needed_plane().inputs(centres(GRID))
    logits = outputs(chain, cells)[:, 0]
    slopes = expit(logits) * expit(-logits) * local_lipschitz(chain, evaluate(chain, cells).patterns)
    bounded = made["atoms"].ravel() >= 0
    assert (made["bound"].ravel()[bounded] >= slopes[bounded] * (1 - 1e-6)).all()
    # The truth of a region is its steepest cell.
    assert (made["lipschitz"].ravel() >= slopes * (1 - 1e-9)).all()
    steepest = np.full(made["ids"].max() + 1, -np.inf)
    np.maximum.at(steepest, made["ids"].ravel(), slopes)
    met = np.isfinite(steepest)
    np.testing.assert_allclose(made["region_lipschitz"][: len(steepest)][met], steepest[met])
    # ξ alone: at a single point of probability p it is 1/4 / (p (1 - p)), and undoes the cost's p (1 - p).
    lone = EmptyRegions(job.model, job.weights, cells[:1], job.frame, grid=2, sigmoid=True).compute()
    assert lone["region_bound"][0] == pytest.approx(
        0.25 * local_lipschitz(chain, evaluate(chain, cells[:1]).patterns)[0]
    )


def test_gamma_and_costs_scale_the_bound():
    plain = node("random").compute()
    slack = node("random", gamma=0.5).compute()
    np.testing.assert_allclose(slack["region_bound"], 1.5 * plain["region_bound"], rtol=1e-9)
    chain, _, x = network("random")
    constants = local_lipschitz(chain, evaluate(chain, x.astype(np.float64)).patterns)
    # Costs may differ between points of a region: the least counts.
    costs = 2 * constants
    costs[::2] *= 1 + np.random.default_rng(0).uniform(0, 1, len(costs[::2]))
    dear = node("random", costs=costs).compute()
    known = dear["region_atoms"] >= 0
    assert (dear["region_bound"] >= 2 * plain["region_bound"] * (1 - 1e-6))[known].all()
    assert dear["feasible_regions"] == plain["feasible_regions"]
    same = node("random", costs=constants).compute()
    np.testing.assert_allclose(same["region_bound"], plain["region_bound"], rtol=1e-5)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="grid is 1"):
        EmptyRegions(None, None, np.ones((2, 2)), grid=1)
    with pytest.raises(InputError, match="gamma is -1"):
        node("random", gamma=-1.0)
    with pytest.raises(InputError, match="costs are 60 numbers, one a training point"):
        node("random", costs=np.ones(3)).compute()
    with pytest.raises(InputError, match="none below zero"):
        node("random", costs=-np.ones(60)).compute()
    with pytest.raises(InputError, match=r"a sigmoid takes one output, but mlp:widths=6 has 3"):
        node("several outputs", sigmoid=True).compute()


def test_without_empty_regions_there_is_nothing_to_bound():
    _, axes, _ = network("random")
    job = node("random")
    everywhere = job.needed_plane().inputs(centres(GRID))
    made = EmptyRegions(job.model, job.weights, everywhere, axes, grid=GRID).compute()
    assert made["empty_regions"] == made["feasible_regions"] == made["empty_area"] == 0
    assert all(np.isnan(made[name]) for name in ("feasible_share", "tightness_median", "atoms_median"))
