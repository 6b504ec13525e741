"""Lottery tickets on the axis of degrees of freedom: exact counts of the largest of all weights."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.experiments.freedom.burn_in import FreedomBurnIn
from weightspace.experiments.freedom.lottery_ticket import FreedomLotteryTicket
from weightspace.experiments.freedom.methods import FreedomMethods
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.freedom.tickets import FRACTIONS, kept_count
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep
from weightspace.tree import flat_dict

SMALL = {"model": "fc:widths=16", "seeds": ("1",), "epochs": 1.0, "dense_epochs": 1.0, "levels": (0.3,)}
SIZE = 64 * 16 + 16 + 160 + 10


def tickets(**given):
    rows = next(FreedomLotteryTicket(reference=False, **SMALL | given).ask())
    return [(dict(row.labels), row.node) for row in rows]


def flat(tree):
    return np.concatenate([np.asarray(leaf).reshape(-1) for leaf in flat_dict(tree).values()])


@pytest.mark.parametrize("size", [20_490, 25_578, 61_514, 272_186])
def test_legacy_counts_are_one_more_than_the_share_rounded_up(size):
    for share in FRACTIONS[1:]:
        written = math.ceil(size * round(share * 100_000) / 100_000)
        assert kept_count(share, size, "legacy") == written + 1
        assert abs(kept_count(share, size) - share * size) <= 0.5
    assert kept_count(1.0, size, "legacy") == kept_count(1.0, size) == size
    assert kept_count(1e-9, size) == 1


@pytest.mark.parametrize("given", [{}, {"rounds": (3,)}, {"counts": "legacy"}, {"biases": False}])
def test_exactly_so_many_of_the_largest_weights_are_trained(tmp_path, given):
    experiment = FreedomLotteryTicket(reference=False, fractions=(0.2, 0.03, 0.001), **SMALL | given)
    table = sweep(experiment, tmp_path)
    store = Store(tmp_path)
    assert list(table["status"]) == ["ok"] * 3
    ranked = SIZE if given.get("biases", True) else SIZE - 26
    legacy = given.get("counts") == "legacy"
    expected = [math.ceil(f * ranked) + 1 if legacy else round(f * ranked) for f in (0.2, 0.03, 0.001)]
    assert sorted(table["dim"], reverse=True) == [count + SIZE - ranked for count in expected]
    for labels, run in tickets(fractions=(0.2, 0.03, 0.001), **given):
        mask = store.output(run.space.mask.of.digest, "mask")
        # All that trains is counted: biases too, where they are not ranked.
        ones = int(flat(mask).sum())
        assert ones == labels["dim"]
        if not given:
            after = store.output(run.space.mask.of.after.of.digest, run.space.mask.of.after.key)
            order = np.argsort(-np.abs(flat(after)), kind="stable")[: labels["dim"]]
            np.testing.assert_array_equal(np.flatnonzero(flat(mask)), np.sort(order))


def test_a_ticket_of_few_weights_may_be_dead_and_is_a_result(tmp_path):
    table = sweep(FreedomLotteryTicket(reference=False, fractions=(0.001,), **SMALL), tmp_path)
    assert list(table["status"]) == ["ok"]
    assert table["dim"].iloc[0] == 1
    assert table["test_accuracy"].iloc[0] < 0.2


def test_ways_are_told_by_how_they_differ_from_the_original():
    ways = {"criteria": ("large_final", "random"), "rounds": (1, 4), "pruned": ("zero", "at_init")}
    names = {labels["method"] for labels, _ in tickets(fractions=(0.1,), rewind=("0it", "5it"), **ways)}
    assert len(names) == 16
    assert {"ticket", "ticket (random, 4 rounds, held at at_init, from 5it)"} <= names


def test_rates_fall_as_the_originals_did():
    (_, run), *_ = tickets(fractions=(0.1,), rate="legacy")
    rate = [
        float(run.recipe.schedule.multiplier(jnp.int32(t), jnp.int32(9999), 10))
        for t in (0, 399, 400, 800, 1200)
    ]
    np.testing.assert_allclose(rate, [1, 1, 0.3, 0.1, 0.03], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"criteria": ("snip",)}, "'snip' goes by more than the weights' ranks"),
        ({"criteria": ("large_finale",)}, "large_final"),
        ({"counts": "legcay"}, "legacy"),
        ({"fractions": (0.0,)}, "share of weights kept is 0.0"),
        ({"rounds": (0,)}, "rounds of pruning is 0"),
        ({"dense_decay": -1.0}, "dense_decay"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_ticket_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        FreedomLotteryTicket(**SMALL | given)


def test_methods_are_the_runs_of_each_method_alone():
    """Nothing is trained twice, and each panel has networks of its own."""
    same = {"dims": (4, 16), "seeds": ("1",), "epochs": 1.0}
    asked = FreedomMethods(
        model="fc:widths=16",
        fractions=(0.2,),
        burn_in=(3,),
        dense_epochs=1.0,
        methods=("random", "burn-in", "ticket"),
        beside=("fc:widths=8/digits",),
        **same,
    )
    rows = list(next(asked.ask()))
    alone = {"model": "fc:widths=16", **same}
    few = {name: alone[name] for name in ("model", "seeds", "epochs")}
    single = [
        FreedomRandom(**alone), FreedomBurnIn(burn_in=(3,), **alone),
        FreedomLotteryTicket(fractions=(0.2,), dense_epochs=1.0, **few),
    ]  # fmt: skip
    expected = {row.node.digest for experiment in single for row in next(experiment.ask())}
    panels = {
        name: {r.node.digest for r in rows if r.labels["panel"] == name}
        for name in ("fc:widths=16 on digits", "fc:widths=8 on digits")
    }
    assert panels["fc:widths=16 on digits"] == expected
    assert len(panels["fc:widths=8 on digits"]) == len(expected)
    assert not panels["fc:widths=8 on digits"] & expected
    sizes = {row.labels["panel"]: row.labels["dim"] * row.labels["compression"] for row in rows}
    assert sizes == {"fc:widths=16 on digits": SIZE, "fc:widths=8 on digits": 64 * 8 + 8 + 80 + 10}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ("randon",)}, "random"),
        ({"beside": ("resnet20",)}, "write a network and its data as resnet20/cifar10"),
        ({"beside": ("/mnist",)}, "write a network"),
    ],
)
def test_panels_and_methods_that_there_are_not_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        FreedomMethods(**given)
