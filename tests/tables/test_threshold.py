import numpy as np
import pytest

from weightspace.tables.threshold import crossings, success, threshold

DIMS = np.asarray([2.0, 8.0, 32.0, 128.0])


def test_crossings_are_interpolated_in_log_d():
    values = np.asarray([[0.1, 0.4, 0.8, 0.9]])
    (found,) = crossings(DIMS, values, 0.6, rising=True)
    assert found == pytest.approx(16.0)
    (found,) = crossings(DIMS, -values, -0.6, rising=False)
    assert found == pytest.approx(16.0)


def test_a_dip_is_smoothed_not_taken_for_a_threshold():
    values = np.asarray([[0.1, 0.7, 0.5, 0.9]])
    (found,) = crossings(DIMS, values, 0.65, rising=True)
    assert 32.0 < found < 128.0


def test_levels_never_reached_and_reached_at_once():
    values = np.asarray([[0.1, 0.2, 0.3, 0.4], [0.9, 0.9, 0.9, 0.9]])
    np.testing.assert_array_equal(crossings(DIMS, values, 0.8, rising=True), [np.inf, 2.0])


def test_d_star_is_the_smallest_d_that_enough_seeds_reach():
    values = np.stack([np.interp(np.log(DIMS), np.log([c / 4, c * 4]), [0.2, 1.0]) for c in (8, 16, 32, 64)])
    each = np.sort(crossings(DIMS, values, 0.6, rising=True))
    assert threshold(DIMS, values, 0.6, rising=True, failure=0.5).d_star == pytest.approx(each[1])
    assert threshold(DIMS, values, 0.6, rising=True, failure=0.1).d_star == pytest.approx(each[3])
    found = threshold(DIMS, values, 0.6, rising=True, failure=0.5)
    assert each[0] <= found.low <= found.d_star <= found.high <= each[3]
    assert found.n == 4


def test_censoring_is_said():
    low, high = np.full((3, 4), 0.9), np.full((3, 4), 0.1)
    assert threshold(DIMS, low, 0.5, rising=True, failure=0.1).censored == "below"
    above = threshold(DIMS, high, 0.5, rising=True, failure=0.1)
    assert above.censored == "above"
    assert above.d_star == np.inf


def test_success_is_the_share_of_seeds():
    values = np.asarray([[0.1, 0.6], [0.5, np.nan], [0.9, 0.9]])
    np.testing.assert_allclose(success(values, 0.5, rising=True), [2 / 3, 2 / 3])
    np.testing.assert_allclose(success(values, 0.5, rising=False), [2 / 3, 0])
