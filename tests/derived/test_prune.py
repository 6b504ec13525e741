"""The mask after a round: exact counts, nested rounds, columns, and what is refused."""

import jax
import numpy as np
import pytest

from weightspace import tree
from weightspace.derived.prune import FullMask, Prune
from weightspace.errors import InputError
from weightspace.masks.counts import Rates
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.streams import Seeds

SHAPE = (8,)
SIZES = {"hidden_0": 160, "hidden_1": 200, "output": 30}


def network(widths="20,10", shape=SHAPE, outputs=3):
    return make(f"fc:widths={widths}", shape, outputs)


def weights_of(model, shape=SHAPE, seed=0):
    layout = layout_of(model, shape, "float32")
    rng = np.random.default_rng(seed)
    return tree.nested_dict(
        {leaf.path: rng.standard_normal(leaf.shape).astype(np.float32) for leaf in layout}
    )


def moved(before, seed=1):
    noise = weights_of(network(), seed=seed)
    return jax.tree.map(lambda w, n: 0.6 * w + 0.8 * n, before, noise)


MODEL = network()
BEFORE = weights_of(MODEL)
AFTER = moved(BEFORE)


def made(criterion="large_final", mask=None, **fields):
    given = {"before": BEFORE, "after": AFTER, "seeds": Seeds(0), **fields}
    return Prune(MODEL, SHAPE, criterion, mask=mask, **given).compute()


def kernel_counts(mask):
    flat = tree.flat_dict(mask)
    return [int(np.count_nonzero(flat[path])) for path in sorted(flat) if path.endswith("kernel")]


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [
        ("legacy", [188161, 150529, 120424, 96340, 77073, 61659], [901, 811, 730, 658, 593, 534]),
        ("round", [188160, 150528, 120422, 96338, 77070, 61656], [900, 810, 729, 656, 590, 531]),
    ],
)  # fmt: skip
def test_counts_of_the_paper_s_network_round_by_round(rule, first, last):
    """The original's counts are those of its code, rounds 1 to 6 of FC 300-100-10."""
    shape = (28, 28, 1)
    model = make("fc", shape, 10)
    before = weights_of(model, shape)
    mask, found = FullMask(before).compute()["mask"], []
    for number in range(1, 7):
        node = Prune(
            model, shape, "large_final", before, before, Seeds(0), mask=mask, round=number, rule=rule
        )
        mask = node.compute()["mask"]
        found.append(kernel_counts(mask))
    assert [counts[0] for counts in found] == first
    assert [counts[-1] for counts in found] == last


def test_columns_are_the_counts():
    found = made(rates=Rates(dense=0.25, output=0.1))
    kept = [120, 150, 27]
    assert kernel_counts(found["mask"]) == kept
    assert found["kept"] == sum(kept)
    assert found["density"] == pytest.approx(sum(kept) / sum(SIZES.values()))
    shares = {f"density_{layer}": n / size for (layer, size), n in zip(SIZES.items(), kept, strict=True)}
    assert {name: found[name] for name in shares} == pytest.approx(shares)
    assert set(found) == {"mask", "density", "kept", *shares}


def test_biases_are_never_pruned():
    flat = tree.flat_dict(made(rates=Rates(0.9, 0.9, 0.9))["mask"])
    assert all(mask.all() for path, mask in flat.items() if path.endswith("bias"))


@pytest.mark.parametrize("criterion", ["large_final", "small_init", "random", "magnitude_increase"])
def test_masks_of_successive_rounds_are_nested(criterion):
    mask = None
    for number in range(1, 5):
        last, mask = mask, made(criterion, mask, round=number)["mask"]
        if last is not None:
            jax.tree.map(lambda new, old: np.testing.assert_array_equal(new & ~old, False), mask, last)


def test_rounds_in_one_reach_the_level_of_rounds_one_by_one():
    mask = None
    for number in range(1, 4):
        mask = made("large_init", mask, round=number)["mask"]
    at_once = made("large_init", power=3)["mask"]
    for one, other in zip(kernel_counts(mask), kernel_counts(at_once), strict=True):
        assert abs(one - other) <= 2
    # Scores that do not change from round to round keep the same weights, but for rounding of the counts.
    assert np.mean(mask["hidden"]["0"]["kernel"] == at_once["hidden"]["0"]["kernel"]) > 0.98


def test_ties_fall_anew_in_each_round_and_the_same_again():
    one, again, other = (made("random", round=number)["mask"] for number in (1, 1, 2))
    assert tree.equal(one, again)
    assert not tree.equal(one, other)
    assert not tree.equal(one, made("random", round=1, seeds=Seeds(1))["mask"])


def test_criteria_at_init_read_the_gradient():
    slope = weights_of(MODEL, seed=5)
    found = made("snip", gradient=slope)["mask"]["hidden"]["0"]["kernel"]
    score = np.abs(slope["hidden"]["0"]["kernel"] * BEFORE["hidden"]["0"]["kernel"])
    assert score[found].min() > score[~found].max()
    with pytest.raises(InputError, match="'snip' needs the gradient"):
        made("snip")


def test_one_rate_ranks_all_layers_together():
    after = jax.tree.map(np.array, AFTER)
    after["output"]["kernel"] *= 100
    found = made(after=after, rates=0.5, scope="global")
    assert found["kept"] == 195
    assert found["density_output"] == 1


def test_a_blank_has_the_mask_s_shapes():
    node = Prune(MODEL, SHAPE, "large_final", BEFORE, AFTER, Seeds(0))
    for other in (node, FullMask(BEFORE)):
        blank, full = other.blank()["mask"], other.compute()["mask"]
        assert jax.tree.structure(blank) == jax.tree.structure(full)
        jax.tree.map(
            lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)), blank, full
        )


def test_a_full_mask_keeps_everything():
    assert kernel_counts(FullMask(BEFORE).compute()["mask"]) == list(SIZES.values())


def test_what_cannot_be_pruned():
    with pytest.raises(InputError, match=r"'hidden/0/kernel' would keep none of its 160 weights; lower"):
        made(rates=Rates(dense=0.999))
    with pytest.raises(InputError, match=r"'mask' belongs to another architecture"):
        made(mask=FullMask(weights_of(network("5"))).compute()["mask"])
    broken = jax.tree.map(np.array, AFTER)
    broken["hidden"]["1"]["kernel"][0, 0] = np.nan
    with pytest.raises(InputError, match="'after' is not finite in hidden/1/kernel"):
        made(after=broken)
    with pytest.raises(InputError, match="did you mean 'large_final'"):
        made("large_finl")


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_rates_outside_zero_and_one(rate):
    with pytest.raises(InputError, match=r"must lie in \[0, 1\)"):
        Rates(dense=rate)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\)"):
        made(rates=rate, scope="global")
