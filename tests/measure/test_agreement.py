"""Comparisons of many networks, against loops over examples in plain Python."""

import itertools
import math

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.measure.agreement import (
    barriers,
    calibration_error,
    differences,
    ensemble_scores,
    log_probabilities,
    pair_mean,
    scores,
    together,
)

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(scale=2, size=(3, 40, 4)).astype(np.float32)
Y = RNG.integers(0, 4, 40)


def softmax(row):
    row = [math.exp(v - max(row)) for v in row]
    return [v / sum(row) for v in row]


def by_hand(p, y, bins=20):
    sums = [0.0] * bins
    for row, true in zip(p, y, strict=True):
        sure = max(row)
        sums[min(math.floor(bins * sure), bins - 1)] += (row.index(sure) == true) - sure
    n = len(y)
    return {
        "accuracy": sum(row.index(max(row)) == t for row, t in zip(p, y, strict=True)) / n,
        "nll": -sum(math.log(row[t]) for row, t in zip(p, y, strict=True)) / n,
        "brier": sum((v - (c == t)) ** 2 for r, t in zip(p, y, strict=True) for c, v in enumerate(r)) / n,
        "ece": sum(map(abs, sums)) / n,
    }


def test_scores_of_one_network():
    expected = by_hand([softmax(row) for row in OUTPUTS[0].tolist()], Y)
    assert scores(log_probabilities(OUTPUTS[0]), Y) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("way", ["logit_sum", "logit_mean", "probability_mean"])
@pytest.mark.parametrize("members", [(0, 1), (0, 1, 2)])
def test_ensembles(way, members):
    logits = OUTPUTS[list(members)].astype(np.float64)
    if way == "probability_mean":
        p = np.mean([[softmax(row) for row in own.tolist()] for own in logits], 0).tolist()
    else:
        joined = logits.sum(0) if way == "logit_sum" else logits.mean(0)
        p = [softmax(row) for row in joined.tolist()]
    found = scores(together(OUTPUTS[list(members)], way), Y)
    assert found == pytest.approx(by_hand(p, Y), abs=3e-6)


def test_the_matrix_of_pairs_is_symmetric_with_single_networks_on_the_diagonal():
    matrix = ensemble_scores(OUTPUTS, Y)
    for name, values in matrix.items():
        np.testing.assert_array_equal(values, values.T)
        for i, j in itertools.product(range(3), repeat=2):
            log_p = log_probabilities(OUTPUTS[i]) if i == j else together(OUTPUTS[[i, j]])
            assert values[i, j] == pytest.approx(scores(log_p, Y)[name], abs=1e-6)


def test_differences_of_pairs():
    found = differences(OUTPUTS, Y)
    for i, j in itertools.combinations(range(3), 2):
        p, q = ([softmax(row) for row in OUTPUTS[k].tolist()] for k in (i, j))
        variation = sum(abs(a - b) for r, s in zip(p, q, strict=True) for a, b in zip(r, s, strict=True)) / 80
        guesses = [(r.index(max(r)), s.index(max(s))) for r, s in zip(p, q, strict=True)]
        differ = sum(a != b for a, b in guesses) / 40
        one = sum(a != b and t in (a, b) for (a, b), t in zip(guesses, Y, strict=True)) / 40
        assert [found[name][i, j] for name in found] == pytest.approx([variation, differ, one], abs=1e-6)
        assert [found[name][j, i] for name in found] == [found[name][i, j] for name in found]
    assert all(not np.diagonal(matrix).any() for matrix in found.values())
    assert pair_mean(np.array([[9.0, 1, 2], [1, 9, 3], [2, 3, 9]])) == 2
    assert math.isnan(pair_mean(np.ones((1, 1))))


def test_bins_are_chosen_in_the_confidence_s_own_type():
    """Of the edges of twenty bins some are below k/20 in float32: a cast before binning would move them."""
    edges = np.arange(1, 20, dtype=np.float64) / 20
    narrow = edges.astype(np.float32)
    own = np.minimum(np.floor(narrow * np.float32(20)), 19)
    cast = np.minimum(np.floor(narrow.astype(np.float64) * 20), 19)
    assert (own != cast).sum() >= 5
    # Two confidences at an edge, one right and one wrong neighbour a bin below: they cancel only in one bin.
    for edge, bin_ in zip(narrow, own, strict=True):
        inside = np.float32((bin_ + 0.5) / 20)
        sure = np.array([edge, inside], np.float32)
        right = np.array([True, False])
        excess = abs((1 - float(edge)) - float(inside)) / 2
        assert calibration_error(sure, right) == pytest.approx(excess, abs=1e-7)


def test_a_confidence_of_one_lies_in_the_last_bin_and_nan_is_told():
    sure = np.array([1.0, 0.97], np.float32)
    assert calibration_error(sure, np.array([False, True])) == pytest.approx((1 - 0.03) / 2, abs=1e-6)
    assert math.isnan(calibration_error(np.array([np.nan, 0.5], np.float32), np.array([True, True])))
    broken = OUTPUTS.copy()
    broken[1, 0, 0] = np.nan
    found = ensemble_scores(broken, Y)["accuracy"]
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[0, [0, 2]]).all()
    assert np.isnan(differences(broken, Y)["disagreement"][0, 1])


def test_classes_that_nobody_believes_in():
    outputs = np.array([[[0.0, -500.0]], [[0.0, -800.0]]], np.float32)
    found = together(outputs, "probability_mean")
    assert found[0, 0] == pytest.approx(0, abs=1e-6)
    assert found[0, 1] == pytest.approx(-500 - math.log(2), rel=1e-6)


def test_barriers_by_their_three_definitions():
    found = barriers(np.array([0.1, 0.5, 0.4, 0.3]), (0.0, 0.25, 0.5, 1.0))
    assert found == pytest.approx({"barrier_ends": 0.3, "barrier_chord": 0.35, "barrier_worse": 0.2})


def test_ways_are_refused_by_name():
    with pytest.raises(InputError, match="did you mean 'logit_sum'"):
        together(OUTPUTS, "logits_sum")
