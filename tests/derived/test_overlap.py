"""Masks side by side, against sets that can be counted by hand."""

import jax
import numpy as np
import pytest

from tests.derived.test_prune import AFTER, BEFORE, MODEL, SHAPE, made, network, weights_of
from weightspace import tree
from weightspace.derived.overlap import Overlap
from weightspace.derived.prune import FullMask
from weightspace.errors import InputError
from weightspace.models.zoo import make

FULL = FullMask(BEFORE).compute()["mask"]


def masked(**kernels):
    """A full mask whose kernels are replaced; biases, which are never pruned, do not count."""
    flat = tree.flat_dict(FULL)
    names = {"first": "hidden/0/kernel", "second": "hidden/1/kernel", "output": "output/kernel"}
    return tree.nested_dict(flat | {names[name]: value for name, value in kernels.items()})


def first(count, shape=(8, 20), start=0):
    flat = np.zeros(shape, bool).reshape(-1)
    flat[start : start + count] = True
    return flat.reshape(shape)


def overlap(*masks, **fields):
    return Overlap(MODEL, SHAPE, masks, **fields).compute()


def test_intersection_over_union_counted_by_hand():
    # 40 and 60 of 160 with 20 in common; the other kernels, 230 weights, are full in both.
    a, b = masked(first=first(40)), masked(first=first(60, start=20))
    found = overlap(a, b)
    assert found["iou_hidden_0"] == pytest.approx(20 / 80)
    assert found["iou_hidden_1"] == found["iou_output"] == 1
    assert found["iou"] == pytest.approx((20 + 230) / (80 + 230))
    assert found["expected_iou_hidden_0"] == pytest.approx(15 / (100 - 15))
    assert found["expected_iou"] == pytest.approx((15 + 230) / (100 - 15 + 230))


def test_equal_and_disjoint_masks():
    a, b = masked(first=first(80)), masked(first=first(80, start=80))
    assert overlap(a, a)["iou"] == 1
    assert overlap(a, b)["iou_hidden_0"] == 0


def test_masks_drawn_at_random_overlap_as_expected():
    shape = (28, 28, 1)
    model = make("fc:widths=100", shape, 10)
    rng = np.random.default_rng(0)
    weights = weights_of(model, shape)

    def drawn(share):
        full = FullMask(weights).compute()["mask"]
        return jax.tree.map(lambda m: rng.random(m.shape) < share if m.ndim == 2 else m, full)

    found = Overlap(model, shape, (drawn(0.4), drawn(0.1))).compute()
    assert found["iou"] == pytest.approx(found["expected_iou"], rel=0.03)
    assert found["expected_iou"] == pytest.approx(0.04 / 0.46, rel=0.05)


def test_several_masks_are_compared_pair_by_pair():
    masks = [made(name)["mask"] for name in ("large_final", "large_init", "small_final")]
    found = overlap(*masks)
    matrix = found["matrix"]["iou"]
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert matrix[i, j] == overlap(masks[i], masks[j])["iou"]
    assert found["iou"] == pytest.approx((matrix[0, 1] + matrix[0, 2] + matrix[1, 2]) / 3)
    assert set(found["matrix"]["layers"]) == {"hidden_0", "hidden_1", "output"}
    # Large weights are not small ones: of 160, 200 and 30 without the 32, 40 and 3 that go by either.
    assert matrix[0, 2] == (96 + 120 + 24) / 390
    assert matrix[0, 1] > matrix[0, 2]


def test_signs_are_compared_where_both_masks_keep_a_weight():
    flipped = jax.tree.map(np.array, AFTER)
    flipped["hidden"]["0"]["kernel"].reshape(-1)[:30] *= -1
    a = masked(first=first(40), second=first(0, (20, 10)), output=first(0, (10, 3)))
    b = masked(first=first(60, start=20))
    found = overlap(a, b, weights=(AFTER, flipped))
    # 20 weights are common, those from 20 to 40; of these the first ten are flipped.
    assert found["sign_agreement"] == 0.5
    assert overlap(a, b, weights=(AFTER, AFTER))["sign_agreement"] == 1
    nothing = masked(first=first(0), second=first(0, (20, 10)), output=first(0, (10, 3)))
    assert np.isnan(overlap(a, nothing, weights=(AFTER, AFTER))["sign_agreement"])


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="needs two masks or more, not 1"):
        Overlap(MODEL, SHAPE, (FULL,))
    with pytest.raises(InputError, match="1 sets of weights are given for 2 masks"):
        Overlap(MODEL, SHAPE, (FULL, FULL), (AFTER,))
    other = FullMask(weights_of(network("5"))).compute()["mask"]
    with pytest.raises(InputError, match="mask 1 belongs to another architecture"):
        overlap(FULL, other)
