"""Each criterion against its definition, and what all of them share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.masks.criteria import ALL, MAIN, make_criterion, names
from weightspace.masks.criterion import Trained
from weightspace.masks.prune import keep
from weightspace.masks.score import score
from weightspace.models.layout import Leaf
from weightspace.streams import Seeds, Stream, key, named

BEFORE = np.array([1, -2, 0, 3, -1, 2, 0], np.float32)
AFTER = np.array([2, 1, 1, -4, -1, 1, 0], np.float32)
SLOPE = np.array([3, -1, 5, 0, 2, -0.5, 1], np.float32)
KEPT = np.ones(7, bool)
KEY = key(Seeds(0), Stream.MASK)
BY_HAND = {
    "large_final": [2, 1, 1, 4, 1, 1, 0],
    "small_final": [-2, -1, -1, -4, -1, -1, 0],
    "large_init": [1, 2, 0, 3, 1, 2, 0],
    "small_init": [-1, -2, 0, -3, -1, -2, 0],
    "magnitude_increase": [1, -1, 1, 1, 0, -1, 0],
    "movement": [1, 3, 1, 7, 0, 1, 0],
    "random": [0, 0, 0, 0, 0, 0, 0],
    "large_final_same_sign": [2, 0, 0, 0, 1, 1, 0],
    "large_final_diff_sign": [0, 1, 1, 4, 0, 0, 0],
    "magnitude_increase_same_sign": [1, 0, 0, 0, 0, -1, 0],
    "magnitude_increase_diff_sign": [0, -1, 1, 1, 0, 0, 0],
    "snip": [3, 2, 0, 0, 2, 1, 0],
    "grad": [3, 1, 5, 0, 2, 0.5, 1],
    "large_final_same_sign_single": [1, 0, 0, 0, 1, 1, 1],
    "large_final_diff_sign_single": [0, 1, 1, 1, 0, 0, 0],
}
# Held by tests of their own, beside a dense computation in numpy: test_criteria_of_leaves.
OF_LEAVES = ("lamp",)
JOINT = ("large_init_large_final", "small_init_small_final")


def scores_of(name, before, after, gradient, kept):
    leaf = Leaf("kernel", np.shape(before), "kernel", "", 0)
    values = {"before": before, "after": after, "gradient": gradient, "mask": kept}
    return score(make_criterion(name), values, leaf, KEY)


def ends(size, seed, flipped=0.3):
    """Correlated weights at both ends of a training, in float64."""
    rng = np.random.default_rng(seed)
    before = rng.standard_normal(size)
    after = (0.7 * before + 0.5 * rng.standard_normal(size)) * np.where(rng.random(size) < flipped, -1, 1)
    return before, 3 * after


def test_every_criterion_is_held_here():
    assert {*BY_HAND, *JOINT, *OF_LEAVES} == set(ALL) == set(names())


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_are_the_definition(name):
    """Signs: one kept, one flipped, one started at zero (flipped), one shrank without flipping, both zero."""
    np.testing.assert_array_equal(scores_of(name, BEFORE, AFTER, SLOPE, KEPT), BY_HAND[name])


def test_the_main_figure_has_four_pairs_and_random():
    assert MAIN[-1] == "random"
    assert make_criterion("random").inverse is None
    pairs = list(zip(MAIN[:8:2], MAIN[1:8:2], strict=True))
    assert all(make_criterion(a).inverse == b and make_criterion(b).inverse == a for a, b in pairs)


@pytest.mark.parametrize("name", [n for n in ALL if make_criterion(n).inverse])
def test_inverses_are_mutual(name):
    assert make_criterion(make_criterion(name).inverse).inverse == name


@pytest.mark.parametrize("name", ["large_final", "large_init"])
def test_the_inverse_keeps_what_the_criterion_prunes(name):
    before, after = ends(500, 1)
    k = key(Seeds(0), Stream.MASK)
    there = np.ones(500, bool)
    one, other = (scores_of(n, before, after, None, there) for n in (name, make_criterion(name).inverse))
    np.testing.assert_array_equal(keep(one, there, 180, k), ~keep(other, there, 320, k))


@pytest.mark.parametrize("name", ["large_final_same_sign", "magnitude_increase_same_sign"])
def test_pairs_of_signs_add_up_to_the_criterion_without(name):
    before, after = ends(100, 2)
    there = np.ones(100, bool)
    plain = name.removesuffix("_same_sign")
    parts = [scores_of(f"{plain}_{which}_sign", before, after, None, there) for which in ("same", "diff")]
    np.testing.assert_array_equal(parts[0] + parts[1], scores_of(plain, before, after, None, there))


@pytest.mark.parametrize("count", [3, 50, 500, 999, 1900])
@pytest.mark.parametrize("name", JOINT)
def test_the_cut_at_both_ends_is_that_of_an_exactly_matched_alpha(name, count):
    """The kept are a quadrant between equal percentiles, and the best by min(α|w_f|, |w_i|) for its α."""
    before, after = ends(2000, 3)
    there = np.ones(2000, bool)
    scores = scores_of(name, before, after, None, there)
    mask = keep(scores, there, count, key(Seeds(0), Stream.MASK))
    sign = 1 if name.startswith("large") else -1
    w_i, w_f = sign * np.abs(before), sign * np.abs(after)

    def quadrant(t):
        return (w_i >= np.sort(w_i)[t]) & (w_f >= np.sort(w_f)[t])

    t = next(t for t in range(2000) if np.count_nonzero(quadrant(t)) <= count)
    inside, outside = quadrant(t), ~quadrant(t - 1)
    assert np.all(mask[inside])
    assert not np.any(mask[outside])
    assert np.count_nonzero(~inside & ~outside) <= 2
    level = np.sort(w_i)[t]
    alpha = level / np.sort(w_f)[t]
    paper = np.minimum(sign * alpha * np.abs(after), w_i)
    assert np.all(paper[inside] >= level * (1 - sign * 1e-12))
    assert np.all(paper[~inside] < level)


@pytest.mark.parametrize("name", JOINT)
def test_pruned_weights_do_not_move_the_percentiles(name):
    before, after = ends(400, 4)
    there = np.random.default_rng(0).random(400) < 0.5
    others = [np.where(there, w, 1e6 * (i - 0.5)) for i, w in enumerate((before, after))]
    found = (scores_of(name, *ends_, None, there)[there] for ends_ in ((before, after), others))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("name", "expected"), [(JOINT[0], [0, 0, 0, 0, 0, 2]), (JOINT[1], [0, 0, 0, 1, 1, 0])]
)
def test_equal_magnitudes_share_a_rank(name, expected):
    """From the small end: 0 0 0 3 3 5 and 3 3 3 0 0 2; from the large end: 3 3 3 1 1 0 and 0 0 0 4 4 3."""
    before = np.array([0, 0, 0, 2, -2, 5], np.float32)
    after = np.array([9, -9, 9, 7, 7, 8], np.float32)
    np.testing.assert_array_equal(scores_of(name, before, after, None, np.ones(6, bool)), expected)


@pytest.mark.parametrize("name", ALL)
def test_traced_scores_are_those_of_the_host(name):
    arrays = [jnp.asarray(a).reshape(7, 1) for a in (BEFORE, AFTER, SLOPE)]
    kept = jnp.asarray(KEPT).reshape(7, 1).at[2].set(False)
    leaf, by = Leaf("kernel", (7, 1), "kernel", "", 0), make_criterion(name)
    traced = jax.jit(lambda *a: by.scores(Trained(*a), leaf, named(KEY, "scores")))(*arrays, kept)
    np.testing.assert_array_equal(traced, scores_of(name, *arrays, kept))


def test_names_are_forgiving_about_dashes_only():
    assert make_criterion("large-final-same-sign") == make_criterion("large_final_same_sign")
    with pytest.raises(InputError, match="did you mean 'large_final'"):
        make_criterion("largefinal")


@pytest.mark.parametrize("name", ["snip", "grad"])
def test_a_missing_gradient_is_asked_for(name):
    with pytest.raises(InputError, match=f"'{name}' needs the gradient"):
        scores_of(name, BEFORE, AFTER, None, KEPT)
