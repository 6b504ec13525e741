"""The fact sheet's table of d*, and the ends of the range."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.theory.bounds import conic, gordon_hit
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


def test_vacuous_bounds_are_nan():
    d = np.array([1, 250, 290, 330, 590])
    upper, lower = conic(d, 600, 310.0)
    assert np.isnan(upper[1:4]).all()
    assert np.isnan(lower[1:4]).all()
    assert upper[0] < 1e-3
    assert lower[-1] > 0.99
    assert np.isnan(gordon_hit(np.array([290]), 20_000, np.sqrt(20_000 - 300))).all()
    assert gordon_hit(np.array([1]), 20_000, 100.0)[0] < 1e-3
