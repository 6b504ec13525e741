"""The fact sheet's table of d*, and the ends of the range."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.theory.bounds import BEYOND, WEAK, conic, gordon_hit
from weightspace.theory.well import closed_form, cone, lowest_loss, monte_carlo, self_consistent, well

N = 600
I = np.arange(1, N + 1.0)  # noqa: E741
STEP = np.where(I <= 20, 1.0, 1e-4)
FLAT, TOP = np.full(N, N**-0.5), np.where(I <= 5, 5**-0.5, 0.0)
SHARES = (0.5, 0.1, 0.01)
ROWS = [
    (I**0, FLAT, 0.5, (297, 540, 593), (300, 540, 594), (400, 545.5, 594.1)),
    (1 / I, FLAT, 5.8125e-3, (65, 414, 578), (64.2, 414.5, 579.3), (257.9, 455.0, 580.0)),
    (1 / I, TOP, 0.22833, (10, 65, 288), (10.1, 65.7, 286.7), (21.1, 72.8, 288.5)),
    (I**-2, FLAT, 1.3694e-3, (2, 13, 122), (1.9, 13.7, 123.0), (40.7, 88.4, 240.8)),
    (STEP, FLAT, 1.6715e-2, (12, 19, 28), (10.1, 18.6, 27.8), (23.1, 36.8, 153.5)),
    (STEP, TOP, 0.5, (11, 18, 26), (10.1, 18.5, 25.5), (13.4, 18.8, 25.5)),
]


@pytest.mark.parametrize("row", ROWS)
def test_deterministic_columns_of_the_table(row):
    values, p, loss, _, consistent, paper = row
    at = well(values, p)
    assert at.loss == pytest.approx(loss, rel=1e-4)
    eps = [share * at.loss for share in SHARES]
    assert [self_consistent(at, e) for e in eps] == pytest.approx(consistent, abs=0.06)
    assert [closed_form(at, e) for e in eps] == pytest.approx(paper, abs=0.06)
    assert [lowest_loss(at, self_consistent(at, e)) for e in eps] == pytest.approx(eps, rel=1e-6)


@pytest.mark.parametrize("row", ROWS)
def test_monte_carlo_and_cone_agree_with_the_table(row):
    values, p, _, drawn, _, _ = row
    eps = np.array(SHARES) * well(values, p).loss
    median = np.median(monte_carlo(values, p, eps, draws=8), axis=0)
    for e, found, expected in zip(eps, median, drawn, strict=True):
        room = np.sqrt(2 * min(expected, N - expected)) + 1
        assert abs(found - expected) <= room
        assert abs(cone(values, p, e, draws=40) - expected) <= room


def test_ends_of_the_range():
    at = well([2.0, 2.0, 1.0, 0.0], [1.0, 0.0, 1.0, 5.0])
    for method in (closed_form, self_consistent):
        assert method(at, 0.0) == 3
        assert method(at, at.loss) == 0
    assert self_consistent(at, 1e-12) == pytest.approx(3)
    assert lowest_loss(at, 0) == at.loss
    assert lowest_loss(at, 3) == 0
    assert self_consistent(well(np.zeros(4), np.ones(4)), 0.0) == 0
    with pytest.raises(InputError, match="at least 0, not -1"):
        well([1.0, -1.0], [1.0, 1.0])


def test_methods_by_drawing_agree_at_the_ends_of_the_range():
    """At a level above L₀ nothing is needed, at 0 the rank, without curvature nothing."""
    values, p = np.array([2.0, 2.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 5.0])
    loss = well(values, p).loss
    found = monte_carlo(values, p, [0.0, loss, 2 * loss], draws=5)
    np.testing.assert_array_equal(found, [[3, 0, 0]] * 5)
    assert cone(values, p, 0.0) == 3
    assert cone(values, p, loss) == cone(values, p, 2 * loss) == 0
    none = np.zeros(4), np.ones(4)
    np.testing.assert_array_equal(monte_carlo(*none, [0.0, 1.0], draws=3), 0)
    assert cone(*none, 0.0) == cone(*none, 1.0) == 0
    assert closed_form(well(*none), 0.0) == lowest_loss(well(*none), 2) == 0
    still = values, np.zeros(4)  # the start is the minimum
    np.testing.assert_array_equal(monte_carlo(*still, [0.0, 1.0], draws=3), 0)
    assert cone(*still, 0.0) == closed_form(well(*still), 0.0) == self_consistent(well(*still), 1.0) == 0


@pytest.mark.parametrize("method", [closed_form, self_consistent])
@pytest.mark.parametrize("eps", [-1.0, float("nan")])
def test_a_level_below_the_minimum_is_refused(method, eps):
    for call in (
        lambda: method(well([1.0], [1.0]), eps),
        lambda: cone([1.0], [1.0], eps),
        lambda: monte_carlo([1.0], [1.0], [0.1, eps]),
    ):
        with pytest.raises(InputError, match="at least 0, not"):
            call()


def test_vacuous_bounds_are_nan_and_say_why():
    d = np.array([1, 250, 290, 330, 590])
    upper, lower = conic(d, 600, 310.0)
    assert np.isnan(upper.values[1:4]).all()
    assert np.isnan(lower.values[1:4]).all()
    assert upper.reasons.tolist() == ["", WEAK, BEYOND, BEYOND, BEYOND]
    assert lower.reasons.tolist() == [BEYOND, BEYOND, BEYOND, WEAK, ""]
    assert upper.values[0] == pytest.approx(4 * np.exp(-(289**2) / 4800))
    assert lower.values[-1] == pytest.approx(1 - 4 * np.exp(-(300**2) / 4800))
    far = gordon_hit([290], 20_000, np.sqrt(20_000 - 300))
    assert np.isnan(far.values[0])
    assert far.reasons[0] == WEAK
    assert gordon_hit([1], 20_000, 100.0).values[0] < 1e-3
    assert gordon_hit([20_000], 20_000, 100.0).reasons[0] == BEYOND


def test_sharp_bounds_of_cones_without_width():
    """A cone that is all of space, or nothing: certain on either side, nothing said at the threshold."""
    upper, lower = conic([0, 1, 5], 5, 5.0, sharp=True)
    assert lower.values[1:].tolist() == [1, 1]
    assert lower.reasons.tolist() == [BEYOND, "", ""]
    assert np.isnan(upper.values).all()
    upper, _ = conic([0, 4, 5], 5, 0.0, sharp=True)
    assert upper.values[:2] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conic([601], 600, 300.0), "between 0 and D = 600, not 601"),
        (lambda: conic([3, -1], 600, 300.0), "not -1"),
        (lambda: conic([float("nan")], 600, 300.0), "not nan"),
        (lambda: conic([1], 600, 601.0), "statistical dimension lies between 0 and D = 600, not 601"),
        (lambda: gordon_hit([1], 100, 11.0), "Gaussian width lies between 0 and √D = 10, not 11"),
        (lambda: gordon_hit([1], 100, float("nan")), "not nan"),
        (lambda: gordon_hit([0], 0, 0.0), "D ≥ 1 dimensions, not 0"),
    ],
)
def test_bounds_of_nothing_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
