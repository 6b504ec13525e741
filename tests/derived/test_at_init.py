"""Masks on untrained weights: the masks are those of pruning, the accuracies those of an untrained ticket."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from tests.training.harness import train
from weightspace import tree
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.at_init import MasksAtInit
from weightspace.derived.mask_like import MaskLike
from weightspace.derived.restart import Restart
from weightspace.errors import InputError
from weightspace.masks.counts import DEFAULT_RATES, Rates
from weightspace.masks.kept import Rewind, SignedConstant, make_kept
from weightspace.masks.prune import density, full_mask, prune
from weightspace.measure import evaluate, host
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Run
from weightspace.spaces.masked import Masked
from weightspace.streams import Keys, Seeds, Stream, key

SHAPE = (8, 8, 1)
TASK = Task(make_data("digits", normalise="unit", validation=200), CrossEntropy())
MODEL = make("fc:widths=12,initialiser=glorot_normal", SHAPE, 10)
LAYOUT = layout_of(MODEL, SHAPE, "float32")
SEEDS = Seeds(3)


@functools.cache
def ends():
    """The run's own start, and weights that moved from there by a fixed draw."""
    before = jax.device_get(MODEL.init(Keys(SEEDS)(Stream.INIT), np.zeros((1, *SHAPE), np.float32))[0])
    rng = np.random.default_rng(0)
    moved = [w + rng.normal(0, 0.1, w.shape).astype(np.float32) for w in jax.tree.leaves(before)]
    return before, jax.tree.unflatten(jax.tree.structure(before), moved)


def node(criterion="large_final", **changes):
    before, after = ends()
    return MasksAtInit(MODEL, TASK, criterion, before, after, SEEDS, **changes)


def pruned(criterion, power, rates=DEFAULT_RATES):
    salt = key(SEEDS, Stream.MASK)
    return prune(*ends(), None, None, LAYOUT, criterion, key=salt, power=power, rates=rates)


@pytest.mark.parametrize(
    "criterion", ["large_final", "random", "small_init_small_final", "large_final_same_sign", "movement"]
)
def test_the_masks_are_those_of_pruning(criterion):
    made = node(criterion)
    places, counts = made.places(LAYOUT), made.counts(LAYOUT)
    for power in (0, 1, 5, 20):
        mask = tree.map_named(
            lambda path, place, power=power: np.asarray(place) < counts.get(path, np.ones(25, int))[power],
            places,
        )
        assert tree.equal(mask, pruned(criterion, power))


@pytest.mark.parametrize("kept", ["reshuffle", "reinit:draw=fresh,rescaled=true"])
def test_accuracies_are_those_of_a_ticket_before_its_first_step(kept):
    """The actions are carried out by another program; nothing is shared but the seeds."""
    action = make_kept(kept)
    found = node("large_final", kept=action, powers=4).compute()
    recipe = Recipe(Sgd(0.0), "1it", batch=10)
    mask = pruned("large_final", 3)
    begun = Restart(MODEL, SHAPE, mask, ends()[0], SEEDS, action).compute()
    run = Run(MODEL, TASK, Masked(mask, **begun), recipe, SEEDS)
    _, records, _ = train([run], (Evaluation(("train", "test")),), stretches=[0, 1])
    for metric in ("test_accuracy", "test_loss", "train_accuracy", "train_loss"):
        assert found[f"{metric}_3"] == pytest.approx(float(records[metric][-1, 0]), rel=1e-5)


def test_batches_that_do_not_divide_the_examples_change_nothing(monkeypatch):
    whole = node(powers=2).compute()
    monkeypatch.setattr(evaluate, "BATCH", 77)
    host._program.cache_clear()
    parts = node(powers=2).compute()
    host._program.cache_clear()
    assert parts == pytest.approx(whole, rel=1e-5)


def test_the_scale_of_layers_moves_the_loss_but_not_the_accuracy():
    """Constants a power of two apart, so that equal outputs stay equal."""
    small, large = (node(kept=SignedConstant(c), powers=6).compute() for c in (0.0625, 0.5))
    for power in range(6):
        assert small[f"test_accuracy_{power}"] == large[f"test_accuracy_{power}"]
        assert small[f"test_loss_{power}"] != pytest.approx(large[f"test_loss_{power}"], rel=1e-3)


def test_columns_hold_densities_the_greatest_accuracy_and_chance():
    found = node(powers=5, rates=Rates(dense=0.5, output=0.25)).compute()
    kept = [
        sum(v.sum() for v in flat_kernels(pruned("large_final", k, Rates(0.5, 0.1, 0.25)))) for k in range(5)
    ]
    size = 64 * 12 + 12 * 10
    assert [found[f"density_{k}"] for k in range(5)] == pytest.approx([count / size for count in kept])
    accuracies = [found[f"test_accuracy_{k}"] for k in range(5)]
    best = int(np.argmax(accuracies))
    assert (found["test_accuracy_max"], found["density_at_max"]) == (
        max(accuracies),
        found[f"density_{best}"],
    )
    assert found["chance"] == 0.1


def flat_kernels(mask):
    return [tree.flat_dict(mask)[path] for path in LAYOUT.paths("kernel")]


def test_powers_that_would_empty_a_layer_are_left_out():
    rates = Rates(output=0.9)  # of 120 weights: 12, 1 (1.2), 0
    found = node(powers=9, rates=rates).compute()
    assert "density_2" in found
    assert "density_3" not in found
    with pytest.raises(InputError, match="would keep none"):
        pruned("large_final", 3, rates)


def test_a_criterion_without_a_rate_has_one_mask():
    found = node("large_final_same_sign_single").compute()
    assert "density_1" not in found
    before, after = (np.concatenate([w.ravel() for w in flat_kernels(end)]) for end in ends())
    assert found["density_0"] == pytest.approx(np.mean(np.sign(before) == np.sign(after)))


def test_no_pruning_is_the_untrained_network():
    each = {node(name, powers=1).compute()["test_loss_0"] for name in ("large_final", "random", "small_init")}
    assert len(each) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": "large_finl"}, "did you mean 'large_final'"),
        ({"powers": 0}, "powers is 0"),
        ({"rule": "floor"}, "unknown pruning rule"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(node(), **changes)


def test_weights_that_are_no_numbers_and_missing_gradients_are_refused():
    _, after = ends()
    broken = jax.tree.map(lambda w: np.full_like(w, np.nan), after)
    with pytest.raises(InputError, match="not finite"):
        dataclasses.replace(node(), after=broken).compute()
    with pytest.raises(InputError, match="needs the gradient"):
        node("snip").compute()
    other = jax.device_get(make("fc:widths=5", SHAPE, 10).init(jax.random.key(0), np.zeros((1, *SHAPE)))[0])
    with pytest.raises(InputError, match="another architecture"):
        dataclasses.replace(node(), after=other).compute()


def like(mask, criterion, seeds=SEEDS):
    return MaskLike(MODEL, SHAPE, mask, criterion, *ends(), seeds).compute()


@pytest.mark.parametrize("criterion", ["random", "large_final", "small_final"])
def test_a_mask_like_another_keeps_as_many_weights_in_each_layer(criterion):
    mask = pruned("large_init", 4)
    found = like(mask, criterion)
    assert density(found["mask"], LAYOUT) == density(mask, LAYOUT)
    assert not tree.equal(found["mask"], mask)
    assert found["kept"] == sum(int(kernel.sum()) for kernel in flat_kernels(mask))


def test_a_mask_like_another_is_the_criterion_s_own_at_that_level():
    assert tree.equal(like(pruned("random", 3), "large_final")["mask"], pruned("large_final", 3))
    assert tree.equal(like(full_mask(ends()[0]), "random")["mask"], full_mask(ends()[0]))


def test_random_masks_of_other_seeds_differ_and_fixed_criteria_are_refused():
    mask = pruned("large_final", 3)
    assert not tree.equal(like(mask, "random")["mask"], like(mask, "random", Seeds(4))["mask"])
    with pytest.raises(InputError, match="is a mask itself"):
        like(mask, "large_final_same_sign_single")


def test_rewinding_is_the_default():
    assert node().kept == Rewind()
