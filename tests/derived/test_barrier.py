"""The line between two networks: ends, convexity, permuted units."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import tree
from weightspace.data import from_arrays, make_data
from weightspace.data.base import Data
from weightspace.data.task import Task
from weightspace.derived.barrier import Barrier, barrier, between
from weightspace.errors import InputError
from weightspace.measure.host import measure, stacked
from weightspace.measure.network import Network, Subject
from weightspace.models.adapters import from_linen
from weightspace.models.zoo import make
from weightspace.recipes.losses import CrossEntropy, SquaredError
from weightspace.streams import Keys, Seeds, Stream

DATA = make_data("digits", normalise="unit")
TASK = Task(DATA, CrossEntropy())
HIDDEN = make("fc:widths=24", DATA.shape, 10)
SEEDS = Seeds(0)


def drawn(model, seed, scale=1.0, data=DATA):
    blank = jnp.zeros((1, *data.shape), jnp.float32)
    weights = model.init(Keys(Seeds(seed))(Stream.INIT), blank)[0]
    return jax.tree.map(lambda w: scale * w, weights)


def line(model, a, b, task=TASK, points=5):
    return Barrier(model, task, a, b, SEEDS, points).compute()


def test_the_barrier_is_the_highest_point_over_the_mean_of_the_ends():
    assert barrier(np.array([1.0, 4.0, 2.0, 3.0])) == 2.0
    assert barrier(np.array([1.0, 0.5, 3.0])) == 1.0


def test_ends_are_the_networks_themselves():
    a, b = drawn(HIDDEN, 0), drawn(HIDDEN, 1)
    assert tree.equal(between(a, b, 0.0), a)
    assert tree.equal(between(a, b, 1.0), b)
    found = line(HIDDEN, a, b)
    for end, weights in (("a", a), ("b", b)):
        network = stacked([Network(weights, None)])
        alone = measure(Subject(HIDDEN, TASK, SEEDS), network, {"test": None})
        assert found[f"loss_{end}"] == pytest.approx(alone["test_loss"][0])
        assert found[f"error_{end}"] == pytest.approx(1 - alone["test_accuracy"][0])
    np.testing.assert_allclose(found["alphas"], [0, 0.25, 0.5, 0.75, 1])
    assert found["barrier_error"] == pytest.approx(barrier(found["errors"]))
    assert found["train_barrier_loss"] == pytest.approx(barrier(found["train_losses"]))
    assert found["distance_ab"] == pytest.approx(float(tree.distance(a, b)))


def test_nothing_lies_between_a_network_and_itself():
    a = drawn(HIDDEN, 0)
    found = line(HIDDEN, a, a)
    assert found["barrier_error"] == found["train_barrier_error"] == found["distance_ab"] == 0
    assert found["barrier_loss"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["losses"], found["loss_a"], rtol=1e-6)


def test_a_loss_that_is_convex_in_the_weights_has_no_barrier():
    """Of the last layer alone cross-entropy is convex: on a line it lies below the chord."""
    a = drawn(HIDDEN, 0, 2.0)
    b = a | {"output": drawn(HIDDEN, 1, 5.0)["output"]}
    found = line(HIDDEN, a, b, points=9)
    chord = (1 - found["alphas"]) * found["loss_a"] + found["alphas"] * found["loss_b"]
    assert np.all(found["losses"][1:-1] < chord[1:-1])
    assert found["barrier_loss"] == pytest.approx(abs(found["loss_a"] - found["loss_b"]) / 2, rel=1e-5)


def test_units_in_another_order_are_one_function_but_far_apart():
    """With the order reversed the line is its own mirror image; half-way each unit is the mean of two."""
    a = drawn(HIDDEN, 0, 8.0)
    b = {
        "hidden": {"0": jax.tree.map(lambda w: w[..., ::-1], a["hidden"]["0"])},
        "output": {"kernel": a["output"]["kernel"][::-1], "bias": a["output"]["bias"]},
    }
    found = line(HIDDEN, a, b)
    assert found["error_a"] == pytest.approx(found["error_b"])
    np.testing.assert_allclose(found["losses"], found["losses"][::-1], rtol=1e-4)
    assert np.ptp(found["losses"]) > 0.03 * found["loss_a"]


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(8, name="first")(x.reshape(len(x), -1))
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        return nn.Dense(10, name="output")(nn.relu(x))


def test_a_network_with_normalisation_uses_the_statistics_of_the_batch():
    """The scale of what is normalised is of no account; by the statistics at the start it would be."""
    model = from_linen(Normalised())
    a = drawn(model, 0)
    b = a | {"first": jax.tree.map(lambda w: 5 * w, a["first"])}
    found = line(model, a, b, points=3)
    np.testing.assert_allclose(found["losses"], found["loss_a"], rtol=1e-2)


def test_targets_that_are_no_classes_have_losses_but_no_error():
    rng = np.random.default_rng(0)
    data = Data(from_arrays(rng.standard_normal((30, 4)), rng.standard_normal(30)), normalise="none")
    model = make("fc:widths=5", data.shape, 1)
    found = line(model, drawn(model, 0, data=data), drawn(model, 1, data=data), Task(data, SquaredError()))
    assert {"barrier_loss", "train_barrier_loss", "losses"} <= set(found)
    assert not [name for name in found if "error" in name]


def test_what_is_no_line():
    a = drawn(HIDDEN, 0)
    with pytest.raises(InputError, match="points of a line is 1"):
        Barrier(HIDDEN, TASK, a, a, SEEDS, 1)
    with pytest.raises(InputError, match="the end 'b' of a line belongs to another architecture"):
        line(HIDDEN, a, drawn(make("fc:widths=8", DATA.shape, 10), 0))
