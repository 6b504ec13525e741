"""How weights are shared out over layers: exact sums, the formulas of the papers, full layers."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.masks.densities import DISTRIBUTIONS, kept_counts
from weightspace.models.layout import Layout, Leaf


def kernel(name, shape, order, **more):
    fan = tuple(range(len(shape) - 1))
    return Leaf(f"{name}/kernel", shape, "kernel", name, order, fan_axes=fan, out_axis=len(shape) - 1, **more)


FC = Layout(
    (kernel("a", (784, 300), 0), kernel("b", (300, 100), 1), kernel("c", (100, 10), 2, output=True),
     Leaf("c/bias", (10,), "bias", "c", 3))
)  # fmt: skip
CONV = Layout((kernel("a", (3, 3, 16, 32), 0), kernel("b", (3, 3, 32, 64), 1), kernel("c", (64, 10), 2)))


@pytest.mark.parametrize("layout", [FC, CONV], ids=["fc", "conv"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("density", [0.0503, 0.1, 0.5, 0.999, 1.0])
def test_the_sum_is_exact_and_no_layer_is_more_than_full(layout, distribution, density):
    counts = kept_counts(layout, density, distribution)
    sizes = {leaf.path: leaf.size for leaf in layout if leaf.kind == "kernel"}
    assert list(counts) == list(sizes)
    assert sum(counts.values()) == int(np.floor(density * sum(sizes.values()) + 0.5))
    assert all(0 < counts[path] <= sizes[path] for path in counts)


def test_uniform_is_the_same_share_everywhere():
    assert kept_counts(FC, 0.1, "uniform") == {"a/kernel": 23520, "b/kernel": 3000, "c/kernel": 100}


@pytest.mark.parametrize("distribution", ["er", "erk"])
def test_densities_of_dense_layers_go_with_the_sum_over_the_product_of_the_axes(distribution):
    counts = kept_counts(FC, 0.08, distribution)
    raw = np.asarray([(784 + 300) / (784 * 300), 400 / 30000, 110 / 1000])
    sizes = np.asarray([235200, 30000, 1000])
    # The output layer would have a density of 1.47: it is full, the others share the rest.
    assert counts["c/kernel"] == 1000
    scale = (21296 - 1000) / (raw[:2] * sizes[:2]).sum()  # of 266,200 weights
    np.testing.assert_allclose([counts["a/kernel"], counts["b/kernel"]], scale * raw[:2] * sizes[:2], atol=1)


def test_erk_counts_the_taps_of_a_convolution_as_axes_and_er_as_inputs():
    erk, er = kept_counts(CONV, 0.1, "erk"), kept_counts(CONV, 0.1, "er")

    def ratio(counts):
        return (counts["a/kernel"] / 4608) / (counts["b/kernel"] / 18432)

    assert ratio(erk) == pytest.approx(((3 + 3 + 16 + 32) / 4608) / ((3 + 3 + 32 + 64) / 18432), rel=2e-3)
    assert ratio(er) == pytest.approx(((144 + 32) / 4608) / ((288 + 64) / 18432), rel=2e-3)


def test_layers_that_stay_dense_are_left_out_of_the_count():
    counts = kept_counts(FC, 0.1, "uniform", dense="output")
    assert counts == {"a/kernel": 23520, "b/kernel": 3000, "c/kernel": 1000}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, "erk"), "density"),
        ((90, "erk"), "share kept"),
        ((0.1, "erkk"), "did you mean 'erk'"),
        ((0.1, "erk", "conv*"), "selects no leaf"),
        ((0.1, "uniform", "kernel"), "no kernel is left to be sparse"),
        ((1e-4, "uniform"), "would keep none of its weights"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        kept_counts(FC, *arguments)
