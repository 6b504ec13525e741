"""Masks of networks by a pattern, without dead units, and their symmetry: from a model to the table."""

import math

import jax
import numpy as np
import pytest

import weightspace as ws
from weightspace.derived.pattern_mask import PatternMask
from weightspace.derived.propagated import Propagated
from weightspace.derived.sparse_start import SparseStart
from weightspace.derived.symmetry import Symmetry
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.models.units import units_of
from weightspace.models.zoo import make
from weightspace.node import Found
from weightspace.streams import Seeds
from weightspace.symmetry.automorphisms import automorphisms, relabelled
from weightspace.symmetry.numbers import group_order, log10
from weightspace.tree import flat_dict, map_named

SHAPE = (8, 8, 1)
FC = make("fc:widths=16,16,16", SHAPE, 10)
CONV = make("conv2:channels=6,8", SHAPE, 4)
KEY = jax.random.key(0)


def mask(model=FC, pattern="random", sparsity=0.5, seed=0, **options):
    return PatternMask(model, SHAPE, Seeds(seed), pattern, sparsity, **options).compute()


def count(given, model=FC):
    return Symmetry(model, SHAPE, given["mask"]).compute()


def full(model=FC):
    return {"mask": jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), mask(model)["mask"])}


def test_kernels_but_the_output_s_are_masked_each_by_a_key_of_its_own():
    found = flat_dict(mask()["mask"])
    zeros = {path: int((~leaf).sum()) for path, leaf in found.items()}
    assert zeros.pop("hidden/0/kernel") == 512
    assert [zeros.pop(f"hidden/{n}/kernel") for n in (1, 2)] == [128, 128]
    assert not any(zeros.values())
    assert (found["hidden/1/kernel"] != found["hidden/2/kernel"]).any()
    assert mask()["masked_sparsity"] == 0.5
    shapes = jax.tree.map(lambda a: a.shape, PatternMask(FC, SHAPE, Seeds(0), "random", 0.5).blank()["mask"])
    assert shapes == jax.tree.map(np.shape, mask()["mask"])


@pytest.mark.parametrize(
    ("layers", "paths"),
    [
        ("0,2", {"hidden/0/kernel", "hidden/2/kernel"}),
        ("output", {"output/kernel"}),
        ("hidden/1/*", {"hidden/1/kernel"}),
        ("kernel", {"hidden/0/kernel", "hidden/1/kernel", "hidden/2/kernel", "output/kernel"}),
    ],
)
def test_layers_are_named_by_number_or_selector(layers, paths):
    found = flat_dict(mask(layers=layers)["mask"])
    assert {path for path, leaf in found.items() if not leaf.all()} == paths


def test_symmetric_masks_have_the_order_of_the_sheet():
    """Reference values at 784 inputs and six layers of 16: log₁₀ P = 5 log₁₀ (16 - ⌈16 s⌉)! + log₁₀ 16!."""
    model = make("fc:widths=16,16,16,16,16,16", SHAPE, 10)
    for sparsity, digits in ((0.5, 36.35), (0.75, 20.22), (0.8, 17.21), (0.9, 13.32)):
        found = count(mask(model, "symmetric", sparsity), model).columns
        assert found["alive_order_digits"] == pytest.approx(digits, abs=0.005)
        assert found["alive_order"] == found["alive_twin_order"]
        left = 16 - math.ceil(16 * sparsity)
        assert found["alive_units"] == 5 * left + 16


def test_random_masks_lose_all_symmetry_within_the_spread_of_the_sheet():
    model = make("fc:widths=16,16,16,16,16,16", SHAPE, 10)
    for sparsity, digits, alive in ((0.5, 0.0, 96), (0.9, 0.60, 60.3)):
        found = [count(mask(model, "random", sparsity, seed), model).columns for seed in range(8)]
        assert np.mean([each["alive_order_digits"] for each in found]) == pytest.approx(digits, abs=0.9)
        assert np.mean([each["alive_units"] for each in found]) == pytest.approx(alive, abs=5)


def test_columns_hold_together():
    found = count(mask(sparsity=0.8)).columns
    for word in ("", "alive_"):
        assert found[f"{word}order"] % found[f"{word}twin_order"] == 0
        assert found[f"{word}order_digits"] == pytest.approx(log10(found[f"{word}order"]))
        told = found[f"{word}group_digits"] - found[f"{word}order_digits"]
        assert found[f"{word}lost_digits"] == pytest.approx(told)
        layers = [found[f"{word}twin_digits_hidden_{n}"] for n in range(3)]
        assert sum(layers) == pytest.approx(found[f"{word}twin_digits"], abs=1e-9)
    assert found["alive_units"] == sum(found[f"alive_units_hidden_{n}"] for n in range(3))
    dense = count(full()).columns
    assert dense["order"] == dense["twin_order"] == math.factorial(16) ** 3
    assert dense["lost_digits"] == 0


def test_prescribed_symmetry_at_the_sparsity_and_fan_in_of_per_neuron():
    random, blocks, turning = (
        count(mask(pattern=name, sparsity=0.75)) for name in ("per_neuron", "block_repeat", "circulant")
    )
    assert blocks.columns["order"] % 2**24 == 0
    assert turning.columns["order"] % 16 == 0
    assert turning.columns["twin_order"] == 1
    assert random.columns["order"] < 2**8
    names = ("per_neuron", "block_repeat", "circulant")
    kept = {name: mask(pattern=name, sparsity=0.75)["kept"] for name in names}
    assert set(kept.values()) == {64 * 16 // 4 + 2 * 64 + 160}
    assert all((orbits == 0).all() for orbits in turning.arrays["orbits"].values())


@pytest.mark.parametrize("pattern", ["circulant", "symmetric", "block_repeat"])
def test_masks_stay_under_their_automorphisms_and_move_under_others(pattern):
    for model in (FC, CONV):
        given = mask(model, pattern, 1 / 3)["mask"]
        units = units_of(model, SHAPE)
        net = units.net(given)
        found = automorphisms(net)
        assert found.order > 1
        for one in found.relabellings():
            moved, _ = units.relabelled(given, (), one)
            assert all(np.array_equal(a, b) for a, b in zip(units.net(moved), net, strict=True))
        rng = np.random.default_rng(0)
        orders = [rng.permutation(width) for width in units.widths]
        other, _ = units.relabelled(given, (), orders)
        again = automorphisms(units.net(other))
        assert again.order == found.order
        assert not all(np.array_equal(a, b) for a, b in zip(relabelled(net, orders), net, strict=True))


@pytest.mark.parametrize("model", [FC, CONV], ids=["fc", "conv"])
def test_propagation_leaves_outputs_at_init_and_adds_nothing(model):
    given = mask(model, "random", 0.93)["mask"]
    found = Propagated(model, SHAPE, given).compute()
    assert isinstance(found, Found)
    after = found.arrays["mask"]
    pairs = zip(jax.tree.leaves(given), jax.tree.leaves(after), strict=True)
    assert not any((new & ~old).any() for old, new in pairs)
    assert found.columns["cut"] > 0
    assert found.columns["alive_units"] < found.columns["units"]
    start = SparseStart(model, SHAPE, given, Seeds(1)).compute()["weights"]
    x = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)
    run = jax.jit(lambda w, x: model.apply(w, {}, x, train=False, key=KEY)[0])
    before, behind = (
        run(jax.tree.map(lambda w, m: np.where(m, w, 0).astype(np.float32), start, flags), x)
        for flags in (given, after)
    )
    np.testing.assert_allclose(before, behind, rtol=1e-5, atol=1e-6)
    assert np.abs(before).max() > 0


def test_a_start_has_the_variance_of_what_is_left():
    wide = make("fc:widths=200,100", SHAPE, 10)
    given = mask(wide, "random", 0.8)["mask"]
    weights = flat_dict(SparseStart(wide, SHAPE, given, Seeds(0)).compute()["weights"])
    flags = flat_dict(given)["hidden/1/kernel"]
    kernel = weights["hidden/1/kernel"]
    assert (kernel[~flags] == 0).all()
    scaled = (kernel**2).sum(0) / 2  # k_i times the variance 1 / k_i
    assert abs(scaled.mean() - 1) < 5 * math.sqrt(1.4 / flags.sum())
    assert weights["output/kernel"].var() == pytest.approx(2 / 110, rel=0.25)
    assert not weights["hidden/1/bias"].any()


def test_orders_of_any_size_come_back_from_a_folder(tmp_path):
    """100! cubed has 474 digits: the table holds each of them."""
    model = make("fc:widths=100,100,100", (4,), 2)
    masks = {s: PatternMask(model, (4,), Seeds(0), "symmetric", s).output("mask") for s in (0.0, 0.5)}
    rows = [ws.Row({"sparsity": s}, Symmetry(model, (4,), given)) for s, given in masks.items()]
    table = ws.sweep(rows, tmp_path).set_index("sparsity")
    assert table.order[0.0] == math.factorial(100) ** 3
    assert table.order[0.5] == math.factorial(50) ** 4 * math.factorial(100)
    assert table.alive_order[0.5] == math.factorial(50) ** 2 * math.factorial(100)
    again = ws.results(tmp_path).set_index("sparsity")
    assert again.order[0.0] == group_order([100] * 3)


@pytest.mark.parametrize("sparsity", [-0.1, 1.5, float("nan")])
def test_sparsities_out_of_range(sparsity):
    with pytest.raises(InputError, match=r"sparsity is .*must lie in \[0, 1\]"):
        mask(sparsity=sparsity)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("4", "layer 4 is none of the model's 4 kernels: 0 hidden/0/kernel, .*3 output/kernel"),
        ("0,-1", "layer -1 is none"),
        ("bias", "only kernels are masked"),
        ("hiden/1/*", "selects no leaf"),
    ],
)
def test_layers_that_are_none(layers, words):
    with pytest.raises(InputError, match=words):
        mask(layers=layers)


def test_masks_of_another_network_are_refused():
    other = mask(CONV)["mask"]
    for node in (
        Symmetry(FC, SHAPE, other),
        Propagated(FC, SHAPE, other),
        SparseStart(FC, SHAPE, other, Seeds(0)),
    ):
        with pytest.raises(InputError, match="the mask belongs to another architecture"):
            node.compute()
    wrong = map_named(lambda _, leaf: leaf.astype(np.float32), mask()["mask"])
    with pytest.raises(InputError, match="must hold booleans"):
        Symmetry(FC, SHAPE, wrong).compute()


def test_a_dead_network_is_counted():
    """Nothing is connected: all relabellings are automorphisms, and of no units there is one."""
    found = count(mask(sparsity=1.0)).columns
    assert (found["connected"], found["alive_units"], found["alive_order"]) == (0, 0, 1)
    assert found["order"] == math.factorial(16) ** 3
    cut = Propagated(FC, SHAPE, mask(sparsity=1.0)["mask"]).compute()
    assert (cut.columns["kept"], cut.columns["cut"], cut.columns["connected"]) == (0, 160, 0)
    start = flat_dict(SparseStart(FC, SHAPE, mask(sparsity=1.0)["mask"], Seeds(0)).compute()["weights"])
    assert not start["hidden/1/kernel"].any()


def test_patterns_by_unit_need_an_axis_of_units():
    """A leaf with two axes of units, as attention's: chance may mask it, fan-in cannot be said."""
    from flax import nnx

    class Heads(nnx.Module):
        def __init__(self, rngs):
            self.a = nnx.LinearGeneral(8, (2, 3), rngs=rngs)
            self.b = nnx.LinearGeneral((2, 3), 4, axis=(-2, -1), rngs=rngs)

        def __call__(self, x):
            return self.b(nnx.relu(self.a(x)))

    model = ws.from_nnx(Heads)
    found = flat_dict(PatternMask(model, (8,), Seeds(0), "random", 0.5).compute()["mask"])
    assert found["a/kernel"].sum() == 24
    with pytest.raises(InputError, match="'per_neuron' places ones unit by unit, but kernel 'a/kernel'"):
        PatternMask(model, (8,), Seeds(0), "per_neuron", 0.5).compute()
    with pytest.raises(InputError, match="no single axis of units"):
        PatternMask(model, (8,), Seeds(0), "circulant", 0.5).compute()
    assert layout_of(model, (8,), "float32")["a/kernel"].out_axis is None


@pytest.mark.parametrize(
    "name", ["mnist_fc:widths=8,8", "mnist_cnn:filters=6,8,widths=8", "cifar10_cnn:filters=4,8"]
)
def test_the_study_s_networks_are_counted_with_their_norms(name):
    model = make(name, SHAPE, 10)
    found = count(mask(model, "symmetric", 0.5), model).columns
    assert found["order"] >= found["twin_order"] > 1
    widths = units_of(model, SHAPE).widths
    assert count(full(model), model).columns["order"] == group_order(widths)
    assert all(len(own) == 3 for own in units_of(model, SHAPE).own)
    assert all(len(own) == 2 for own in units_of(model, SHAPE).state)


def test_masks_of_biases_are_refused_where_they_would_not_be_counted():
    given = mask()["mask"]
    cut = map_named(lambda path, leaf: leaf & (path != "hidden/0/bias"), given)
    assert not np.asarray(flat_dict(cut)["hidden/0/bias"]).any()
    with pytest.raises(InputError, match="takes away entries of 'hidden/0/bias', which is no kernel"):
        Symmetry(FC, SHAPE, cut).compute()
