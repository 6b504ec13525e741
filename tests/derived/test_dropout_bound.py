"""The terms of Theorem 3, on a network that can be worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from weightspace.derived.dropout_bound import DropoutBound, greedy_cover
from weightspace.errors import InputError
from weightspace.models.zoo import make

X = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
"""After the first layer the points are themselves; after the second (1, 0), (0, 1), (2, 0)."""
LOGITS = np.array([1.5, -1.5, 2.5])
WEIGHTS = {
    "first": {"bias": np.zeros(2, np.float32)},
    "hidden": {"0": {"kernel": np.array([[1, -1], [0, 1]], np.float32), "bias": np.zeros(2, np.float32)}},
    "output": {"kernel": np.array([[1], [-2]], np.float32), "bias": np.array([0.5], np.float32)},
}
MODEL = make("mlp:widths=2", (2,), 1)
PHI = 0.7


def bound(weights=None, x=X, model=MODEL, **changes):
    return DropoutBound(model, weights or WEIGHTS, x, **{"steadiness": PHI, **changes})


def test_every_term_by_hand():
    found = bound(delta=0.1, gamma=0.25).compute()
    mu = expit(-2.5)
    # Of the four units each is active at two of the three points, but the last, at one.
    c = 1.25 / (mu * (1 - mu) / 3)
    radius = np.tanh(0.75) / (c * np.log(4) * PHI)
    expected = {
        "steadiness_bound": PHI,
        "beta": 1,
        "mu": mu,
        "margin": np.tanh(0.75),
        "p_min": 1 / 3,
        "dead_units": 0,
        "units": 4,
        "radius": radius,
        "covering": 3,
        "bound": np.sqrt((4 * np.log(2) * 3 + 2 * np.log(10)) / 3),
        "lipschitz_steady": PHI * c * np.log(4) / 4,
        # At the second point the slope is 2, at the others 1.
        "lipschitz_max_data": 2 * expit(1.5) * expit(-1.5),
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_steady_estimate_is_above_the_local_constants():
    """λ ≤ λ_steady, with φ the largest local constant at the data, as an identity first layer makes it."""
    slopes = np.array([1, 2, 1]) * expit(LOGITS) * expit(-LOGITS)
    found = bound(steadiness=slopes.max()).compute()
    assert found["lipschitz_max_data"] == pytest.approx(slopes.max())
    assert found["lipschitz_steady"] >= found["lipschitz_max_data"]


def test_a_steadier_training_has_a_larger_radius_and_no_larger_bound():
    found = [bound(steadiness=phi).compute() for phi in (1.0, 1e-1, 1e-2, 1e-3, 0.0)]
    radii, bounds = ([each[name] for each in found] for name in ("radius", "bound"))
    assert radii == sorted(radii)
    assert radii[0] * 100 == pytest.approx(radii[2])
    assert radii[-1] == np.inf
    assert bounds == sorted(bounds, reverse=True)
    assert found[-1]["covering"] == 1
    assert found[0]["covering"] == 3


def test_a_full_first_matrix_has_its_singular_value():
    first = {"kernel": np.diag([2.0, 1.0]).astype(np.float32), "bias": np.zeros(2, np.float32)}
    found = bound(WEIGHTS | {"first": first}, model=make("mlp:widths=2,first=linear", (2,), 1)).compute()
    assert found["beta"] == pytest.approx(2)


def test_units_that_are_never_active_are_pruned():
    dead = WEIGHTS["hidden"]["0"] | {"bias": np.array([0, -10], np.float32)}
    found = bound(WEIGHTS | {"hidden": {"0": dead}}).compute()
    assert (found["dead_units"], found["units"]) == (1, 4)
    assert found["p_min"] == pytest.approx(2 / 3)


def test_where_no_unit_is_active_there_is_no_bound():
    gone = WEIGHTS["hidden"]["0"] | {"bias": np.full(2, -10, np.float32)}
    none = bound(WEIGHTS | {"first": {"bias": np.full(2, -10, np.float32)}, "hidden": {"0": gone}}).compute()
    assert none["dead_units"] == 4
    assert all(np.isnan(none[name]) for name in ("p_min", "radius", "covering", "bound"))


@pytest.mark.parametrize(
    ("radius", "expected"),
    [(0.0, 5), (0.5, 5), (1.0, 3), (1.5, 3), (2.0, 2), (3.9, 2), (4.0, 1), (np.inf, 1)],
)
def test_balls_on_a_line(radius, expected):
    """Points 0, 1, 2, 3, 4: the first not covered is always the next centre."""
    assert greedy_cover(np.arange(5.0)[:, None], radius) == expected


def test_equal_points_are_covered_together():
    assert greedy_cover(np.ones((7, 3)), 0.0) == 1


def test_a_greedy_cover_lies_between_the_least_covers_of_the_radius_and_of_half():
    x = np.random.default_rng(0).normal(size=(9, 2))
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1)

    def least(radius):
        for count in range(1, 10):
            for centres in itertools.combinations(range(9), count):
                if (apart[list(centres)].min(axis=0) <= radius).all():
                    return count
        return 9

    found = [(radius, greedy_cover(x, radius)) for radius in (0.3, 0.8, 1.5)]
    for radius, count in found:
        assert least(radius) <= count <= least(radius / 2)
    assert len({count for _, count in found}) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steadiness": None}, r"needs the steadiness.*run.read\(BiasPath\(\), 'phi_max'\)"),
        ({"gamma": -0.1}, "gamma is -0.1"),
        ({"delta": 0.0}, "delta is 0"),
        ({"delta": 1.0}, "delta is 1"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        bound(**changes)


def test_several_outputs_are_refused():
    weights = WEIGHTS | {"output": {"kernel": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)}}
    with pytest.raises(InputError, match="the theorem is of one output, but mlp:widths=2 has 3"):
        bound(weights, model=make("mlp:widths=2", (2,), 3)).compute()
