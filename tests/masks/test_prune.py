"""Masks: exact counts, keyed ties, nested rounds, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.masks.builders import KERNELS, LAYOUT, random_mask, trained, weights
from weightspace import tree
from weightspace.errors import InputError
from weightspace.masks.criteria import ALL, make_criterion
from weightspace.masks.prune import Rates, density, full_mask, keep, prune, ranks
from weightspace.models.layout import Layout, Leaf
from weightspace.streams import Seeds, Stream, key

KEY = key(Seeds(3), Stream.MASK)
BEFORE = weights()
AFTER = trained(BEFORE)
SLOPE = weights(9)
RATED = [name for name in ALL if not make_criterion(name).fixed]


def cut(name="large_final", mask=None, *, before=BEFORE, after=AFTER, k=KEY, **options):
    return prune(before, after, SLOPE, mask, LAYOUT, name, key=k, **options)


def counts(mask):
    flat = tree.flat_dict(mask)
    return {path: int(flat[path].sum()) for path in KERNELS}


def score_arrays():
    rng = np.random.default_rng(0)
    return {
        "distinct": rng.standard_normal(300),
        "tied": rng.integers(0, 4, 300).astype(np.float32),
        "equal": np.zeros(300, np.float32),
        "whole": rng.integers(0, 50, 300).astype(np.int32),
        "signed zeros": np.where(rng.random(300) < 0.5, -0.0, 0.0).astype(np.float32),
        "infinite": np.where(rng.random(300) < 0.5, np.inf, -np.inf).astype(np.float32),
    }


@pytest.mark.parametrize("kind", score_arrays())
@pytest.mark.parametrize("count", [0, 1, 77, 149, 150])
def test_keep_is_the_first_ranks_and_has_the_exact_count(kind, count):
    scores = score_arrays()[kind].astype(np.float32 if kind != "whole" else np.int32).reshape(15, 20)
    there = np.random.default_rng(1).permutation(np.arange(300) < 150).reshape(15, 20)
    mask = keep(scores, there, count, KEY)
    assert np.count_nonzero(mask) == count
    assert not np.any(mask & ~there)
    np.testing.assert_array_equal(mask, np.asarray(ranks(scores, there, KEY)) < count)


def test_ranks_order_the_kept_by_score_and_put_the_pruned_last():
    scores = np.array([1, 5, np.inf, 3, 1e30, 2], np.float32)
    there = np.array([True, True, False, True, False, True])
    found = np.asarray(ranks(scores, there, KEY))
    assert found[there].tolist() == [3, 0, 1, 2]
    assert sorted(found) == list(range(6))


def test_ranks_work_traced_and_batched():
    scores = np.random.default_rng(0).integers(0, 5, (3, 40)).astype(np.float32)
    there = np.random.default_rng(1).random((3, 40)) < 0.7
    many = jax.jit(jax.vmap(ranks, in_axes=(0, 0, None)))(scores, there, KEY)
    for row in range(3):
        np.testing.assert_array_equal(many[row], ranks(scores[row], there[row], KEY))


def test_ties_are_broken_evenly_and_by_the_key_alone():
    """Two of five equal scores are kept, each with a share of 2/5: standard deviation 0.011 at 2,000 keys."""
    scores, there = jnp.asarray([9.0, 1, 1, 1, 1, 1, 0]), jnp.ones(7, bool)
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), 2000)
    share = np.mean(jax.vmap(lambda k: ranks(scores, there, k) < 3)(keys), axis=0)
    np.testing.assert_allclose(share, [1, *[0.4] * 5, 0], atol=0.05)
    assert tree.equal(cut("random"), cut("random"))
    assert not tree.equal(cut("random"), cut("random", k=key(Seeds(4), Stream.MASK)))


@pytest.mark.parametrize("count", [-1, 4])
def test_a_count_that_cannot_be_is_refused(count):
    with pytest.raises(InputError, match=f"{count} weights are to be kept of 3"):
        keep(np.arange(5.0), np.array([1, 1, 1, 0, 0], bool), count, KEY)


@pytest.mark.parametrize("name", RATED)
def test_rounds_are_nested_with_exact_counts(name):
    mask = full_mask(BEFORE)
    for number in range(1, 6):
        after = trained(BEFORE, seed=number)
        next_mask = cut(name, mask, after=after)
        jax.tree.map(lambda new, old: np.testing.assert_array_equal(new & old, new), next_mask, mask)
        mask = next_mask
        assert all(np.all(flag) for path, flag in tree.flat_dict(mask).items() if path not in KERNELS)
        expected = {
            1: {"conv/kernel": 162, "dense/kernel": 320, "output/kernel": 90},
            2: {"conv/kernel": 146, "dense/kernel": 256, "output/kernel": 81},
        }
        if number in expected:
            assert counts(mask) == expected[number]


@pytest.mark.parametrize("name", RATED)
def test_no_rounds_are_the_dense_network(name):
    assert tree.equal(cut(name, power=0), full_mask(BEFORE))
    assert tree.equal(cut(name, random_mask(), power=0), random_mask())


def test_one_shot_pruning_keeps_the_largest():
    mask = cut(power=5, rates=Rates(dense=0.2, conv=0.1, output=0.1))
    assert counts(mask) == {"conv/kernel": 106, "dense/kernel": 131, "output/kernel": 59}
    magnitudes, flags = (tree.flat_dict(t)["dense/kernel"] for t in (AFTER, mask))
    assert np.abs(magnitudes[flags]).min() > np.abs(magnitudes[~flags]).max()


def test_legacy_counts_reach_the_mask():
    assert counts(cut(rule="legacy")) == {"conv/kernel": 163, "dense/kernel": 321, "output/kernel": 91}
    assert counts(cut(rule="round"))["dense/kernel"] == 320


def test_one_rate_holds_for_all_layers():
    assert counts(cut(rates=0.5)) == {path: size // 2 for path, size in KERNELS.items()}


def test_global_pruning_ranks_all_kernels_together():
    mask = cut(scope="global", rates=0.3)
    assert sum(counts(mask).values()) == round(0.7 * sum(KERNELS.values()))
    pairs = [(np.abs(tree.flat_dict(AFTER)[path]), tree.flat_dict(mask)[path]) for path in KERNELS]
    assert min(w[m].min() for w, m in pairs) > max(w[~m].max() for w, m in pairs)
    assert counts(mask) != counts(cut(rates=0.3))


def test_a_leaf_s_ties_do_not_depend_on_its_neighbours():
    alone = Layout((LAYOUT["dense/kernel"],))
    small = [tree.nested_dict({"dense/kernel": tree.flat_dict(t)["dense/kernel"]}) for t in (BEFORE, AFTER)]
    mask = prune(*small, None, None, alone, "random", key=KEY)
    np.testing.assert_array_equal(mask["dense"]["kernel"], cut("random")["dense"]["kernel"])


@pytest.mark.parametrize("which", ["same", "diff"])
def test_single_masks_are_the_signs_whatever_the_rest(which):
    name = f"large_final_{which}_sign_single"
    start = jax.tree.map(np.copy, BEFORE)
    start["dense"]["bias"][:] = 0
    mask = cut(name, before=start, rates=0.9, scope="global", power=7)
    for path in KERNELS:
        b, a, m = (tree.flat_dict(t)[path] for t in (start, AFTER, mask))
        np.testing.assert_array_equal(m, (b * a > 0) == (which == "same"))
    assert mask["dense"]["bias"].all()
    earlier = random_mask()
    nested = cut(name, earlier, before=start)
    jax.tree.map(lambda m, e, n: np.testing.assert_array_equal(n, m & e), mask, earlier, nested)
    with_biases = cut(name, before=start, select="kernel|bias")
    assert np.all(with_biases["dense"]["bias"] == (which == "diff"))


def test_double_precision_is_not_rounded():
    """Two thousand magnitudes within one float32 spacing of each other."""
    layout = Layout((Leaf("kernel", (2000,), "kernel", "", 0),))
    after = {"kernel": 1 + 1e-12 * np.random.default_rng(0).permutation(2000)}
    mask = prune(after, after, None, None, layout, "large_final", key=KEY, rates=0.5)
    np.testing.assert_array_equal(mask["kernel"], after["kernel"] >= np.sort(after["kernel"])[1000])


def test_density_is_the_share_kept_in_forward_order():
    assert density(full_mask(BEFORE), LAYOUT) == dict.fromkeys(KERNELS, 1.0)
    assert list(density(cut(rates=0.5), LAYOUT).items()) == [(path, 0.5) for path in KERNELS]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"rates": Rates(dense=0.9999)},
            "layer 'dense/kernel' would keep none of its 400 weights; "
            "lower the pruning rate 'dense' of 0.9999 or the power",
        ),
        ({"rates": 0.2, "power": 40}, "layer 'conv/kernel' .* 180 weights; lower the pruning rate of 0.2"),
        ({"scope": "global"}, "scope 'global' .* takes one pruning rate"),
        ({"scope": "everywhere"}, "unknown pruning scope 'everywhere'"),
        ({"select": "kernels"}, "'kernels' selects no leaf"),
        ({"name": "larg_final"}, "did you mean 'large_final'"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_a_sentence(options, text):
    with pytest.raises(InputError, match=text):
        cut(**options)


def test_a_layer_that_global_pruning_empties_is_named():
    after = jax.tree.map(np.copy, AFTER)
    after["conv"]["kernel"] *= np.float32(1e-6)
    with pytest.raises(InputError, match=r"'conv/kernel' would keep none .* scope 'layer'"):
        cut(after=after, scope="global", rates=0.3)


def test_a_layer_in_which_no_sign_flipped_has_no_mask_of_flips():
    with pytest.raises(
        InputError, match=r"'conv/kernel' .*'large_final_diff_sign_single', which takes no rate"
    ):
        cut("large_final_diff_sign_single", after=BEFORE)


@pytest.mark.parametrize("name", ["large_final", "large_init_large_final", "large_final_same_sign", "random"])
def test_diverged_weights_are_refused(name):
    after = jax.tree.map(np.copy, AFTER)
    after["dense"]["kernel"][0, 0] = np.nan
    with pytest.raises(
        InputError, match="'after' is not finite in dense/kernel; prune a run that did not diverge"
    ):
        cut(name, after=after)
    with pytest.raises(InputError, match="NaN"):
        keep(np.array([1.0, np.nan, 2.0]), np.ones(3, bool), 1, KEY)


def test_a_mask_of_another_architecture_is_refused_by_its_first_leaf():
    other = random_mask()
    other["dense"]["kernel"], other["output"]["kernel"] = np.ones((3, 3), bool), np.ones((2, 2), bool)
    with pytest.raises(
        InputError, match=r"'mask' .* 'dense/kernel' has shape \(3, 3\), the model's \(40, 10\)"
    ):
        cut(mask=other)
    del other["conv"]
    with pytest.raises(InputError, match="no leaf 'conv/kernel'"):
        cut(mask=other)
    with pytest.raises(InputError, match="the model has no leaf 'more'"):
        cut(after=AFTER | {"more": np.ones(3, np.float32)})
    with pytest.raises(InputError, match="'conv/kernel' of 'mask' holds float32, but must hold booleans"):
        cut(mask=jax.tree.map(lambda m: m.astype(np.float32), random_mask()))
