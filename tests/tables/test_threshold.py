import numpy as np
import pytest

from weightspace.tables.threshold import crossings, monotone, resampled_quantiles, success, threshold

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


def product_limit(times, happened, failure):
    """Kaplan and Meier as in a textbook: at each time one less the share lost of those still there."""
    left = 1.0
    for time in sorted({t for t, h in zip(times, happened, strict=True) if h}):
        there = sum(t >= time for t in times)
        lost = sum(t == time and h for t, h in zip(times, happened, strict=True))
        left *= 1 - lost / there
        if left <= failure + 1e-9:
            return time
    return np.inf


def test_of_a_seed_no_more_is_known_than_up_to_its_own_largest_dimension():
    """Where seeds were asked different d, one that was not asked further has not failed further."""
    rng = np.random.default_rng(0)
    dims = np.arange(1.0, 13.0)
    for failure in (0.1, 0.3, 0.5):
        own = rng.integers(2, 13, size=40).astype(float)
        last = rng.integers(3, 13, size=40)
        asked = dims[None, :] <= last[:, None]
        values = np.where(dims[None, :] >= own[:, None], 1.0, 0.0)
        # A crossing of 0.5 lies between two whole numbers, half way in log d.
        there = np.sqrt(own * (own - 1))
        reached = own <= last
        expected = product_limit(np.where(reached, there, last), reached, failure)
        known = np.where(asked, values, values[np.arange(40), last - 1][:, None])
        found = threshold(dims, known, 0.5, rising=True, failure=failure, asked=asked)
        assert found.d_star == pytest.approx(expected)


def test_seeds_that_were_asked_alike_have_the_plain_share():
    rng = np.random.default_rng(1)
    values = np.sort(rng.random((17, 4)), axis=1)
    each = np.sort(crossings(DIMS, values, 0.6, rising=True))
    for failure in (0.05, 0.1, 0.25, 0.5, 0.8):
        place = int(np.ceil((1 - failure) * 17 - 1e-9)) - 1
        assert threshold(DIMS, values, 0.6, rising=True, failure=failure).d_star == pytest.approx(each[place])


def test_what_a_seed_reaches_at_its_first_dimension_lies_below_it():
    nothing = [np.nan, np.nan, 0.9, 0.9]
    values = np.array([[0.1, 0.2, 0.9, 0.9], nothing, nothing])
    asked = np.isfinite(values)
    found = threshold(DIMS, values, 0.5, rising=True, failure=0.1, asked=asked)
    assert (found.d_star, found.censored) == (32.0, "below")
    assert threshold(DIMS, np.nan_to_num(values), 0.5, rising=True, failure=0.1).censored == ""


def test_a_seed_s_own_threshold_does_not_depend_on_what_others_were_asked():
    dims = np.array([4.0, 8.0, 16.0, 32.0, 64.0])
    own = np.array([0.2, 0.95, 0.88])
    (alone,) = crossings(dims[:3], own[None], 0.9, rising=True)
    values = np.array([[0.2, 0.95, 0.88, np.nan, np.nan], [np.nan, np.nan, np.nan, 0.1, 0.2]])
    both = crossings(dims, values, 0.9, rising=True, asked=np.isfinite(values))
    assert np.isfinite(alone)
    np.testing.assert_array_equal(both, [alone, np.inf])
    gap = np.array([[0.2, np.nan, 0.95, np.nan, np.nan]])
    (over,) = crossings(dims, gap, 0.5, rising=True, asked=np.isfinite(gap))
    assert over == pytest.approx(np.exp(np.log(4) + 0.4 * (np.log(16) - np.log(4))))


def redrawn(each, reached, failure, resamples):
    """The quantiles of resamples that are drawn and sorted one by one, as the module's first lines say."""
    found = []
    for drawn in np.random.default_rng(0).integers(len(each), size=(resamples, len(each))):
        order = sorted(drawn, key=lambda seed: (each[seed], not reached[seed]))
        left, value = 1.0, np.inf
        for place, seed in enumerate(order):
            if reached[seed]:
                left *= 1 - 1 / (len(order) - place)
                if left <= failure + 1e-9:
                    value = each[seed]
                    break
        found.append(value)
    return np.asarray(found)


@pytest.mark.parametrize("seeds", [1, 2, 7, 60])
@pytest.mark.parametrize("failure", [0.1, 0.5])
@pytest.mark.parametrize("lost", [0.0, 0.3, 1.0])
def test_counting_what_was_drawn_is_drawing(seeds, failure, lost):
    draw = np.random.default_rng(seeds)
    each = np.round(draw.uniform(1, 20, seeds))  # with ties
    somewhere, at_the_end = draw.uniform(size=seeds) >= lost, each < 20 * (1 - lost)
    for reached in (somewhere, at_the_end, np.ones(seeds, bool)):
        found = resampled_quantiles(each, reached, failure, 50)
        np.testing.assert_array_equal(found, redrawn(each, reached, failure, 50))


def test_one_fit_serves_all_levels():
    draw = np.random.default_rng(1)
    values = np.clip(0.3 * np.log10(DIMS) + 0.2 * draw.normal(size=(20, 4)), 0, 1)
    asked = draw.random(values.shape) < 0.7
    asked[:, 0] = True
    fitted = monotone(DIMS, values, rising=True, asked=asked)
    for level in (0.0, 0.2, 0.4, 0.6, 2.0):
        each = fitted.crossings(level)
        for seed, mine in enumerate(asked):
            (alone,) = crossings(DIMS[mine], values[seed : seed + 1, mine], level, rising=True)
            assert each[seed] == alone
