"""Scores of either zero tie, infinite ones are ranked, and those that are NaN are refused in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import tree
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.at_init import MasksAtInit
from weightspace.derived.mask_like import MaskLike
from weightspace.derived.prune import Prune
from weightspace.errors import InputError
from weightspace.masks import criteria
from weightspace.masks.criterion import Ranked
from weightspace.masks.prune import full_mask, keep, ranks
from weightspace.masks.score import score
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.models.layout import Leaf
from weightspace.models.zoo import make
from weightspace.recipes.losses import CrossEntropy
from weightspace.spaces.edge_popup import largest
from weightspace.spaces.masked import Masked
from weightspace.spec import spec
from weightspace.streams import Seeds

KEY = jax.random.key(3, impl="threefry2x32")
SHAPE = (8, 8, 1)
TASK = Task(make_data("digits", normalise="unit"), CrossEntropy())
MODEL = make("fc:widths=5", SHAPE, 10)
LAYOUT = layout_of(MODEL, SHAPE, "float32")
KERNEL = LAYOUT.paths("kernel")[0]


def mask_of(places, count):
    return np.asarray(places) < count


@pytest.mark.parametrize("count", [1, 7, 20, 39])
def test_both_zeros_tie(count):
    """As if there were one zero only, in the sort, in the selection and by rank at both ends."""
    rng = np.random.default_rng(0)
    zeros = np.where(rng.random(40) < 0.5, 0.0, -0.0).astype(np.float32)
    there = np.ones(40, bool)
    assert np.signbit(zeros).any()
    assert not np.signbit(zeros).all()
    plain = mask_of(ranks(np.zeros(40, np.float32), there, KEY), count)
    np.testing.assert_array_equal(mask_of(ranks(zeros, there, KEY), count), plain)
    np.testing.assert_array_equal(keep(zeros, there, count, KEY), plain)
    both = score(
        criteria.make_criterion("small_init_small_final"), {"before": zeros, "after": zeros},
        Leaf("kernel", (40,), "kernel", "", 0), KEY,
    )  # fmt: skip
    np.testing.assert_array_equal(mask_of(ranks(both, there, KEY), count), plain)
    np.testing.assert_array_equal(largest(jnp.asarray(zeros), jnp.int32(count)), np.arange(40) < count)


def test_infinite_scores_are_ranked_and_no_zero_lies_between_others():
    scores = np.array([-0.0, np.inf, 2.0, -np.inf, -3.0, 1e-30, np.inf, -1e-30], np.float32)
    there = np.ones(8, bool)
    order = np.argsort(np.asarray(ranks(scores, there, KEY)))
    assert set(order[:2]) == {1, 6}
    assert order[2:].tolist() == [2, 5, 0, 7, 4, 3]
    for count in range(9):
        np.testing.assert_array_equal(
            keep(scores, there, count, KEY), mask_of(ranks(scores, there, KEY), count)
        )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nan_of_either_sign_has_no_rank(sign):
    scores = np.array([1.0, np.copysign(np.nan, sign), -2.0], np.float32)
    assert np.signbit(scores[1]) == (sign < 0)
    with pytest.raises(InputError, match="hold NaN"):
        keep(scores, np.ones(3, bool), 1, KEY)
    # What is pruned already has no score that counts.
    np.testing.assert_array_equal(keep(scores, np.array([True, False, True]), 1, KEY), [True, False, False])
    assert np.asarray(ranks(scores, np.array([True, False, True]), KEY)).tolist() == [0, 2, 1]
    # In compiled code nothing can be refused: it comes behind all that are numbers.
    assert np.asarray(ranks(scores, np.ones(3, bool), KEY)).tolist() == [0, 2, 1]


@spec
class Odd(Ranked):
    """The root of a weight: NaN for half of them, though all are finite."""

    label = "odd"

    def rule(self, w):
        """√w_f."""
        return jnp.sqrt(w.after)


def trained():
    weights = MODEL.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, *SHAPE)))[0]
    return jax.device_get(weights)


@pytest.mark.parametrize("odd_criterion", [Odd(), Odd(per="neuron")], ids=lambda by: by.name)
def test_a_criterion_without_a_value_is_refused_wherever_a_mask_is_made(odd_criterion):
    w = trained()
    undefined = int((tree.flat_dict(w)[KERNEL] < 0).sum())
    nodes = (
        Prune(MODEL, SHAPE, odd_criterion, w, w, Seeds(0)),
        MaskLike(MODEL, SHAPE, full_mask(w), odd_criterion, w, w, Seeds(0)),
        MasksAtInit(MODEL, TASK, odd_criterion, w, w, Seeds(0), powers=2),
    )
    text = f"'{odd_criterion.name}' is NaN for {undefined} weights of {KERNEL}"
    for node in nodes:
        with pytest.raises(InputError, match=text):
            node.compute()


@pytest.mark.parametrize("which", ["before", "gradient"])
def test_weights_and_gradients_that_are_not_finite_are_refused(which):
    w = trained()
    broken = tree.map_named(lambda path, a: np.full_like(a, np.inf) if path == KERNEL else a, w)
    given = {"before": w, "after": w, "gradient": w} | {which: broken}
    for node in (
        Prune(MODEL, SHAPE, "snip", seeds=Seeds(0), **given),
        MaskLike(MODEL, SHAPE, full_mask(w), "snip", seeds=Seeds(0), **given),
        MasksAtInit(MODEL, TASK, "snip", seeds=Seeds(0), powers=2, **given),
    ):
        with pytest.raises(InputError, match=f"'{which}' is not finite in {KERNEL}"):
            node.compute()


@pytest.mark.parametrize("value", [0.5, 1.0, 2, np.nan])
def test_a_mask_holds_booleans(value):
    mask = jax.tree.map(lambda a: np.full(a.shape, value), trained())
    dtype = np.asarray(value).dtype
    with pytest.raises(InputError, match=f"holds {dtype}, but must hold booleans: True is kept"):
        Masked(mask).check(LAYOUT)
    check_fit("the mask", full_mask(mask), LAYOUT, boolean=True)
